"""Structural similarity: against scikit-image, and against slow formulas written anew."""

from collections.abc import Callable
from math import exp, floor, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from superfine.errors import UserError
from superfine.metrics import ms_ssim, ssim, ssim_daala

Picture = NDArray[np.float64]
ALL = [ssim, ssim_daala, ms_ssim]

FLOAT32 = 1e-6
"""They are computed in float32, around the pictures' mean."""


def two_pictures(seed: int, height: int, width: int, noise: float = 20.0) -> tuple[Picture, Picture]:
    """Something smooth with an edge in it, and the same with noise; in levels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    a = 100 + 60 * np.sin(x / rng.uniform(3, 20)) * np.cos(y / rng.uniform(3, 20)) + 60 * (x + y > width)
    return a.clip(0, 255).round(), (a + rng.normal(0, noise, a.shape)).clip(0, 255).round()


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(19, 90), st.integers(19, 300), st.floats(0, 60))
def test_ssim_is_that_of_scikit_image(seed: int, height: int, width: int, noise: float) -> None:
    a, b = two_pictures(seed, height, width, noise)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = structural_similarity(a[4:-4, 4:-4], b[4:-4, 4:-4], **options)
    assert ssim(a, b, crop=4, data_range=255) == pytest.approx(expected, abs=FLOAT32)


def test_ssim_of_colours_is_the_mean_of_the_channels() -> None:
    planes = [two_pictures(seed, 40, 50) for seed in range(3)]
    a, b = (np.stack(channel, axis=2) for channel in zip(*planes, strict=True))
    for metric in (ssim, ssim_daala):
        each = [metric(x, y, crop=2, data_range=255) for x, y in planes]
        assert metric(a, b, crop=2, data_range=255) == pytest.approx(np.mean(each), abs=1e-12)


@pytest.mark.parametrize(("height", "width"), [(30, 44), (150, 20), (9, 7), (400, 12)])
def test_the_daala_projects_ssim(height: int, width: int) -> None:
    """Pixel by pixel with whole numbers, as the description of the tool says."""
    a, b = (picture.astype(int) for picture in two_pictures(height, height, width))
    sigma = height * 1.5 / 256
    least = sqrt(pi / 2) * sigma / 256
    radius = min(floor(sigma * sqrt(-2 * log(least))), min(height, width) - 1) if least < 1 else 0
    kernel = {i: int(256 / (sqrt(2 * pi) * sigma) * exp(-0.5 * i * i / sigma**2) + 0.5) for i in range(1, radius + 1)}
    kernel[0] = 256 - 2 * sum(kernel.values())
    total = weights = 0.0
    for y in range(height):
        for x in range(width):
            rows = np.arange(max(0, y - radius), min(height, y + radius + 1))
            columns = np.arange(max(0, x - radius), min(width, x + radius + 1))
            window = np.outer([kernel[abs(r - y)] for r in rows], [kernel[abs(c - x)] for c in columns])
            p, q = a[np.ix_(rows, columns)], b[np.ix_(rows, columns)]
            w = int(window.sum())
            mp, mq = int((window * p).sum()) / w, int((window * q).sum()) / w
            vp, vq = int((window * p * p).sum()) / w - mp * mp, int((window * q * q).sum()) / w - mq * mq
            cov = int((window * p * q).sum()) / w - mp * mq
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            total += w * (2 * mp * mq + c1) * (2 * cov + c2) / ((mp * mp + mq * mq + c1) * (vp + vq + c2))
            weights += w
    assert ssim_daala(a, b, crop=0, data_range=255) == pytest.approx(total / weights, abs=FLOAT32)


def test_ms_ssim_scale_by_scale() -> None:
    """With scikit-image's map of similarities, from which the one without luminance is made by its definition."""
    a, b = two_pictures(3, 177, 190)
    expected = 1.0
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        whole, similarity = structural_similarity(a, b, full=True, **options)
        means = [local_means(x) for x in (a, b)]
        c1 = (0.01 * 255) ** 2
        luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
        contrast = (similarity[5:-5, 5:-5] / luminance).mean()
        expected *= (whole if scale == 4 else contrast) ** exponent
        a, b = (halved(x) for x in (a, b))
    a, b = two_pictures(3, 177, 190)
    assert ms_ssim(a, b, crop=0, data_range=255) == pytest.approx(expected, abs=FLOAT32)


def local_means(x: Picture) -> Picture:
    weights = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weights /= weights.sum()
    down = np.apply_along_axis(np.convolve, 0, x, weights, "valid")
    return np.apply_along_axis(np.convolve, 1, down, weights, "valid")


def halved(x: Picture) -> Picture:
    """Every second of the means of a pixel and its right and lower neighbours; the last pixel neighbours itself."""
    right = np.minimum(np.arange(x.shape[1]) + 1, x.shape[1] - 1)
    below = np.minimum(np.arange(x.shape[0]) + 1, x.shape[0] - 1)
    mean = (x + x[:, right] + x[below] + x[below][:, right]) / 4
    return mean[::2, ::2]


@pytest.mark.parametrize("metric", ALL)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32), height=st.integers(180, 200), width=st.integers(180, 280), noise=st.floats(0.5, 80))
def test_symmetry_identity_and_range(
    metric: Callable[..., float], seed: int, height: int, width: int, noise: float
) -> None:
    a, b = two_pictures(seed, height, width, noise)
    value = metric(a, b, crop=2, data_range=255)
    assert -1.0 <= value < 1.0
    assert metric(b, a, crop=2, data_range=255) == pytest.approx(value, abs=1e-12)
    assert metric(a, a, crop=2, data_range=255) == 1.0
    assert metric(a / 255, b / 255, crop=2, data_range=1) == pytest.approx(value, abs=FLOAT32), "the range is no matter"
    levels = a.astype(np.uint8), b.astype(np.uint8)
    assert metric(*levels, crop=2, data_range=255) == pytest.approx(value, abs=FLOAT32)
    noisier = a + 2 * (b - a)
    assert metric(a, noisier, crop=2, data_range=255) < value


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("tile", [(1, 300), (7, 13), (1000, 1000)])
def test_the_size_of_the_tiles_is_no_matter(
    monkeypatch: pytest.MonkeyPatch, metric: Callable[..., float], tile: tuple[int, int]
) -> None:
    a, b = two_pictures(1, 180, 181)
    expected = metric(a, b, crop=0, data_range=255)
    monkeypatch.setattr("superfine.metrics.windows.TILE", tile)
    assert metric(a, b, crop=0, data_range=255) == pytest.approx(expected, abs=FLOAT32)


def test_a_negative_correlation_counts_as_nothing_over_scales() -> None:
    a, _ = two_pictures(0, 180, 180)
    assert ms_ssim(a, 255 - a, crop=0, data_range=255) == 0.0
    assert ssim(a, 255 - a, crop=0, data_range=255) < 0.0


def test_refuses_what_is_too_small() -> None:
    a = np.zeros((18, 40))
    with pytest.raises(
        UserError, match="a picture of 32×10 inside its border: smaller than SSIM's window, 11×11; leave it out"
    ):
        ssim(a, a, crop=4, data_range=255)
    with pytest.raises(UserError, match="smaller than what MS-SSIM's five scales need, 176×176"):
        ms_ssim(np.zeros((175, 400)), np.zeros((175, 400)), crop=0, data_range=255)
    assert ssim_daala(a[:1], a[:1], crop=0, data_range=255) == 1.0, "its window is cut where it leaves the picture"
    for metric in ALL:
        with pytest.raises(ValueError, match="different shapes"):
            metric(a, a[:-1], crop=0, data_range=255)
