"""Blur: the kernels of Real-ESRGAN, and their application, each sample with its own.

Source: Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", §3.1 (Eq. 2:
Gaussian; generalised Gaussian; plateau) and §3.3 (Eq. 7: sinc). Kernels are computed in float64 on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Doubles = NDArray[np.float64]

SHAPES = ("gaussian", "generalised", "plateau")
IDENTITY: Doubles = np.ones((1, 1))


def _offsets(size: int) -> tuple[Doubles, Doubles]:
    """Vertical and horizontal distance from the centre, size×1 and 1×size."""
    offsets = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return offsets[:, None], offsets[None, :]


def gaussian_kernel(
    size: int,
    *,
    sigma: tuple[float, float],
    angle: float = 0.0,
    shape: str = "gaussian",
    beta: float = 1.0,
) -> Doubles:
    """A kernel from the family of the Gaussian, size×size float64, of sum 1.

    With C = R diag(σ₁², σ₂²) Rᵀ and q = xᵀ C⁻¹ x at the distance x = (horizontal, vertical) from the centre:
    exp(−q/2) for "gaussian", exp(−q^β/2) for "generalised", 1 / (1 + q^β) for "plateau".

    Parameters
    ----------
    size : odd number of pixels.
    sigma : standard deviations along the two axes, in pixels; equal ones make the kernel isotropic.
    angle : of the first axis to the horizontal, in radians.
    shape : one of SHAPES.
    beta : exponent of the last two.
    """
    y, x = _offsets(size)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    q = (along / sigma[0]) ** 2 + (across / sigma[1]) ** 2
    power = q if shape == "gaussian" else q**beta
    kernel = 1.0 / (1.0 + power) if shape == "plateau" else np.exp(-0.5 * power)
    return np.asarray(kernel / kernel.sum())


def sinc_kernel(size: int, cutoff: float) -> Doubles:
    """The circular ideal low-pass filter, cut to size×size float64, of sum 1: it rings, as sharpened pictures do.

    k(r) = ω J₁(ω r) / (2π r), ω²/(4π) at r = 0, where J₁ is the Bessel function of the first kind.

    Parameters
    ----------
    size : odd number of pixels.
    cutoff : ω in radians per pixel; π lets pass all that the grid holds along its axes.
    """
    y, x = _offsets(size)
    r = np.hypot(y, x)
    centre = r == 0.0
    r[centre] = 1.0
    bessel = torch.special.bessel_j1(torch.from_numpy(cutoff * r)).numpy()
    kernel = np.where(centre, cutoff**2 / (4 * np.pi), cutoff * bessel / (2 * np.pi * r))
    return np.asarray(kernel / kernel.sum())


@lru_cache(maxsize=1024)
def _mirrored(length: int, radius: int, device: torch.device) -> Tensor:
    """Indices −radius … length + radius − 1, mirrored at the centres of the edge pixels, for any length."""
    period = max(1, 2 * (length - 1))
    indices = torch.arange(-radius, length + radius, device=device) % period
    return torch.minimum(indices, period - indices)


def blur(pictures: Tensor, kernels: Sequence[Doubles]) -> Tensor:
    """Convolve pictures N×C×H×W, each with its own symmetric kernel, on their device.

    All kernels here are symmetric about their centre, so that convolution and correlation are one. Beyond its edge a picture
    is mirrored, the edge pixel not repeated, as in the public code.
    """
    n, c, height, width = pictures.shape
    size = max(len(kernel) for kernel in kernels)
    stacked = np.zeros((n, size, size), np.float32)
    for into, kernel in zip(stacked, kernels, strict=True):
        edge = (size - len(kernel)) // 2
        into[edge : size - edge, edge : size - edge] = kernel
    weights = torch.from_numpy(stacked).to(pictures.device).repeat_interleave(c, 0)[:, None]
    padded = pictures[:, :, _mirrored(height, size // 2, pictures.device)]
    padded = padded[:, :, :, _mirrored(width, size // 2, pictures.device)]
    return F.conv2d(padded.reshape(1, n * c, *padded.shape[2:]), weights, groups=n * c).reshape(pictures.shape)
