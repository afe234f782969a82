"""The classical degradations: MATLAB's bicubic, and a Gaussian filter with down-sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from superfine.data.degrade.checks import checked
from superfine.images import imresize_tensor


@dataclass(frozen=True)
class Classical:
    """One way to make every picture smaller, without chance.

    Parameters
    ----------
    sigma : None for MATLAB's bicubic, by which the tables of the literature are made (Ledig et al. 2017, §3.2); a number for
        the Gaussian filter and down-sampling of their §2: its standard deviation, in low-resolution pixels. The paper does
        not give it; 0.4 is the 1.6 pixels at ×4 of later work.
    """

    sigma: float | None = None

    def describe(self, *, scale: int, seed: int, step: int, samples: range) -> list[str]:
        """What happens to each of the samples, for people."""
        how = "bicubic" if self.sigma is None else f"Gaussian σ {self.sigma * scale:.2g}, every {scale}th pixel"
        return [how] * len(samples)

    @torch.no_grad()
    def __call__(self, hr: Tensor, *, scale: int, seed: int = 0, step: int = 0, part: slice = slice(None)) -> Tensor:
        """Degrade a batch on its device; ``seed``, ``step`` and ``part`` do not matter here.

        Parameters
        ----------
        hr : N×3×H×W float32 RGB in [0,1], H and W multiples of ``scale``.

        Returns
        -------
        N×3×H/s×W/s float32 RGB in [0,1], rounded to 8 bits. Bicubic equals :func:`superfine.images.imresize` of the 8-bit
        crop, so that only pixels near the edge of the crop differ from the twin in a pack.

        Raises
        ------
        ValueError
            Another shape or dtype, or sides that are no multiples of ``scale``.
        """
        checked(hr, scale)
        return _bicubic(hr, scale) if self.sigma is None else _gaussian(hr, scale, self.sigma * scale)


def _bicubic(hr: Tensor, scale: int) -> Tensor:
    """As the literature's MATLAB: 8 bits are rounded (halves up) after each axis, rows first."""
    height, width = hr.shape[2:]
    small = (hr * 255).round_()
    for size in ((height // scale, width), (height // scale, width // scale)):
        small = imresize_tensor(small, size=size).add_(0.5).floor_().clamp_(0, 255)
    return small.div_(255)


def _gaussian(hr: Tensor, scale: int, sigma: float) -> Tensor:
    """A Gaussian around the centre of each block of s×s pixels, the edge pixel repeated beyond the edge.

    Taking every s-th pixel instead would shift the picture by (s − 1)/2 pixels against the bicubic one.
    """
    radius = int(np.ceil(3 * sigma))
    taps = np.arange(-radius, scale + radius) - (scale - 1) / 2
    weights = np.exp(-0.5 * (taps / sigma) ** 2)
    kernel = torch.from_numpy(weights / weights.sum()).to(hr)
    planes = F.pad(hr.reshape(-1, 1, *hr.shape[2:]), (radius, radius, radius, radius), "replicate")
    planes = F.conv2d(planes, kernel[None, None, :, None], stride=(scale, 1))
    planes = F.conv2d(planes, kernel[None, None, None, :], stride=(1, scale))
    small = planes.reshape(*hr.shape[:2], *planes.shape[2:])
    return small.mul_(255).round_().clamp_(0, 255).div_(255)
