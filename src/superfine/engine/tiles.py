"""The tiling plan: which windows of a picture the network sees, and which part of each result is kept.

The picture is continued by reflection, once, by the network's receptive-field radius; windows are cut from that canvas and
all have one shape, because an inference engine compiles a network for one shape. A window carries the radius on each
side of its core, so a core's pixels see what they would see in one piece: tiled equals untiled. A network's own zero
padding reaches one radius into a window, which is the part that is cut away.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError

SMALLEST_TILE = 16
"""A smaller core is refused: nearly all the work would be halo."""


@dataclass(frozen=True)
class Span:
    """One core along one axis: it lies at ``start``; of it, ``first`` to ``stop`` are kept (picture coordinates)."""

    start: int
    first: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """A grid of cores, ``core_height`` × ``core_width`` each, over a picture of ``height`` × ``width``."""

    height: int
    width: int
    radius: int
    core_height: int
    core_width: int

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of what the network sees at once: the core and its halo."""
        return self.core_height + 2 * self.radius, self.core_width + 2 * self.radius

    @property
    def rows(self) -> list[Span]:
        return spans(self.height, self.core_height)

    @property
    def columns(self) -> list[Span]:
        return spans(self.width, self.core_width)

    @property
    def work(self) -> float:
        """Pixels that the network computes, for each pixel of the picture."""
        return len(self.rows) * len(self.columns) * math.prod(self.window) / (self.height * self.width)

    def cut(self, pixels: NDArray[np.float32], row: Span, column: Span) -> NDArray[np.float32]:
        """The window around one core of ``pixels`` (H×W×C, [0,1]); beyond the borders the picture is reflected."""
        window_height, window_width = self.window
        y = mirror(np.arange(window_height) + (row.start - self.radius), self.height)
        x = mirror(np.arange(window_width) + (column.start - self.radius), self.width)
        # First whole rows, then columns: twice as fast as both at once.
        return pixels[y][:, x]


def plan(height: int, width: int, radius: int, *, tile: int | None = None, area: int, rows: int | None = None) -> Plan:
    """Divide a picture into tiles of equal shape.

    Parameters
    ----------
    height, width
        The picture's, in low-resolution pixels.
    radius
        The network's receptive-field radius, in the same pixels.
    tile
        Side of the core, as the user asked for it. Without it, the grid that is done soonest is chosen.
    area
        Without ``tile``: pixels that a window, halo included, may have.
    rows
        Without ``tile``: rows that a core may have at most.

    Raises
    ------
    UserError
        ``tile`` is smaller than ``SMALLEST_TILE``.
    """
    check_tile(tile)
    if tile is not None:
        down, across = math.ceil(height / tile), math.ceil(width / tile)
        return Plan(height, width, radius, math.ceil(height / down), math.ceil(width / across))
    # A budget that leaves no core is overrun rather than refused: the halo is the network's, not the user's choice.
    area = max(area, (2 * radius + 2 * SMALLEST_TILE) ** 2)
    tallest = min(height, max(rows or height, SMALLEST_TILE))
    choices: list[Plan] = []
    for down in range(math.ceil(height / tallest), height + 1):
        core_height = math.ceil(height / down)
        widest = area // (core_height + 2 * radius) - 2 * radius
        if widest >= 1:
            across = math.ceil(width / widest)
            choices.append(Plan(height, width, radius, core_height, math.ceil(width / across)))
        if choices and core_height <= max(radius, SMALLEST_TILE):
            break
    return min(choices, key=_cost)


def _cost(choice: Plan) -> float:
    """What is computed, and what is encoded after it.

    The last strip is encoded with nothing left to compute beside it. Measured with the compact network, encoding a pixel's
    enlargement as PNG takes about half the time of computing it; with larger networks this term hardly matters.
    """
    return choice.work * choice.height + choice.core_height / 2


def check_tile(tile: int | None) -> None:
    """Raise the UserError for a tile that is too small."""
    if tile is not None and tile < SMALLEST_TILE:
        raise UserError(f"tile {tile}: too small; give {SMALLEST_TILE} or more, or leave it out")


def spans(length: int, core: int) -> list[Span]:
    """Cores side by side along one axis; the last is shifted inward, and keeps only what is not covered before it."""
    starts = range(0, length, core)
    return [Span(min(start, max(length - core, 0)), start, min(start + core, length)) for start in starts]


def mirror(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Reflect positions beyond 0 … length − 1 back inside, without repeating the border pixel, as often as needed.

    As NumPy's padding mode "reflect", and for a single pixel that pixel.
    """
    period = max(2 * (length - 1), 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index) if length > 1 else np.zeros_like(index)
