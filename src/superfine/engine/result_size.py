"""How large results are to be: so many times as large, or of a width, a height, or within both."""

import math
from dataclasses import dataclass

from superfine.errors import UserError


@dataclass(frozen=True)
class ResultSize:
    """What is asked of every picture of a batch: a ``scale``, or a ``width`` and ``height``, of which one may be left open.

    Parameters
    ----------
    scale
        Output pixels for each input pixel, along one side; at least 1.
    width, height
        In pixels. The picture's proportions are kept: of one alone the other follows, both are what it has to fit into.

    Raises
    ------
    UserError
        Nothing is asked, or a scale beside a width or height; a scale below 1; a side below 1.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        sides = [side for side in (self.width, self.height) if side is not None]
        if (self.scale is None) == (not sides):
            raise UserError("give either --scale, or --width and --height")
        if self.scale is not None and not 1 <= self.scale < math.inf:
            raise UserError(f"scale {self.scale:g}: out of range; choose 1 (restored, no larger) or more")
        if any(side < 1 for side in sides):
            raise UserError(f"width or height {min(sides)}: out of range; choose 1 pixel or more")

    def of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result of a picture, rounded to the nearest, at least 1."""
        factor = self.scale
        if factor is None:
            factor = min(to / of for to, of in ((self.width, width), (self.height, height)) if to is not None)
        # What binds is met exactly: side × (to / side) is within an ulp of ``to``.
        return max(1, math.floor(factor * height + 0.5)), max(1, math.floor(factor * width + 0.5))

    @property
    def label(self) -> str:
        """What the names of results say of it: ``4x``, ``1.5x``, ``1920w``, ``1080h``, ``1920x1080``."""
        if self.scale is not None:
            return f"{self.scale:g}x"
        if self.width is None or self.height is None:
            return f"{self.width}w" if self.height is None else f"{self.height}h"
        return f"{self.width}x{self.height}"

    def __str__(self) -> str:
        if self.scale is not None:
            return f"{self.scale:g} times"
        if self.width is None or self.height is None:
            return f"to a width of {self.width}" if self.height is None else f"to a height of {self.height}"
        return f"to fit {self.width} × {self.height}"
