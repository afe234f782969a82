"""The statistics of the noise."""

import pytest
import torch
from torch import Tensor

from superfine.data.degrade.noise import gaussian_noise, poisson_noise

torch.set_num_threads(1)
GREY = torch.full((3, 200, 200), 0.5)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def correlation(noise: Tensor) -> float:
    """Between the first two channels."""
    return float(torch.corrcoef(noise[:2].reshape(2, -1))[0, 1])


@pytest.mark.parametrize("sigma", [1.0, 12.0, 30.0])
def test_gaussian_noise_has_its_deviation_and_no_mean(sigma: float) -> None:
    noise = gaussian_noise(GREY, sigma=sigma, grey=False, generator=seeded()) - GREY
    assert float(noise.std()) * 255 == pytest.approx(sigma, rel=0.02)
    assert abs(float(noise.mean())) * 255 < 0.02 * sigma
    assert abs(correlation(noise)) < 0.02


def test_grey_gaussian_noise_is_one_field_for_all_channels() -> None:
    noise = gaussian_noise(GREY, sigma=12.0, grey=True, generator=seeded()) - GREY
    assert torch.equal(noise[0], noise[1])
    assert torch.equal(noise[0], noise[2])
    assert float(noise.std()) * 255 == pytest.approx(12.0, rel=0.03)


def two_levels() -> Tensor:
    """Left half dark, right half bright."""
    picture = torch.full((3, 200, 200), 51 / 255)
    picture[..., 100:] = 204 / 255
    return picture


def test_poisson_noise_is_the_brighter_the_stronger() -> None:
    """A picture of 2ᵏ levels: variance = strength² · brightness / 2ᵏ, before it is clipped."""
    picture = torch.arange(256).repeat(3, 200, 1) / 255
    noise = poisson_noise(picture, strength=1.0, grey=False, generator=seeded()) - picture
    for level in (40, 100, 160):
        columns = noise[..., level - 8 : level + 8]
        assert float(columns.var()) == pytest.approx(level / 255 / 256, rel=0.08)
        assert abs(float(columns.mean())) < 0.003
    assert abs(correlation(noise[..., 40:160])) < 0.02
    stronger = poisson_noise(picture, strength=0.5, grey=False, generator=seeded()) - picture
    assert float(stronger[..., 100].var()) == pytest.approx(float(noise[..., 100].var()) / 4, rel=1e-3)


@pytest.mark.parametrize(("levels", "counts"), [(2, 2), (3, 4), (4, 4), (5, 8)])
def test_the_count_of_levels_decides_the_strength_of_poisson_noise(levels: int, counts: int) -> None:
    """It is rounded up to a power of two."""
    picture = two_levels()
    picture[..., : levels - 2] = torch.arange(100, 98 + levels) / 255
    noise = poisson_noise(picture, strength=0.1, grey=False, generator=seeded()) - picture
    assert float(noise[..., 3:100].var()) == pytest.approx(0.01 * 0.2 / counts, rel=0.05)
    assert float(noise[..., 100:].var()) == pytest.approx(0.01 * 0.8 / counts, rel=0.05)


def test_grey_poisson_noise_is_one_field_for_all_channels() -> None:
    noise = poisson_noise(two_levels(), strength=0.1, grey=True, generator=seeded()) - two_levels()
    torch.testing.assert_close(noise[0], noise[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(noise[0], noise[2], atol=1e-6, rtol=0)
    assert float(noise[0, :, 100:].var()) == pytest.approx(0.01 * 0.8 / 2, rel=0.06)


@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_clipped_and_repeatable(grey: bool) -> None:
    picture = torch.rand(3, 30, 40, generator=seeded(5))
    for once, again, other in (
        [gaussian_noise(picture, sigma=30.0, grey=grey, generator=seeded(s)) for s in (1, 1, 2)],
        [poisson_noise(picture, strength=3.0, grey=grey, generator=seeded(s)) for s in (1, 1, 2)],
    ):
        assert torch.equal(once, again)
        assert not torch.equal(once, other)
        assert float(once.min()) >= 0
        assert float(once.max()) <= 1
