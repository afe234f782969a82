"""The blur kernels against their equations, and blurring against a slow convolution."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from superfine.data.degrade.kernels import IDENTITY, blur, gaussian_kernel, sinc_kernel

torch.set_num_threads(1)


def bessel_j1(x: float) -> float:
    """J₁(x) = 1/π ∫₀^π cos(t − x sin t) dt, by the midpoint rule, which converges fast for periodic functions."""
    t = (np.arange(400) + 0.5) * np.pi / 400
    return float(np.cos(t - x * np.sin(t)).mean())


@pytest.mark.parametrize("size", [7, 13, 21])
@pytest.mark.parametrize("shape", ["gaussian", "generalised", "plateau"])
def test_a_kernel_of_the_gaussian_family_is_its_equation(size: int, shape: str) -> None:
    sigma, angle, beta = (2.5, 0.8), 0.6, 1.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(turn @ np.diag(np.square(sigma)) @ turn.T)
    expected = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            x = np.array([j - size // 2, i - size // 2])
            q = x @ inverse @ x
            expected[i, j] = {
                "gaussian": np.exp(-q / 2),
                "generalised": np.exp(-(q**beta) / 2),
                "plateau": 1 / (1 + q**beta),
            }[shape]
    kernel = gaussian_kernel(size, sigma=sigma, angle=angle, shape=shape, beta=beta)
    np.testing.assert_allclose(kernel, expected / expected.sum(), atol=1e-15)
    assert kernel.sum() == pytest.approx(1.0)


def test_an_angle_turns_the_kernel() -> None:
    lying = gaussian_kernel(21, sigma=(3.0, 0.5))
    np.testing.assert_allclose(gaussian_kernel(21, sigma=(3.0, 0.5), angle=np.pi / 2), lying.T, atol=1e-15)
    assert lying[10].sum() > 0.7  # wide along the row


@pytest.mark.parametrize(("size", "cutoff"), [(7, np.pi / 3), (21, np.pi / 5), (15, 2.9)])
def test_the_sinc_kernel_is_its_equation(size: int, cutoff: float) -> None:
    expected = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            r = np.hypot(i - size // 2, j - size // 2)
            expected[i, j] = cutoff**2 / (4 * np.pi) if r == 0 else cutoff * bessel_j1(cutoff * r) / (2 * np.pi * r)
    kernel = sinc_kernel(size, cutoff)
    # torch computes the Bessel function to about 1e-7.
    np.testing.assert_allclose(kernel, expected / expected.sum(), atol=1e-6, rtol=0)
    assert kernel.min() < 0  # it rings


def slow_blur(picture: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    radius = len(kernel) // 2
    padded = np.pad(picture, radius, mode="reflect")
    out = np.empty_like(picture)
    for i, j in np.ndindex(*picture.shape):
        out[i, j] = (padded[i : i + len(kernel), j : j + len(kernel)] * kernel).sum()
    return out


def test_every_picture_is_blurred_with_its_own_kernel() -> None:
    pictures = torch.rand(3, 3, 12, 17, generator=torch.Generator().manual_seed(1))
    kernels = [gaussian_kernel(7, sigma=(1.5, 0.6), angle=0.4), sinc_kernel(9, 1.9), IDENTITY]
    blurred = blur(pictures, kernels)
    for n, kernel in enumerate(kernels):
        for c in range(3):
            expected = slow_blur(pictures[n, c].double().numpy(), kernel)
            np.testing.assert_allclose(blurred[n, c].numpy(), expected, atol=1e-6)
    assert torch.equal(blurred[2], pictures[2])


def test_pictures_smaller_than_the_kernel_are_mirrored_again_and_again() -> None:
    picture = torch.rand(1, 3, 4, 1, generator=torch.Generator().manual_seed(2))
    kernel = gaussian_kernel(21, sigma=(3.0, 3.0))
    for c in range(3):
        expected = slow_blur(picture[0, c].double().numpy(), kernel)
        np.testing.assert_allclose(blur(picture, [kernel])[0, c].numpy(), expected, atol=1e-6)
