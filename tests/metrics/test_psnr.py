"""PSNR and luma: by hand, against scikit-image's definition, and against published tables."""

from pathlib import Path

import numpy as np
import pytest

from superfine.evaluation import Interpolation, evaluate
from superfine.metrics import luma, psnr, score


@pytest.mark.parametrize(
    ("kernel", "name", "published"),
    [
        ("bicubic", "Set5", 28.43),
        ("bicubic", "Set14", 26.00),
        ("bicubic", "BSD100", 25.96),
        ("nearest", "Set5", 26.25),
        ("nearest", "Set14", 24.64),
        ("nearest", "BSD100", 25.03),
    ],
)
def test_interpolation_on_the_benchmarks(shared: Path, kernel: str, name: str, published: float) -> None:
    result = evaluate(Interpolation(kernel), shared / "data" / "benchmarks" / name)
    assert result.mean == pytest.approx(published, abs=0.01)


def test_luma_of_known_colours() -> None:
    colours = np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]], np.float32)
    np.testing.assert_allclose(luma(colours, grey=False), [[16, 235, 81.481, 144.553, 40.966]], atol=1e-4)
    np.testing.assert_allclose(luma(colours[:, :2], grey=True), [[0, 255]])


def test_psnr_by_hand() -> None:
    a = np.zeros((8, 8))
    assert psnr(a, a + 1, crop=0, data_range=255) == pytest.approx(20 * np.log10(255))
    assert psnr(a, a, crop=0, data_range=255) == float("inf")
    framed = np.ones((8, 8))
    framed[2:-2, 2:-2] = 0
    assert psnr(a, framed, crop=2, data_range=255) == float("inf"), "the border is not measured"


def test_psnr_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)), crop=0, data_range=1)
    with pytest.raises(ValueError, match="border of 2"):
        psnr(np.zeros((4, 9)), np.zeros((4, 9)), crop=2, data_range=1)
    with pytest.raises(ValueError, match="unknown protocol"):
        score(np.zeros((9, 9, 3), np.float32), np.zeros((9, 9, 3), np.float32), scale=1, grey=False, protocol="x")


def test_results_are_clipped_and_rounded_before_they_are_scored() -> None:
    reference = np.full((12, 12, 3), 100 / 255, np.float32)
    assert score(reference + 0.4 / 255, reference, scale=4, grey=False) == float("inf")
    assert score(np.float32(1.5) * np.ones_like(reference), np.ones_like(reference), scale=4, grey=False) == float(
        "inf"
    )
    colours = reference + np.array([3, 0, -3], np.float32) / 255
    assert score(colours, reference, scale=4, grey=True) == float("inf"), "grey is scored on the mean of the channels"
