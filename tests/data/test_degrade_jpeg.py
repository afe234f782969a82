"""The simulated JPEG against a real encoder and decoder (libvips with libjpeg)."""

import numpy as np
import pytest
import pyvips
import torch
from numpy.typing import NDArray

from superfine.data.degrade.jpeg import CHROMINANCE, LUMINANCE, jpeg, quantisation_table

torch.set_num_threads(1)


def scene(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth colours, edges and a little texture, H×W×3."""
    y, x = np.mgrid[:height, :width]
    smooth = [127 + 90 * np.sin(x / (9 + 3 * k) + y / 17 + k) for k in range(3)]
    picture = np.stack(smooth, 2) + np.random.default_rng(3).normal(0, 4, (height, width, 3))
    picture[height // 3 : height // 2, width // 4 : width // 2] = (220, 40, 90)
    return np.rint(picture).clip(0, 255).astype(np.uint8)


def simulated(picture: NDArray[np.uint8], quality: int) -> NDArray[np.float32]:
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return np.rint(jpeg(batch, np.array([quality]))[0].permute(1, 2, 0).numpy() * 255)


def encoded(picture: NDArray[np.uint8], quality: int) -> NDArray[np.float32]:
    image = pyvips.Image.new_from_array(picture, interpretation="srgb")
    buffer = image.jpegsave_buffer(Q=quality, subsample_mode="on")
    return np.asarray(pyvips.Image.new_from_buffer(buffer, "").numpy(), np.float32)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 95])
@pytest.mark.parametrize("shape", [(96, 80), (61, 75)])
def test_it_agrees_with_a_real_codec(quality: int, shape: tuple[int, int]) -> None:
    """What is left are coefficients that a rounding of their own turns to the neighbouring multiple of the table."""
    picture = scene(*shape)
    ours, theirs = simulated(picture, quality), encoded(picture, quality)
    lost = np.abs(theirs - picture).mean()
    difference = np.abs(ours - theirs)
    assert difference.mean() < 0.15 * lost
    assert difference.mean() < 0.5
    assert np.mean(difference > 2) < 0.05


@pytest.mark.parametrize(("side", "quality"), [(24, 75), (30, 75), (40, 50), (50, 75)])
def test_the_last_rows_too(side: int, quality: int) -> None:
    """Heights that 16 does not divide are made up to it, luma and chroma each in its own way."""
    picture = scene(side, side)
    difference = np.abs(simulated(picture, quality) - encoded(picture, quality))
    assert difference[-8:].mean() < 0.1


def test_the_quantised_coefficients_are_those_of_the_tables() -> None:
    assert quantisation_table(LUMINANCE, 50).tolist() == LUMINANCE.tolist()
    assert quantisation_table(CHROMINANCE, 100).tolist() == [1] * 64
    assert quantisation_table(LUMINANCE, 10)[:3].tolist() == [80, 55, 50]
    assert quantisation_table(LUMINANCE, 1).max() == 255


def test_a_batch_is_its_pictures_one_by_one() -> None:
    pictures = torch.rand(4, 3, 33, 50, generator=torch.Generator().manual_seed(1))
    quality = np.array([30, 55, 80, 95])
    together = jpeg(pictures, quality)
    assert together.shape == pictures.shape
    for n in range(4):
        assert torch.equal(jpeg(pictures[n : n + 1], quality[n : n + 1])[0], together[n])
    errors = (together - pictures).abs().mean((1, 2, 3))
    assert errors.argsort(descending=True).tolist() == [0, 1, 2, 3]


def test_values_outside_are_clipped_and_the_result_has_eight_bits() -> None:
    pictures = torch.linspace(-1, 2, 3 * 20 * 20).reshape(1, 3, 20, 20)
    result = jpeg(pictures, np.array([60]))
    assert torch.equal(result, jpeg(pictures.clamp(0, 1), np.array([60])))
    assert torch.equal(result, (result * 255).round() / 255)
