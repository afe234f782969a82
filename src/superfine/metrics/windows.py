"""Local sums under a window: what structural similarity and NIQE are made of."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.floating[Any]]

TILE = (64, 256)
"""Pixels that are worked on at a time: a few planes of them stay in the processor's cache."""


BAND = 16
"""Rows or columns of a sum that one product makes. Measured: more of them wake a thread on every core."""


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

    In the dtype of ``planes``. By products with a band matrix, a few rows or columns at a time: small enough to stay in one
    thread and in the cache, and three times as fast as sums of shifted planes.
    """
    window = len(weights)
    band = np.zeros((BAND, BAND + window - 1), planes.dtype)
    for i in range(BAND):
        band[i, i : i + window] = weights
    count, height, width = planes.shape
    down = np.empty((count, height - window + 1, width), planes.dtype)
    for here, under in _bands(height, window):
        np.matmul(band[: here.stop - here.start, : under.stop - under.start], planes[:, under], out=down[:, here])
    # The rows of all planes are rows of one matrix.
    rows = down.reshape(-1, width)
    out = np.empty((len(rows), width - window + 1), planes.dtype)
    across = np.ascontiguousarray(band.T)
    for here, under in _bands(width, window):
        np.matmul(rows[:, under], across[: under.stop - under.start, : here.stop - here.start], out=out[:, here])
    return out.reshape(*down.shape[:2], -1)


def _bands(length: int, window: int) -> Iterator[tuple[slice, slice]]:
    """Rows of the result, and those of ``length`` that lie under their windows."""
    for start in range(0, length - window + 1, BAND):
        stop = min(start + BAND, length - window + 1)
        yield slice(start, stop), slice(start, stop + window - 1)
