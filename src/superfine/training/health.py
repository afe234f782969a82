"""Whether a run is still well: values and weights that are not finite, and collapse."""

import math
from dataclasses import dataclass

ROLLBACKS = 3
"""Times that a run goes back to its last checkpoint and on with half the rate, before it gives up."""

COLLAPSE = 4.0
"""A generator has collapsed when its mean absolute difference from the photographs is this many times its best."""


@dataclass(frozen=True)
class Illness:
    """What went wrong: the ``term`` of the loss or "weights", and the first step of the window at which it did, from 0."""

    term: str
    index: int
    cause: str


def not_finite(values: dict[str, list[float]]) -> Illness | None:
    """The first value that is not finite, in the order of the steps."""
    length = len(next(iter(values.values())))
    for index in range(length):
        for term, column in values.items():
            if not math.isfinite(column[index]):
                return Illness(term, index, f"{term} is {column[index]}")
    return None


def collapsed(values: dict[str, list[float]], best: float) -> Illness | None:
    """Collapse: the mean ``absolute_error`` of the window against the ``best`` window's; None where it is not watched."""
    column = values.get("absolute_error")
    if column is None:
        return None
    error = sum(column) / len(column)
    if error <= max(COLLAPSE * best, 0.02):
        return None
    worst = column.index(max(column))
    return Illness("absolute_error", worst, f"the generator collapsed: its error rose to {error:.4f} from {best:.4f}")
