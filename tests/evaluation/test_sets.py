"""Benchmark sets: originals and twins are found by their names, and what is wrong is told of single pictures."""

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superfine.errors import UserError
from superfine.evaluation.sets import Item, matched, open_set, open_sets
from superfine.images import imresize, read

WriteNoise = Callable[..., None]


def test_a_plain_folder_gets_twins_by_imresize(photos: Path) -> None:
    bench = open_set(photos, 4)
    assert bench.name == "photos"
    assert [item.name for item in bench.items] == ["0", "1", "2", "3"]
    assert bench.fingerprint(bench.items[2])[1] == "made"
    pair = bench.pair(bench.items[2])
    assert pair.hr.shape == (32, 44, 3)  # of 33 × 47, cropped to a multiple of 4
    assert pair.hr.dtype == np.uint8
    np.testing.assert_array_equal(np.rint(pair.lr * 255).astype(np.uint8), imresize(pair.hr, scale=0.25))


@pytest.mark.parametrize(
    ("high", "low", "original", "twin"),
    [
        ("HR", "LRbicx4", "a", "a"),
        ("HR", "LRbicx4", "a", "ax4"),
        ("GTmod12", "LR_bicubic/X4", "a", "a_x4"),
        ("HR", "LR", "img_001_SRF_4_HR", "img_001_SRF_4_LR"),
    ],
)
def test_given_twins_are_used(
    high: str, low: str, original: str, twin: str, tmp_path: Path, write_noise: WriteNoise
) -> None:
    write_noise(tmp_path / high / f"{original}.png", 16, 20, 1)
    write_noise(tmp_path / low / f"{twin}.png", 4, 5, 2)
    bench = open_set(tmp_path, 4)
    (item,) = bench.items
    np.testing.assert_array_equal(bench.pair(item).lr, read(tmp_path / low / f"{twin}.png").pixels)
    hr, lr = bench.fingerprint(item)
    assert len(hr) == len(lr) == 64
    assert hr != lr


def test_the_fingerprint_is_of_the_files(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "HR" / "a.png", 16, 20, 1)
    write_noise(tmp_path / "LR" / "a.png", 4, 5, 2)
    bench = open_set(tmp_path, 4)
    before = bench.fingerprint(bench.items[0])
    write_noise(tmp_path / "LR" / "a.png", 4, 5, 3)
    again = open_set(tmp_path, 4)
    after = again.fingerprint(again.items[0])
    assert before[0] == after[0]
    assert before[1] != after[1]


def problems(folder: Path) -> dict[str, str]:
    bench = open_set(folder, 4)
    found = {}
    for item in bench.items:
        try:
            bench.fingerprint(item)
            bench.pair(item)
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
    (high / "cut.png").write_bytes((high / "cut.png").read_bytes()[:200])

    found = problems(tmp_path)

    assert sorted(found) == ["alone", "cut", "mode", "orphan", "size", "two"]
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
    from superfine.images import Picture, write

    (tmp_path / "LR").mkdir()
    write(Picture(grey.pixels[:4, :4], grey=False), tmp_path / "LR" / "a.png")
    bench = open_set(tmp_path, 4)
    assert bench.pair(bench.items[0]).grey
    assert problems(tmp_path) == {}


def test_what_is_no_set_is_told(tmp_path: Path, write_noise: WriteNoise) -> None:
    with pytest.raises(UserError, match="missing: is not a folder"):
        open_set(tmp_path / "missing", 4)
    with pytest.raises(UserError, match="holds no pictures"):
        open_set(tmp_path, 4)


@pytest.mark.parametrize("names", [("a", "a_HR"), ("a:b", "a_b"), ("bird", "Bird")])
def test_originals_whose_results_would_be_one_file_are_refused(
    names: tuple[str, str], tmp_path: Path, write_noise: WriteNoise
) -> None:
    for name in names:
        write_noise(tmp_path / "HR" / f"{name}.png", 16, 16, 1)
    with pytest.raises(UserError, match=r"\.png beside it has the same name; move one of them away"):
        open_set(tmp_path, 4)


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
    bench = open_set(tmp_path, 4)
    assert [item.name for item in bench.items] == ["img_001_SRF_4", "img_002_SRF_4"]
    assert [item.lr for item in bench.items] == [
        tmp_path / f"{item.name}_LR.png" if with_twins else None for item in bench.items
    ]
    assert bench.pair(bench.items[1]).lr.shape == (4, 5, 3)


def test_two_sets_of_one_name_are_refused(tmp_path: Path, write_noise: WriteNoise) -> None:
    for folder in ("one/Set5", "two/Set5"):
        write_noise(tmp_path / folder / "a.png", 16, 16, 1)
    with pytest.raises(UserError, match="another set is called Set5 too"):
        open_sets([tmp_path / "one/Set5", tmp_path / "two/Set5"], 4)


@pytest.mark.parametrize("other", ["set_5", "SET:5"])
def test_two_sets_whose_pictures_would_share_a_folder_are_refused(
    other: str, tmp_path: Path, write_noise: WriteNoise
) -> None:
    for folder in ("one/Set_5", f"two/{other}"):
        write_noise(tmp_path / folder / "a.png", 16, 16, 1)
    with pytest.raises(UserError, match="another set is called Set_5 too"):
        open_sets([tmp_path / "one/Set_5", tmp_path / "two" / other], 4)


def test_a_folder_that_may_not_be_searched_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    (tmp_path / "set").mkdir()
    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(UserError, match="set: cannot be searched: Permission denied"):
        open_set(tmp_path / "set", 4)


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


def test_an_item_without_an_original_has_no_pair(photos: Path) -> None:
    with pytest.raises(UserError, match="a reason"):
        open_set(photos, 4).pair(Item("x", None, None, "a reason"))
