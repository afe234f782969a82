"""A pack in a device's memory, from which batches are cut there: only a few numbers for each crop cross the bus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superfine.data import Crop, Pack

CHUNK = 64 << 20  # bytes that are copied at a time
SHARE = 0.5
"""Of the device's free memory, what the packs of a run may take."""


class Resident:
    """Cuts the crops that :class:`superfine.data.Batches` cuts, byte for byte."""

    def __init__(self, pack: Pack, device: torch.device) -> None:
        self.device, self.scale = device, pack.scale
        self._hr, self._lr = (_copied(flat, device).view(-1, 3) for flat in pack.flat())
        widths = [entry.width // pack.scale for entry in pack.entries]
        areas = [width * (entry.height // pack.scale) for width, entry in zip(widths, pack.entries, strict=True)]
        self._widths, self._starts = widths, [0, *np.cumsum(areas).tolist()]

    def __call__(self, crops: Sequence[Crop], patch: int) -> tuple[Tensor, Tensor]:
        """The crops of ``patch`` low-resolution pixels on a side.

        Returns
        -------
        lr : n×p×p×3 RGB uint8, hr : n×sp×sp×3 RGB uint8, on the device.
        """
        rows = [(self._starts[c.picture], self._widths[c.picture], c.y, c.x, c.symmetry) for c in crops]
        numbers = torch.tensor(rows)
        if self.device.type == "cuda":
            numbers = numbers.pin_memory()  # so that the copy does not wait
        start, width, y, x, symmetry = numbers.to(self.device, non_blocking=True).T[:, :, None, None]
        s = self.scale
        return (
            self._lr[_places(start, width, y, x, symmetry, patch)],
            self._hr[_places(s * s * start, s * width, s * y, s * x, symmetry, s * patch)],
        )


def fits(packs: Sequence[Pack], device: torch.device) -> bool:
    """Whether there is room for the packs beside the networks; always False but on CUDA, as a CPU reads them where they lie."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sum(flat.nbytes for pack in packs for flat in pack.flat()) <= SHARE * free


def _places(start: Tensor, width: Tensor, y: Tensor, x: Tensor, symmetry: Tensor, side: int) -> Tensor:
    """Where each pixel of each crop lies in the pack, n×side×side, the crop turned as :func:`superfine.data.turned` does."""
    along = torch.arange(side, device=start.device)
    row = torch.where(symmetry & 2 > 0, side - 1 - along[:, None], along[:, None])
    column = torch.where(symmetry & 1 > 0, side - 1 - along, along)
    swapped = symmetry & 4 > 0
    row, column = torch.where(swapped, column, row), torch.where(swapped, row, column)
    return start + (y + row) * width + x + column


def _copied(flat: NDArray[np.uint8], device: torch.device) -> Tensor:
    """The bytes on the device, without a second copy of all of them on the way."""
    copy = torch.empty(len(flat), dtype=torch.uint8, device=device)
    for begin in range(0, len(flat), CHUNK):
        copy[begin : begin + CHUNK] = torch.from_numpy(np.array(flat[begin : begin + CHUNK]))
    return copy
