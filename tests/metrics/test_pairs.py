"""Pairs: originals and twins are found by their names, twins are made where none are given, faults are of single pictures."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superfine.errors import UserError
from superfine.images import Picture, imresize, read, write
from superfine.metrics import pairs
from superfine.metrics.pairs import Item, find_pairs, matched, own_name, read_pair

WriteNoise = Callable[..., None]


def test_a_plain_folder_gets_twins_by_imresize(photos: Path) -> None:
    found = list(pairs(photos, 4))
    assert [pair.name for pair in found] == ["0", "1", "2", "3"]
    pair = found[2]
    assert pair.hr.shape == (32, 44, 3)  # of 33 × 47, cropped to a multiple of 4
    assert pair.hr.dtype == np.uint8
    np.testing.assert_array_equal(pair.hr, np.rint(255 * read(photos / "2.png").pixels[:32, :44]))
    np.testing.assert_array_equal(np.rint(pair.lr * 255).astype(np.uint8), imresize(pair.hr, scale=0.25))


@pytest.mark.parametrize(
    ("high", "low", "original", "twin"),
    [
        ("HR", "LRbicx4", "a", "a"),
        ("HR", "LRbicx4", "a", "ax4"),
        ("GT", "LR", "a", "a"),
        ("GTmod12", "LR_bicubic/X4", "a", "a_x4"),
        ("HR", "LR", "img_001_SRF_4_HR", "img_001_SRF_4_LR"),
    ],
)
def test_given_twins_are_used(
    high: str, low: str, original: str, twin: str, tmp_path: Path, write_noise: WriteNoise
) -> None:
    write_noise(tmp_path / high / f"{original}.png", 16, 20, 1)
    write_noise(tmp_path / low / f"{twin}.png", 4, 5, 2)
    (pair,) = pairs(tmp_path, 4)
    np.testing.assert_array_equal(pair.lr, read(tmp_path / low / f"{twin}.png").pixels)


def problems(folder: Path) -> dict[str, str]:
    found = {}
    for item in find_pairs(folder, 4):
        try:
            read_pair(item, 4)
        except UserError as error:
            found[item.name] = str(error)
    return found


def test_problems_are_those_of_single_pictures(tmp_path: Path, write_noise: WriteNoise) -> None:
    high, low = tmp_path / "HR", tmp_path / "LRbicx4"
    for name in ("good", "alone", "size", "mode", "cut", "two"):
        write_noise(high / f"{name}.png", 16, 20, 1)
    for name in ("good", "mode", "cut", "orphan", "two_x4", "two_bic"):
        write_noise(low / f"{name}.png", 4, 5, 2)
    write_noise(low / "size.png", 5, 5, 2)
    write_noise(low / "mode.png", 4, 5, 2, channels=1)
    for suffix in ("png", "tiff"):
        write_noise(low / f"twins.{suffix}", 4, 5, 2)
    (high / "cut.png").write_bytes((high / "cut.png").read_bytes()[:200])

    found = problems(tmp_path)

    assert sorted(found) == ["alone", "cut", "mode", "orphan", "size", "twins.png", "twins.tiff", "two"]
    assert "alone.png: has no twin" in found["alone"]
    assert "damaged or cut short" in found["cut"]
    assert "mode.png: is grey, its original in colour" in found["mode"]
    assert "orphan.png: has no original" in found["orphan"]
    assert "size.png: is 5×5, not a 4th of its original's 20×16" in found["size"]
    assert "two_bic.png, two_x4.png may all be two" in found["two"]


def test_a_picture_smaller_than_the_scale_is_told(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "a.png", 3, 20, 1)
    assert "smaller than 4×4" in problems(tmp_path)["a"]


def test_grey_written_in_colour_is_still_grey(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "HR" / "a.png", 16, 16, 1, channels=1)
    grey = read(tmp_path / "HR" / "a.png")
    (tmp_path / "LR").mkdir()
    write(Picture(grey.pixels[:4, :4], grey=False), tmp_path / "LR" / "a.png")
    (pair,) = pairs(tmp_path, 4)
    assert pair.grey


def test_pairs_stop_at_the_first_problem(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "HR" / "a.png", 16, 20, 1)
    write_noise(tmp_path / "LR" / "b.png", 4, 5, 2)
    with pytest.raises(UserError, match=r"a\.png: has no twin"):
        list(pairs(tmp_path, 4))


def test_an_original_that_cannot_be_opened_is_told(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "a.png", 16, 20, 1)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("b.bmp", "c.PPM", "d.jp2", "raw.nef"):
        (tmp_path / name).write_bytes(b"a picture")
    for name in (".hidden.bmp", "notes.txt", "a.bmp"):
        (tmp_path / name).write_bytes(b"none, or one of a picture that is there")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.bmp").mkdir()

    found = problems(tmp_path)

    assert [item.name for item in find_pairs(tmp_path, 4)] == ["a", "b", "c", "d", "gone", "loop", "pipe", "raw"]
    for name in ("b", "c", "d", "raw"):
        assert "is of a format that superfine does not read; convert it to PNG" in found.pop(name)
    for name in ("gone", "loop"):
        assert f"{name}.png: is a link that leads to no file" in found.pop(name)
    assert "pipe.png: is no ordinary file" in found.pop("pipe")
    assert found == {}


def test_an_original_that_cannot_be_opened_keeps_its_twin(tmp_path: Path, write_noise: WriteNoise) -> None:
    for name in ("a", "b", "c"):
        write_noise(tmp_path / "LR" / f"{name}.png", 4, 5, 1)
    (tmp_path / "HR").mkdir()
    (tmp_path / "HR" / "a.bmp").write_bytes(b"a picture")
    (tmp_path / "HR" / "b.png").symlink_to("nowhere.png")
    write_noise(tmp_path / "HR" / "c.png", 16, 20, 1)
    found = problems(tmp_path)
    assert sorted(found) == ["a", "b"]
    assert "a.bmp: is of a format" in found["a"]
    assert "b.png: is a link" in found["b"]


def test_twins_that_cannot_be_opened_are_not_made(tmp_path: Path, write_noise: WriteNoise) -> None:
    for name in ("a", "b", "c"):
        write_noise(tmp_path / f"{name}_HR.png", 16, 20, 1)
    (tmp_path / "a_LR.bmp").write_bytes(b"a picture")
    (tmp_path / "b_LR.png").symlink_to("nowhere.png")
    found = problems(tmp_path)
    assert "a_LR.bmp: is of a format that superfine does not read" in found["a"]
    assert "b_LR.png: is a link that leads to no file" in found["b"]
    assert "c_HR.png: has no twin" in found["c"]


def test_a_folder_is_called_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store" / "ab12").mkdir(parents=True)
    (tmp_path / "Set5").symlink_to("store/ab12")
    assert own_name(tmp_path / "Set5") == "Set5"
    assert own_name(tmp_path / "store" / "..") == tmp_path.name
    monkeypatch.chdir(tmp_path / "store")
    assert own_name(Path()) == "store"


def test_refuses_what_holds_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing: is not a folder"):
        list(pairs(tmp_path / "missing", 4))
    with pytest.raises(UserError, match="holds no pictures"):
        list(pairs(tmp_path, 4))


@pytest.mark.parametrize("names", [("a", "a_HR"), ("a:b", "a_b"), ("bird", "Bird")])
def test_originals_whose_results_would_be_one_file_are_refused(
    names: tuple[str, str], tmp_path: Path, write_noise: WriteNoise
) -> None:
    for name in names:
        write_noise(tmp_path / "HR" / f"{name}.png", 16, 16, 1)
    with pytest.raises(UserError, match=r"\.png beside it has the same name; move one of them away"):
        find_pairs(tmp_path, 4)


@pytest.mark.parametrize("with_twins", [True, False])
def test_originals_that_say_so_may_lie_beside_other_pictures(
    with_twins: bool, tmp_path: Path, write_noise: WriteNoise
) -> None:
    """As Huang et al. publish Urban100."""
    for name in ("img_001_SRF_4", "img_002_SRF_4"):
        write_noise(tmp_path / f"{name}_HR.png", 16, 20, 1)
        write_noise(tmp_path / f"{name}_bicubic.png", 16, 20, 2)
        if with_twins:
            write_noise(tmp_path / f"{name}_LR.png", 4, 5, 3)
    items = find_pairs(tmp_path, 4)
    assert [item.name for item in items] == ["img_001_SRF_4", "img_002_SRF_4"]
    assert [item.lr for item in items] == [tmp_path / f"{item.name}_LR.png" if with_twins else None for item in items]
    assert read_pair(items[1], 4).lr.shape == (4, 5, 3)


def test_a_folder_that_may_not_be_searched_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    (tmp_path / "set").mkdir()
    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(UserError, match="set: cannot be searched: Permission denied"):
        find_pairs(tmp_path / "set", 4)


def test_files_are_matched_by_name_with_or_without_suffixes() -> None:
    names = ["baby", "img_1", "img_12", "img"]
    files = [
        "babyx4",
        "babyx4_out",
        "img_1@4x",
        "img_12_SwinIR_SR",
        "img_out",
        "babylon",
        "babyx4lon",
        "other",
        "img_1_2",
    ]
    found, others = matched([Path(f"{name}.png") for name in files], names)
    stems = {name: [file.stem for file in matches] for name, matches in found.items()}
    assert stems == {
        "baby": ["babyx4", "babyx4_out"],
        "img_1": ["img_1@4x", "img_1_2"],
        "img_12": ["img_12_SwinIR_SR"],
        "img": ["img_out"],
    }
    assert [file.stem for file in others] == ["babylon", "babyx4lon", "other"]


def test_accents_are_the_same_however_they_are_written() -> None:
    whole, apart = Path("caf\N{LATIN SMALL LETTER E WITH ACUTE}x4.png"), Path("cafe\N{COMBINING ACUTE ACCENT}x4.png")
    for name in (whole.stem[:-2], apart.stem[:-2]):
        for file in (whole, apart):
            assert matched([file], [name]) == ({name: [file]}, [])


def test_the_exact_name_leaves_out_the_others() -> None:
    found, _ = matched([Path("baby.png"), Path("baby_old.png")], ["baby"])
    assert found == {"baby": [Path("baby.png")]}


def test_an_item_without_an_original_has_no_pair() -> None:
    with pytest.raises(UserError, match="a reason"):
        read_pair(Item("x", None, None, "a reason"), 4)
