"""Benchmark sets: folders under their own names, with the hashes of their files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from superfine.errors import UserError
from superfine.evaluation.sets import open_set, open_sets
from superfine.metrics import pairs

WriteNoise = Callable[..., None]


def test_a_set_is_the_pairs_of_its_folder(tmp_path: Path, write_noise: WriteNoise) -> None:
    for name in ("001", "002"):
        write_noise(tmp_path / f"{name}_HR.png", 16, 20, 1)
        write_noise(tmp_path / f"{name}_LR.png", 4, 5, 2)
    bench = open_set(tmp_path, 4)
    expected = list(pairs(tmp_path, 4))
    assert bench.name == tmp_path.name
    assert [item.name for item in bench.items] == [pair.name for pair in expected] == ["001", "002"]
    for item, pair in zip(bench.items, expected, strict=True):
        found = bench.pair(item)
        assert (found.hr == pair.hr).all()
        assert (found.lr == pair.lr).all()


def test_a_link_to_a_set_has_its_own_name(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "store" / "ab12" / "a.png", 16, 16, 1)
    (tmp_path / "Set5").symlink_to("store/ab12")
    assert open_set(tmp_path / "Set5", 4).name == "Set5"


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
    hr, lr = after
    assert len(hr) == len(lr) == 64
    assert hr != lr
    (item,) = open_set(tmp_path / "HR", 4).items
    assert again.fingerprint(item) == (hr, "made")


def test_a_problem_has_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("nowhere.png")
    bench = open_set(tmp_path, 4)
    with pytest.raises(UserError, match="is a link that leads to no file"):
        bench.fingerprint(bench.items[0])


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
