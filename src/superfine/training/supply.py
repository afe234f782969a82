"""The batches of a run as its network takes them: on the device, degraded as the recipe says."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import torch
from torch import Tensor

from superfine.data import Batches, ahead
from superfine.data.degrade import DEGRADATIONS
from superfine.training.distributed import World
from superfine.training.recipes import PACK, PixelRecipe
from superfine.training.resident import Resident, fits
from superfine.training.tensors import to_device

Pair = tuple[Tensor, Tensor]
"""x, N×3×p×p, and its target, N×3×sp×sp: float32 RGB in [0,1] with 8-bit values, channels_last."""


class Supply:
    """One process's part of each batch; a pure function of (seed, step), so that a resumed run sees what it would have seen.

    Raises
    ------
    UserError
        The batch cannot be divided over the processes.
    """

    def __init__(self, batches: Batches, recipe: PixelRecipe, world: World) -> None:
        self.batches, self.device = batches, world.device
        self.part = world.part(recipe.batch)
        self.resident = Resident(batches.pack, world.device) if fits(batches.pack, world.device) else None
        self.degrade = None if recipe.degradation == PACK else DEGRADATIONS[recipe.degradation]

    def ahead(self, start: int, stop: int) -> Generator[Pair, None, None]:
        """The pairs of steps ``start`` to ``stop − 1``, prepared by a thread, and on a GPU by the GPU."""
        # Other devices than these are spoken to from one thread only.
        device = self.device if self.device.type in ("cpu", "cuda") else torch.device("cpu")
        with closing(ahead(lambda step: self._pair(step, self.part, device), start, stop)) as pairs:
            for x, target in pairs:
                yield x.to(self.device), target.to(self.device)

    def whole(self, step: int) -> Pair:
        """The pair of all processes."""
        return self._pair(step, slice(None), self.device)

    def _pair(self, step: int, part: slice, device: torch.device) -> Pair:
        if self.resident:
            lr, hr = self.resident(self.batches.crops(step)[part], self.batches.patch)
        else:
            lr, hr = map(torch.from_numpy, self.batches(step, part))
        target = to_device(hr, device)
        if self.degrade is None:
            return to_device(lr, device), target
        x = self.degrade(
            target.contiguous(), scale=self.batches.pack.scale, seed=self.batches.seed, step=step, part=part
        )
        return x.contiguous(memory_format=torch.channels_last), target
