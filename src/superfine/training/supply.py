"""The batches of a run as its network takes them: on the device, degraded as the recipe says."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import torch
from torch import Tensor

from superfine.data import Batches, Pack, ahead
from superfine.data.degrade import DEGRADATIONS
from superfine.training.distributed import World
from superfine.training.recipes import PACK, PixelRecipe
from superfine.training.resident import Resident, fits
from superfine.training.tensors import to_device

Pair = tuple[Tensor, Tensor]
"""x, N×3×p×p, and its target, N×3×sp×sp: float32 RGB in [0,1], channels_last; 8-bit values, but of a target with a teacher."""


class Supply:
    """One process's part of each batch; a pure function of (seed, step), so that a resumed run sees what it would have seen.

    With a ``teacher``, a pack of what a model makes of the twins of ``pack``, targets are mixtures of both, by the recipe's
    ``teacher_weight``.

    Raises
    ------
    UserError
        The batch cannot be divided over the processes.
    """

    def __init__(
        self, pack: Pack, recipe: PixelRecipe, world: World, *, seed: int, teacher: Pack | None = None
    ) -> None:
        self.device = world.device
        self.part = world.part(recipe.batch)
        resident = fits([pack] if teacher is None else [pack, teacher], world.device)
        self._photographs = _Crops(pack, recipe, seed, world.device, resident)
        # The same sizes, and so the same crops.
        self._taught = None if teacher is None else _Crops(teacher, recipe, seed, world.device, resident)
        self._taught_weight = recipe.teacher_weight
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
        lr, hr = self._photographs(step, part)
        target = to_device(hr, device)
        if self.degrade is None:
            x = to_device(lr, device)
        else:
            batches = self._photographs.batches
            x = self.degrade(target.contiguous(), scale=batches.pack.scale, seed=batches.seed, step=step, part=part)
            x = x.contiguous(memory_format=torch.channels_last)
        if self._taught is not None:
            _, taught = self._taught(step, part)
            target = torch.lerp(target, to_device(taught, device), self._taught_weight)
        return x, target


class _Crops:
    """The crops of a pack, from the device's memory or from where it lies."""

    def __init__(self, pack: Pack, recipe: PixelRecipe, seed: int, device: torch.device, resident: bool) -> None:
        self.batches = Batches(pack, seed=seed, batch=recipe.batch, patch=recipe.patch)
        self._resident = Resident(pack, device) if resident else None

    def __call__(self, step: int, part: slice) -> tuple[Tensor, Tensor]:
        """The small crops and the large ones, n×H×W×3 RGB uint8."""
        if self._resident:
            return self._resident(self.batches.crops(step)[part], self.batches.patch)
        lr, hr = self.batches(step, part)
        return torch.from_numpy(lr), torch.from_numpy(hr)
