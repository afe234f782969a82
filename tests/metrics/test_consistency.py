"""LR-consistency: the original is consistent with its own low-resolution picture, and what differs is told in dB."""

from pathlib import Path

import numpy as np
import pytest

from superfine.errors import UserError
from superfine.images import imresize
from superfine.metrics import lr_consistency, pairs, psnr


def test_the_original_is_consistent(shared: Path) -> None:
    pair = next(pairs(shared / "data" / "benchmarks" / "Set5", 4))
    assert lr_consistency(pair.hr, pair.lr, scale=4) == float("inf")
    bicubic = imresize(pair.lr, scale=4.0)
    assert 30 < lr_consistency(bicubic, pair.lr, scale=4) < 45, "it blurs what there was"
    assert lr_consistency(np.roll(pair.hr, 2, axis=1), pair.lr, scale=4) < 35


@pytest.mark.parametrize("scale", [2, 3])
def test_by_hand(scale: int) -> None:
    rng = np.random.default_rng(scale)
    result = rng.integers(0, 256, (12, 18, 3), np.uint8)
    small = imresize(result, scale=1 / scale)
    lr = np.where(small < 128, small + 2, small)
    expected = psnr(small, lr, crop=0, data_range=255)
    assert lr_consistency(result, lr, scale=scale) == pytest.approx(expected)
    assert lr_consistency(result / np.float32(255), lr / np.float32(255), scale=scale) == pytest.approx(expected)


def test_floats_are_clipped_and_rounded_to_levels() -> None:
    rng = np.random.default_rng(0)
    floats = [rng.uniform(-0.2, 1.2, (height, 3 * height, 3)) for height in (12, 6)]
    levels = [np.rint(pixels.clip(0, 1) * 255).astype(np.uint8) for pixels in floats]
    assert lr_consistency(*floats, scale=2) == lr_consistency(*levels, scale=2)


def test_refuses_what_does_not_belong_together() -> None:
    with pytest.raises(UserError, match="the result is 16×16, not 4 times 5×4"):
        lr_consistency(np.zeros((16, 16, 3)), np.zeros((4, 5, 3)), scale=4)
