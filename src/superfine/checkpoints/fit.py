"""Weights fit a network exactly, or are refused with the name of the tensor that does not."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from superfine.errors import UserError


def check_fit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], file: Path, *, way_out: str) -> None:
    """Hold ``given``, read from ``file``, to the names and shapes of ``wanted``.

    Raises
    ------
    UserError
        A tensor that is missing, that the network does not have, or of another shape.
    """
    for key in sorted({*wanted, *given}):
        if key not in given:
            raise UserError(f"{file}: {key} is missing; {way_out}")
        if key not in wanted:
            raise UserError(f"{file}: {key} is not in the network; {way_out}")
        if wanted[key].shape != given[key].shape:
            shapes = f"{tuple(given[key].shape)}, the network's is {tuple(wanted[key].shape)}"
            raise UserError(f"{file}: {key} has the shape {shapes}; {way_out}")
