"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from superfine.files import whole_file


def test_the_file_is_there_after_the_block_and_the_old_one_until_then(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with whole_file(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), whole_file(target) as part:
        part.write_text("half")
        raise error
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"


def test_a_block_that_writes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.txt"):
        pass


@pytest.mark.parametrize("letter", ["a", "猫", "\udce9"])
def test_the_longest_name(tmp_path: Path, letter: str) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    target = tmp_path / (letter * (longest // len(os.fsencode(letter))))
    with whole_file(target) as part:
        part.write_text("new")
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


def test_a_name_too_long_fails_before_the_block(tmp_path: Path) -> None:
    target = tmp_path / ("a" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1))
    with pytest.raises(OSError, match="too long"), whole_file(target):
        pytest.fail("the block was entered")


def test_long_names_with_one_beginning_do_not_meet(tmp_path: Path) -> None:
    with whole_file(tmp_path / ("a" * 100)) as one, whole_file(tmp_path / ("a" * 101)) as other:
        one.write_text("1")
        other.write_text("2")
    assert [(tmp_path / ("a" * length)).read_text() for length in (100, 101)] == ["1", "2"]
