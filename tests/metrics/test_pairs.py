"""Pairs: twins are read where they are given, and made where they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superfine.errors import UserError
from superfine.images import imresize, read
from superfine.metrics import pairs


def test_a_plain_folder_gets_twins_by_imresize(photos: Path) -> None:
    found = list(pairs(photos, 4))
    assert [pair.name for pair in found] == ["0", "1", "2", "3"]
    pair = found[2]
    assert pair.hr.shape == (32, 44, 3)
    assert pair.hr.dtype == np.uint8
    np.testing.assert_array_equal(np.rint(pair.lr * 255).astype(np.uint8), imresize(pair.hr, scale=0.25))


def test_given_twins_are_used(tmp_path: Path, write_noise: Callable[..., None]) -> None:
    write_noise(tmp_path / "HR" / "a.png", 16, 20, 1)
    write_noise(tmp_path / "LRbicx4" / "ax4.png", 4, 5, 2)
    (pair,) = pairs(tmp_path, 4)
    np.testing.assert_array_equal(pair.lr, read(tmp_path / "LRbicx4" / "ax4.png").pixels)
    write_noise(tmp_path / "LRbicx4" / "ax4.png", 5, 5, 2)
    with pytest.raises(UserError, match=r"ax4\.png: is 5×5"):
        list(pairs(tmp_path, 4))
    (tmp_path / "LRbicx4" / "ax4.png").unlink()
    with pytest.raises(UserError, match="has no twin"):
        list(pairs(tmp_path, 4))


def test_a_picture_smaller_than_the_scale_is_told(tmp_path: Path, write_noise: Callable[..., None]) -> None:
    write_noise(tmp_path / "a.png", 3, 20, 1)
    with pytest.raises(UserError, match=r"a\.png: is smaller than 4×4; leave it out"):
        list(pairs(tmp_path, 4))


def test_a_folder_of_twins_has_the_names_that_evaluation_knows(
    tmp_path: Path, write_noise: Callable[..., None]
) -> None:
    write_noise(tmp_path / "GT" / "a.png", 16, 20, 1)
    write_noise(tmp_path / "LR" / "a.png", 4, 5, 2)
    (pair,) = pairs(tmp_path, 4)
    np.testing.assert_array_equal(pair.lr, read(tmp_path / "LR" / "a.png").pixels)


def test_refuses_what_holds_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        list(pairs(tmp_path / "missing", 4))
    with pytest.raises(UserError, match="holds no pictures"):
        list(pairs(tmp_path, 4))
