"""Batches: a pure function of (seed, step), cut consistently, uniform over all positions."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superfine.data import Batches, Pack, ahead, pack, turned
from superfine.errors import UserError


@pytest.fixture
def made(photos: Path, tmp_path: Path) -> Pack:
    return pack(photos, tmp_path / "out")


KNOWN = [(0, 1, 7, 4), (3, 7, 4, 2), (0, 6, 6, 5)]


def test_known_crops(made: Pack) -> None:
    """Pinned: a change here silently changes the data order of every run that is to be resumed or reproduced."""
    crops = Batches(made, seed=1, batch=3, patch=4).crops(7)
    assert [(c.picture, c.y, c.x, c.symmetry) for c in crops] == KNOWN


def test_any_split_over_processes_gives_the_same_batch(made: Pack) -> None:
    batches = Batches(made, seed=5, batch=8, patch=6)
    lr, hr = batches(3)
    for count in (2, 4):
        parts = [batches(3, slice(r * 8 // count, (r + 1) * 8 // count)) for r in range(count)]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), lr)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), hr)


def test_steps_and_seeds_differ_and_the_order_of_asking_does_not_matter(made: Pack) -> None:
    batches = Batches(made, seed=1, batch=4, patch=4)
    forward = [batches(step)[0].tobytes() for step in range(4)]
    assert len(set(forward)) == 4
    assert [batches(step)[0].tobytes() for step in reversed(range(4))] == forward[::-1]
    assert Batches(made, seed=2, batch=4, patch=4)(0)[0].tobytes() != forward[0]


def test_ahead_gives_the_same_batches_and_can_be_left_early(made: Pack) -> None:
    batches = Batches(made, seed=1, batch=4, patch=4)
    ready = ahead(batches, 2, 50)
    for step in range(2, 6):
        np.testing.assert_array_equal(next(ready)[1], batches(step)[1])
    ready.close()
    assert "ahead" not in {thread.name for thread in threading.enumerate()}
    assert sum(1 for _ in ahead(batches, 0, 7)) == 7


def test_an_error_while_gathering_reaches_the_caller(made: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Batches(made, seed=1, batch=4, patch=4)

    def broken(i: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(made, "hr", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead(batches, 0, 3))


def test_patches_are_cut_from_the_pictures(made: Pack) -> None:
    batches = Batches(made, seed=3, batch=16, patch=5)
    lr, hr = batches(0)
    assert lr.shape == (16, 5, 5, 3)
    assert hr.shape == (16, 20, 20, 3)
    for n, crop in enumerate(batches.crops(0)):
        y, x = crop.y, crop.x
        np.testing.assert_array_equal(lr[n], turned(made.lr(crop.picture)[y : y + 5, x : x + 5], crop.symmetry))
        y, x = 4 * y, 4 * x
        np.testing.assert_array_equal(hr[n], turned(made.hr(crop.picture)[y : y + 20, x : x + 20], crop.symmetry))


def test_all_positions_and_symmetries_are_equally_likely(made: Pack) -> None:
    batches = Batches(made, seed=1, batch=4000, patch=8)
    crops = batches.crops(0)
    positions = [(e.height // 4 - 7) * (e.width // 4 - 7) for e in made.entries]
    positions = [max(0, n) if min(e.height, e.width) >= 32 else 0 for n, e in zip(positions, made.entries, strict=True)]
    drawn = np.bincount([crop.picture for crop in crops], minlength=len(made))
    expected = np.array(positions) / sum(positions) * len(crops)
    assert (np.abs(drawn - expected) <= 5 * np.sqrt(expected)).all()
    assert {(c.y, c.x) for c in crops if c.picture == 1} == {(y, x) for y in range(9) for x in range(9)}
    turns = np.bincount([crop.symmetry for crop in crops], minlength=8)
    assert len(turns) == 8
    assert (np.abs(turns - 500) < 5 * np.sqrt(500)).all()


@given(st.integers(0, 7), st.integers(0, 7))
def test_the_eight_symmetries_differ(a: int, b: int) -> None:
    picture = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert (turned(picture, a).tobytes() == turned(picture, b).tobytes()) == (a == b)
    assert turned(picture, 0).tobytes() == picture.tobytes()


def test_a_crop_larger_than_every_picture_is_refused(made: Pack) -> None:
    with pytest.raises(UserError, match="no picture has 128×128"):
        Batches(made, seed=1, batch=4, patch=32)
    pictures = {crop.picture for crop in Batches(made, seed=1, batch=500, patch=16).crops(0)}
    assert pictures == {1}, "pictures smaller than the crop are never drawn"
