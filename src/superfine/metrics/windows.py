"""Local sums under a window: what structural similarity and NIQE are made of."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float64]

TILE = (64, 256)
"""Pixels that are worked on at a time: a few planes of them stay in the processor's cache."""


def tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles of a plane."""
    for top, left in product(range(0, height, TILE[0]), range(0, width, TILE[1])):
        yield slice(top, min(top + TILE[0], height)), slice(left, min(left + TILE[1], width))


def gaussian(size: int, sigma: float) -> Planes:
    """``size`` weights of a Gaussian, of sum 1."""
    weights = np.exp(-((np.arange(size) - size // 2) ** 2) / (2.0 * sigma**2))
    normalised: Planes = weights / weights.sum()
    return normalised


def smooth(planes: Planes, weights: Planes) -> Planes:
    """Sum N×H×W under the window ``weights`` × ``weights``, symmetric and of odd size, where it fits.

    By sums of shifted planes: products with a band matrix are no faster, and wake a thread on every core.
    """
    radius = len(weights) // 2
    for axis in (1, 2):
        length = planes.shape[axis] - 2 * radius
        shifted = [planes[(slice(None),) * axis + (slice(i, i + length),)] for i in range(len(weights))]
        out = shifted[radius] * weights[radius]
        pair = np.empty_like(out)
        for i in range(radius):
            np.add(shifted[i], shifted[-1 - i], out=pair)
            pair *= weights[i]
            out += pair
        planes = out
    return planes
