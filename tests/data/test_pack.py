"""Opening a pack."""

import builtins
import io
import os
from pathlib import Path
from typing import Any

import pytest

from superfine.data import Pack, pack
from superfine.errors import UserError


def test_a_damaged_pack_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pack(photos, out)
    data = next(out.glob("hr-*.u8"))
    os.truncate(data, data.stat().st_size - 1)
    with pytest.raises(UserError, match=f"{data.name}: has"):
        Pack(out)
    whole = (out / "pack.json").read_bytes()
    wrong = [whole.replace(b'"scale": 4', scale) for scale in (b'"scale": 0', b'"scale": "4"')]
    wrong.append(whole.replace(b'"hr-', b'null, "hr-'))
    assert whole not in wrong
    for content in (b"{", b"\xff\xfe", b"5", *wrong):
        (out / "pack.json").write_bytes(content)
        with pytest.raises(UserError, match="damaged"):
            Pack(out)
    with pytest.raises(UserError, match="is not a pack"):
        Pack(photos)


@pytest.mark.parametrize("locked", ["pack.json", "lr-*.u8"])
def test_a_pack_that_cannot_be_read(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    made = pack(photos, tmp_path / "out")
    file = next(made.path.glob(locked))
    read = io.open

    def opened(path: object, *rest: Any, **more: Any) -> Any:  # root may read any file
        if str(path) == str(file):
            raise PermissionError(13, "Permission denied", str(file))
        return read(path, *rest, **more)

    for module in (io, builtins):
        monkeypatch.setattr(module, "open", opened)
    with pytest.raises(UserError) as caught:
        Pack(made.path)
    assert str(caught.value) == f"{file}: cannot be read: Permission denied; check its permissions"
