"""PSNR and luma: by hand, and by scikit-image's definition."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from superfine.errors import UserError
from superfine.metrics import luma, measure, psnr, score


def test_luma_of_known_colours() -> None:
    colours = np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]], np.float32)
    np.testing.assert_allclose(luma(colours, grey=False), [[16, 235, 81.481, 144.553, 40.966]], atol=1e-12)
    np.testing.assert_array_equal(luma(colours, grey=False, rounded=True), [[16, 235, 81, 145, 41]])
    np.testing.assert_array_equal(luma(colours[:, :2], grey=True), [[0, 255]])
    levels = np.rint(colours * 255).astype(np.uint8)
    np.testing.assert_allclose(luma(levels, grey=False), luma(colours, grey=False), atol=1e-12)
    np.testing.assert_array_equal(luma(levels, grey=False, rounded=True), [[16, 235, 81, 145, 41]])


def test_psnr_by_hand() -> None:
    a = np.zeros((8, 8))
    assert psnr(a, a + 1, crop=0, data_range=255) == pytest.approx(20 * np.log10(255))
    assert psnr(a, a, crop=0, data_range=255) == float("inf")
    framed = np.ones((8, 8))
    framed[2:-2, 2:-2] = 0
    assert psnr(a, framed, crop=2, data_range=255) == float("inf"), "the border is not measured"


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(3, 150), st.integers(3, 20), st.sampled_from([(), (3,)]))
def test_psnr_is_that_of_scikit_image(seed: int, height: int, width: int, channels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (2, height, width, *channels), np.uint8)
    inner = np.s_[1:-1, 1:-1]
    assume((a[inner] != b[inner]).any())
    expected = peak_signal_noise_ratio(a[inner], b[inner], data_range=255)
    assert psnr(a, b, crop=1, data_range=255) == pytest.approx(expected, abs=1e-9)
    assert psnr(b, a, crop=1, data_range=255) == psnr(a, b, crop=1, data_range=255)


def test_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)), crop=0, data_range=1)
    with pytest.raises(UserError, match="a picture of 9×4: nothing is left without its border of 2; leave it out"):
        psnr(np.zeros((4, 9)), np.zeros((4, 9)), crop=2, data_range=1)
    with pytest.raises(ValueError, match="luma takes H×W×3"):
        luma(np.zeros((4, 4)), grey=True)


def test_what_training_watches() -> None:
    reference = np.full((12, 12, 3), 100 / 255, np.float32)
    assert score(reference + 0.4 / 255, reference, scale=4, grey=False) == float("inf"), "rounded to 8 bits first"
    over = np.full_like(reference, 1.5)
    assert score(over, np.ones_like(reference), scale=4, grey=False) == float("inf"), "clipped first"
    colours = reference + np.array([4, 1, -5], np.float32) / 255
    assert score(colours, reference, scale=4, grey=True) == float("inf"), "grey is scored on the mean of the channels"
    values = measure(colours, reference, None, metrics=["psnr_y"], protocol="standard", scale=4, grey=False)
    assert score(colours, reference, scale=4, grey=False) == values["psnr_y"], "it is what evaluation prints"
    assert np.isnan(score(reference * np.nan, reference, scale=4, grey=False))
