"""What a teacher makes of a pack: content, what it refuses, interruption."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superfine.data import Pack, pack
from superfine.data.teaching import teach
from superfine.errors import UserError

TEACHER = {"name": "inverter", "sha256": "0" * 64}


def inverted(lr: NDArray[np.float32]) -> NDArray[np.float32]:
    """Beyond [0,1] for dark and bright pixels, as networks are."""
    return (np.float32(3.2) - np.float32(6) * lr).repeat(4, 0).repeat(4, 1)


@pytest.fixture
def photographs(photos: Path, tmp_path: Path) -> Pack:
    return pack(photos, tmp_path / "photos.pack")


def test_holds_what_the_teacher_makes_of_each_twin(photographs: Pack, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = teach(
        photographs,
        inverted,
        tmp_path / "taught",
        teacher=TEACHER,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(e.file, e.height, e.width) for e in made.entries] == [
        (e.file, e.height, e.width) for e in photographs.entries
    ]
    for i in range(len(made)):
        np.testing.assert_array_equal(made.lr(i), photographs.lr(i))
        levels = 816 - 6 * photographs.lr(i).astype(int)
        assert levels.min() < 0
        assert levels.max() > 255
        np.testing.assert_array_equal(made.hr(i), levels.clip(0, 255).repeat(4, 0).repeat(4, 1))
    assert made.sha256 != photographs.sha256
    assert made.teacher == TEACHER | {"of": photographs.sha256}
    assert photographs.teacher is None
    assert seen == [(n, 5) for n in range(1, 6)]


def test_an_interrupted_teacher_goes_on(photographs: Pack, tmp_path: Path) -> None:
    whole = teach(photographs, inverted, tmp_path / "whole", teacher=TEACHER)
    calls: list[int] = []

    def tired(lr: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(len(calls))
        return inverted(lr)

    out = tmp_path / "taught"
    with pytest.raises(KeyboardInterrupt):
        teach(photographs, tired, out, teacher=TEACHER)
    with pytest.raises(UserError, match="is not a pack"):
        Pack(out)
    calls.clear()
    assert teach(photographs, tired, out, teacher=TEACHER).sha256 == whole.sha256
    assert len(calls) == 2, "three of the five were there"
    calls.clear()
    teach(photographs, tired, out, teacher=TEACHER)
    assert calls == [], "all were there"


def test_another_teacher_begins_anew(photographs: Pack, tmp_path: Path) -> None:
    out = tmp_path / "taught"
    teach(photographs, inverted, out, teacher=TEACHER)
    other = teach(photographs, lambda lr: lr.repeat(4, 0).repeat(4, 1), out, teacher={"name": "nearest"})
    assert other.teacher is not None
    assert other.teacher["name"] == "nearest"
    np.testing.assert_array_equal(other.hr(0), photographs.lr(0).repeat(4, 0).repeat(4, 1))


def test_photographs_and_results_are_not_taken_for_each_other(photographs: Pack, photos: Path, tmp_path: Path) -> None:
    made = teach(photographs, inverted, tmp_path / "taught", teacher=TEACHER)
    with pytest.raises(UserError, match="holds what a teacher made; give the pack of the photographs"):
        teach(made, inverted, tmp_path / "again", teacher=TEACHER)
    with pytest.raises(UserError, match="holds photographs; name a new folder"):
        teach(photographs, inverted, photographs.path, teacher=TEACHER)
    with pytest.raises(UserError, match="holds what a teacher made; name a new folder"):
        pack(photos, made.path)
    assert Pack(made.path).sha256 == made.sha256
    assert Pack(photographs.path).teacher is None
