"""Sensor noise: Gaussian and Poisson, coloured or grey. One picture at a time, each with a generator of its own.

Source: Wang et al. 2021 (Real-ESRGAN), §3.1, and its public code for what the paper leaves open: noise is computed in [0,1],
grey noise is one field for the three channels, a Poisson count of one stands for 1/2ᵏ, where 2ᵏ is the number of levels in
the 8-bit picture rounded up to a power of two, and the result is clipped.
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Rec. ITU-R BT.601, as everywhere outside the metrics."""


def gaussian_noise(picture: Tensor, *, sigma: float, grey: bool, generator: torch.Generator) -> Tensor:
    """Add normal noise of standard deviation ``sigma`` (in 8-bit levels) to a picture 3×H×W in [0,1], and clip."""
    shape = (1, *picture.shape[1:]) if grey else picture.shape
    noise = torch.randn(shape, generator=generator, device=picture.device)
    return torch.add(picture, noise, alpha=sigma / 255).clamp_(0.0, 1.0)


def poisson_noise(picture: Tensor, *, strength: float, grey: bool, generator: torch.Generator) -> Tensor:
    """Add ``strength`` times the picture's own shot noise to a picture 3×H×W in [0,1], and clip."""
    source = picture
    if grey:
        source = (picture * picture.new_tensor(LUMA)[:, None, None]).sum(0, keepdim=True)
    levels = (source * 255).round_().clamp_(0, 255)
    # Which levels occur is noted by writing, not by torch.unique: that would make the CPU wait for the device.
    occurs = torch.zeros(256, device=picture.device)
    occurs[levels.flatten().long()] = 1.0
    counts = occurs.sum().log2().ceil().exp2()
    expected = levels / 255
    noise = torch.poisson(expected * counts, generator=generator) / counts - expected
    return torch.add(picture, noise, alpha=strength).clamp_(0.0, 1.0)
