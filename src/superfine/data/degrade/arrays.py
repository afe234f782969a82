"""Degradation of NumPy pictures, for those who do not import torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from superfine.data.degrade.classical import Classical
from superfine.data.degrade.everyday import Everyday
from superfine.data.degrade.photo import Photo

Degradation = Classical | Photo | Everyday


def degraded(
    pictures: NDArray[np.float32], how: Degradation, *, scale: int, seed: int, step: int
) -> NDArray[np.float32]:
    """Degrade pictures N×H×W×3 float32 RGB in [0,1] on the CPU, as batch ``step`` of a run, to N×H/s×W/s×3.

    Raises
    ------
    ValueError
        As the degradation.
    """
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
    return how(batch, scale=scale, seed=seed, step=step).permute(0, 2, 3, 1).numpy()
