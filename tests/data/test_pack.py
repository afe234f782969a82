"""Opening a pack."""

import os
from pathlib import Path

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
    for content in (b"{", b"\xff\xfe", b"5"):
        (out / "pack.json").write_bytes(content)
        with pytest.raises(UserError, match="damaged"):
            Pack(out)
    with pytest.raises(UserError, match="is not a pack"):
        Pack(photos)
