"""The contact sheet: what it shows is what training would get."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from superfine.data import Batches, pack
from superfine.data.degrade import DEGRADATIONS
from superfine.data.preview import GAP, preview
from superfine.errors import UserError
from superfine.images import read

torch.set_num_threads(1)


@pytest.fixture
def large(tmp_path: Path, write_noise: Callable[..., None]) -> Path:
    folder = tmp_path / "large"
    for i, size in enumerate([(64, 70), (80, 64), (72, 66)]):
        write_noise(folder / f"{i} & <co>.png", *size, i)
    return folder


def test_the_sheet_shows_the_first_batches_of_a_run(large: Path, tmp_path: Path) -> None:
    made = pack(large, tmp_path / "p.pack", scale=2)
    names = preview(made.path, tmp_path / "sheet.png", seed=5, count=2)
    batches = Batches(made, seed=5, batch=2, patch=32)
    assert names == [made.entries[crop.picture].file for crop in batches.crops(0)]

    sheet = np.rint(read(tmp_path / "sheet.png").pixels * 255)
    _, hr = batches(0)
    tensor = torch.from_numpy(hr).permute(0, 3, 1, 2).float() / 255
    expected = [hr.astype(np.float32)]
    for step in range(3):
        lr = DEGRADATIONS["photo"](tensor, scale=2, seed=5, step=step).permute(0, 2, 3, 1).numpy()
        expected.append(np.rint(lr * 255).repeat(2, 1).repeat(2, 2))
    for column, pictures in enumerate(expected):
        x = GAP + column * (64 + GAP)
        np.testing.assert_array_equal(sheet[GAP : GAP + 64, x : x + 64], pictures[0])
        below = sheet[GAP + 64 : GAP + 64 + 30, x : x + 64]
        assert below.min() < 100  # the label
        assert np.median(below) == 255
    assert sheet.shape[1] == GAP + 4 * (64 + GAP)


def test_a_name_that_is_no_text(large: Path, tmp_path: Path) -> None:
    (large / "0 & <co>.png").rename(large / "caf\udce9\n.png")
    assert "caf\udce9\n.png" in preview(large, tmp_path / "a.png", degradation="gaussian", count=3)


def test_a_folder_of_pictures_of_any_size(large: Path, tmp_path: Path) -> None:
    (large / "broken.png").write_bytes(b"not a picture")
    (large / ".thumbnails").mkdir()
    for hidden in (".hidden.png", ".thumbnails/small.png"):
        (large / hidden).write_bytes((large / "0 & <co>.png").read_bytes())
    names = preview(large, tmp_path / "a.png", degradation="gaussian", count=9)
    assert sorted(names) == [f"{i} & <co>.png" for i in range(3)]
    assert read(tmp_path / "a.png").pixels.shape[1] == GAP + 2 * (64 + GAP)
    preview(large, tmp_path / "b.png", degradation="gaussian", count=9)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert preview(large, tmp_path / "b.png", seed=2, count=9) != names
    preview(large, tmp_path / "c.png", seed=1, count=1, scale=3)
    assert read(tmp_path / "c.png").pixels.shape[1] == GAP + 4 * (63 + GAP)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degradation": "jpeg"}, "--degradation jpeg: is unknown; choose one of bicubic, gaussian, photo, everyday"),
        ({"seed": -1}, "--seed -1: give 0 or more, below 2^63"),
        ({"count": 0}, "--count 0: is too small; give at least 1"),
        ({"scale": 100}, "--scale 100: is out of range; give 1 to 32"),
        ({"source": "nowhere"}, "nowhere: is neither a pack nor a folder of pictures; give one of them"),
        ({"source": "empty"}, "empty: holds no picture of 32×32 pixels or more; give a folder of photographs"),
        ({"out": "sheet.xyz"}, "sheet.xyz"),
        ({"out": "missing/sheet.png"}, "missing/sheet.png"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    arguments = {"source": large, "out": "sheet.png", "count": 1} | options
    source, out = Path(str(arguments.pop("source"))), Path(str(arguments.pop("out")))
    with pytest.raises(UserError) as caught:
        preview(source, out, **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_without_torch_the_way_out_is_named(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("superfine.data.degrade")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match="the preview needs torch; install it with"):
        preview(large, tmp_path / "sheet.png")
