"""Batches as a pure function of (seed, step): the same bytes in any process, on any process count, after any resume.

A counter-based generator is asked for the numbers of one step: Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers:
as easy as 1, 2, 3"), keyed by the seed, its counter set to the step. Its raw words are used directly, because NumPy keeps
those stable between versions, and its derived distributions not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superfine.data.pack import Pack
from superfine.errors import UserError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Crop:
    """One training patch: picture, upper left corner in low-resolution pixels, and one of the eight symmetries."""

    picture: int
    y: int
    x: int
    symmetry: int


class Batches:
    """The batches of one run: ``batches(step)`` is batch ``step``.

    All positions of all crops are equally likely, so a large picture is seen more often than a small one.
    """

    def __init__(self, pack: Pack, *, seed: int, batch: int, patch: int) -> None:
        """
        Parameters
        ----------
        seed : 0 … 2⁶⁴−1, the key of the generator.
        batch : crops of a step, over all processes.
        patch : side of a crop in low-resolution pixels.

        Raises
        ------
        UserError
            No picture of the pack is large enough for the crop.
        """
        self.pack, self.seed, self.batch, self.patch = pack, seed, batch, patch
        heights = np.array([entry.height for entry in pack.entries], np.int64) // pack.scale - patch + 1
        widths = np.array([entry.width for entry in pack.entries], np.int64) // pack.scale - patch + 1
        self._widths = widths
        self._ends = np.cumsum(heights.clip(0) * widths.clip(0))
        if not len(self._ends) or not self._ends[-1]:
            side = patch * pack.scale
            raise UserError(
                f"{pack.path}: no picture has {side}×{side} pixels, the size of a crop; give a smaller --patch"
            )

    def crops(self, step: int) -> list[Crop]:
        """The crops of batch ``step``, for all processes."""
        words = np.random.Philox(key=self.seed, counter=[0, 0, 0, step]).random_raw(2 * self.batch)
        total = int(self._ends[-1])
        crops = []
        for where, how in words.reshape(self.batch, 2).tolist():
            position = (where * total) >> 64
            picture = int(np.searchsorted(self._ends, position, side="right"))
            inside = position - (int(self._ends[picture - 1]) if picture else 0)
            y, x = divmod(inside, int(self._widths[picture]))
            crops.append(Crop(picture, y, x, how >> 61))
        return crops

    def __call__(self, step: int, part: slice = slice(None)) -> tuple[Pixels, Pixels]:
        """Batch ``step``, or one process's ``part`` of it.

        Returns
        -------
        lr : n×p×p×3 RGB uint8, hr : n×sp×sp×3 RGB uint8, both contiguous.
        """
        crops = self.crops(step)[part]
        scale, patch = self.pack.scale, self.patch
        lr = np.empty((len(crops), patch, patch, 3), np.uint8)
        hr = np.empty((len(crops), scale * patch, scale * patch, 3), np.uint8)
        for n, (i, y, x, symmetry) in enumerate((c.picture, c.y, c.x, c.symmetry) for c in crops):
            lr[n] = turned(self.pack.lr(i)[y : y + patch, x : x + patch], symmetry)
            y, x, side = scale * y, scale * x, scale * patch
            hr[n] = turned(self.pack.hr(i)[y : y + side, x : x + side], symmetry)
        return lr, hr


def turned(picture: Pixels, symmetry: int) -> Pixels:
    """One of the eight symmetries of the square (0 is the identity) of a picture H×W×C."""
    if symmetry & 4:
        picture = picture.swapaxes(0, 1)
    if symmetry & 2:
        picture = picture[::-1]
    if symmetry & 1:
        picture = picture[:, ::-1]
    return picture
