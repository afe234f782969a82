"""The classical degradations against the 8-bit imresize, and against a Gaussian computed pixel by pixel."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from superfine.data.degrade import DEGRADATIONS, Classical
from superfine.images import imresize

torch.set_num_threads(1)


def batch(n: int, height: int, width: int) -> tuple[NDArray[np.uint8], torch.Tensor]:
    pixels = np.random.default_rng(1).integers(0, 256, (n, height, width, 3), np.uint8)
    return pixels, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_the_packs_twin(scale: int) -> None:
    pixels, hr = batch(3, 12 * scale, 17 * scale)
    lr = DEGRADATIONS["bicubic"](hr, scale=scale, seed=1, step=1)
    assert lr.shape == (3, 3, 12, 17)
    levels = np.rint(lr.permute(0, 2, 3, 1).numpy() * 255).astype(int)
    for picture, small in zip(pixels, levels, strict=True):
        twin = imresize(picture, scale=1 / scale).astype(int)
        # Weights of ×3 are no binary fractions: a tie may be rounded the other way.
        assert np.abs(small - twin).max() <= (0 if scale in (2, 4) else 1)
        assert np.mean(small != twin) < 0.001


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gaussian_is_a_weighted_mean_around_the_centre_of_each_block(scale: int) -> None:
    pixels, hr = batch(1, 8 * scale, 6 * scale)
    lr = Classical(sigma=0.4)(hr, scale=scale)
    sigma = 0.4 * scale
    picture = np.pad(pixels[0] / 255, ((20, 20), (20, 20), (0, 0)), mode="edge")
    for i, j in ((0, 0), (3, 2), (7, 5)):
        y, x = 20 + scale * i + (scale - 1) / 2, 20 + scale * j + (scale - 1) / 2
        radius = int(np.ceil(3 * sigma)) + (scale - 1) / 2  # the kernel ends there
        rows = np.arange(len(picture))
        columns = np.arange(picture.shape[1])
        down = np.where(np.abs(rows - y) <= radius, np.exp(-((rows - y) ** 2) / (2 * sigma**2)), 0)
        across = np.where(np.abs(columns - x) <= radius, np.exp(-((columns - x) ** 2) / (2 * sigma**2)), 0)
        expected = np.einsum("y,x,yxc->c", down / down.sum(), across / across.sum(), picture)
        np.testing.assert_allclose(lr[0, :, i, j].numpy(), expected, atol=0.5 / 255 + 1e-6)


def test_gaussian_does_not_shift_the_picture() -> None:
    """A ramp stays the ramp of the block centres, away from the edges."""
    ramp = torch.linspace(0, 1, 64).repeat(1, 3, 64, 1)
    lr = DEGRADATIONS["gaussian"](ramp, scale=4, seed=0, step=0)
    expected = ramp[0, 0, 0].reshape(16, 4).mean(1)
    torch.testing.assert_close(lr[0, 0, 8, 2:-2], expected[2:-2], atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_what_does_not_fit_is_refused(name: str) -> None:
    degrade = DEGRADATIONS[name]
    with pytest.raises(ValueError, match="30×32 pixels cannot be made exactly 4 times smaller"):
        degrade(torch.zeros(1, 3, 30, 32), scale=4, seed=1, step=0)
    with pytest.raises(ValueError, match=r"float32 N×3×H×W, not torch\.float64"):
        degrade(torch.zeros(1, 3, 32, 32, dtype=torch.float64), scale=4, seed=1, step=0)
    with pytest.raises(ValueError, match=r"not torch\.float32 \(1, 1, 32, 32\)"):
        degrade(torch.zeros(1, 1, 32, 32), scale=4, seed=1, step=0)
