"""The values of the steps since the last record, kept on the device so that no step waits for them."""

from __future__ import annotations

import torch
from torch import Tensor

from superfine.training.distributed import World


class History:
    """Collects named scalars step by step; :meth:`take` brings them over at once, averaged over the processes."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._names: list[str] = []

    def add(self, values: dict[str, Tensor]) -> None:
        """The values of one step, the same names each time."""
        self._names = list(values)
        self._rows.append(torch.stack([value.detach().float() for value in values.values()]))

    def take(self, world: World) -> dict[str, list[float]]:
        """Each name's values, a value for each step, and start anew."""
        table = world.mean(torch.stack(self._rows)).cpu()
        self._rows = []
        return {name: table[:, i].tolist() for i, name in enumerate(self._names)}


def means(values: dict[str, list[float]]) -> dict[str, float]:
    """The mean of each name's values."""
    return {name: sum(column) / len(column) for name, column in values.items()}
