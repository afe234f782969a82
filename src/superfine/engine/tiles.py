"""The tiling plan: which windows of a picture the network sees, and which part of each result is kept.

Windows are cut from the picture, all of one shape, because an inference engine compiles a network for one shape; at the
picture's edges they are shifted inward. A window carries a halo wherever it ends inside the picture. With the network's
receptive-field radius as halo, what is kept sees what it would see in one piece: tiled equals untiled.

Where the picture ends, the network's own padding begins, as in training and in the papers' measurements. Reflecting the
picture instead shows a network what it was never trained on, and cost compact-x4 0.44 dB on Set14's ``foreman``, which has a
line at its edge (``docs/architecture.md``). It also makes small pictures cheap: nothing is computed but the picture.

A network that puts pixels together in cells (RRDB for ×2: 2×2) must find each cell whole, counted from the picture's first
row and column. So windows begin and end at multiples of the cell's side; only for the last cell is the picture reflected.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError

SMALLEST_TILE = 16
"""A smaller core is refused: nearly all the work would be halo."""


@dataclass(frozen=True)
class Span:
    """One window along one axis: it begins at ``window``, and ``start`` to ``stop`` of the picture are kept of it."""

    window: int
    start: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """A grid of windows, ``window_height`` × ``window_width`` each, over a picture of ``height`` × ``width``.

    ``halo`` and the windows' sides are multiples of ``multiple``.
    """

    height: int
    width: int
    halo: int
    window_height: int
    window_width: int
    multiple: int = 1

    @property
    def area(self) -> int:
        """Pixels of a window."""
        return self.window_height * self.window_width

    @property
    def rows(self) -> list[Span]:
        return list(self._spans(self.height, self.window_height, 0))

    def row_at(self, top: int) -> Span:
        """The row of windows of which is kept what begins at ``top``: a plan can be changed between two rows."""
        return next(self._spans(self.height, self.window_height, top))

    @property
    def columns(self) -> list[Span]:
        return list(self._spans(self.width, self.window_width, 0))

    @property
    def work(self) -> float:
        """Pixels that the network computes, for each pixel of the picture."""
        windows = self._number(self.height, self.window_height) * self._number(self.width, self.window_width)
        return windows * self.area / (self.height * self.width)

    @property
    def last(self) -> int:
        """Rows that are kept of the last row of windows."""
        before = self._number(self.height, self.window_height) - 1
        return self.height - (before * (self.window_height - 2 * self.halo) + self.halo if before else 0)

    def cut(self, pixels: NDArray[np.float32], row: Span, column: Span) -> NDArray[np.float32]:
        """A window of ``pixels`` (H×W×C, [0,1])."""
        bottom, right = row.window + self.window_height, column.window + self.window_width
        window = pixels[row.window : bottom, column.window : right]
        if bottom > self.height or right > self.width:
            window = window[mirror(np.arange(self.window_height), len(window))]
            window = window[:, mirror(np.arange(self.window_width), window.shape[1])]
        return np.ascontiguousarray(window)

    def halved(self) -> "Plan | None":
        """Cores of half the size along one side, the longer one that can be halved; None where both are the smallest."""
        height, width = (
            2 * self.halo
            + max(_up(math.ceil((side - 2 * self.halo) / 2), self.multiple), _up(SMALLEST_TILE, self.multiple))
            for side in (self.window_height, self.window_width)
        )
        choices = []
        if height < self.window_height:
            choices.append((self.window_height, replace(self, window_height=height)))
        if width < self.window_width:
            choices.append((self.window_width, replace(self, window_width=width)))
        return max(choices, key=lambda choice: choice[0])[1] if choices else None

    def _number(self, length: int, window: int) -> int:
        """Of the spans, without making them: many plans are compared, and a tall picture has many rows."""
        end = _up(length, self.multiple)
        return 1 if window >= end else math.ceil((end - 2 * self.halo) / (window - 2 * self.halo))

    def _spans(self, length: int, window: int, start: int) -> Iterator[Span]:
        end = _up(length, self.multiple)
        while start < length:
            begin = min(max(start - self.halo, 0), end - window)
            stop = length if begin + window == end else begin + window - self.halo
            yield Span(begin, start, stop)
            start = stop


def plan(
    height: int,
    width: int,
    halo: int,
    *,
    tile: int | None = None,
    area: int,
    rows: int | None = None,
    multiple: int = 1,
) -> Plan:
    """Divide a picture into windows of equal shape.

    Parameters
    ----------
    height, width
        The picture's, in low-resolution pixels.
    halo
        What a window carries on each side that lies in the picture, in the same pixels: the network's receptive-field
        radius, or what has been measured to be enough.
    tile
        Side of a window without its halo, as the user asked for it. Without it, the grid that is done soonest is chosen.
    area
        Without ``tile``: pixels that a window may have.
    rows
        Without ``tile``: rows that may be kept of a window.
    multiple
        Windows begin and end at multiples of this, counted from the picture's first row and column.

    Raises
    ------
    UserError
        ``tile`` is smaller than ``SMALLEST_TILE``.
    """
    check_tile(tile)
    halo = _up(halo, multiple)
    if tile is not None:
        core = max(_down(tile, multiple), multiple)
        window_height = _side(height, _count(height, core, halo), halo, multiple)
        window_width = _side(width, _count(width, core, halo), halo, multiple)
        return Plan(height, width, halo, window_height, window_width, multiple)
    # A budget that leaves no core is overrun rather than refused: the halo is the network's, not the user's choice.
    smallest = _up(SMALLEST_TILE, multiple)
    area = max(area, (2 * halo + 2 * smallest) ** 2)
    rows = max(height if rows is None else rows, height if height <= 2 * halo + smallest else halo + smallest)
    choices: list[Plan] = []
    for down in range(1, height + 1):
        window_height = _side(height, down, halo, multiple)
        widest = area // window_height
        core = _down(widest - 2 * halo, multiple) if widest < _up(width, multiple) else _up(width, multiple)
        if core >= multiple:
            window_width = _side(width, _count(width, core, halo), halo, multiple)
            choice = Plan(height, width, halo, window_height, window_width, multiple)
            if choice.row_at(0).stop <= rows:
                choices.append(choice)
        if choices and window_height - 2 * halo <= max(halo, smallest):
            break
    return min(choices, key=_cost)


def _cost(choice: Plan) -> float:
    """What is computed, and what is encoded after it.

    The last strip is encoded with nothing left to compute beside it. Measured with the compact network, encoding a pixel's
    enlargement as PNG takes about half the time of computing it; with larger networks this term hardly matters.
    """
    return choice.work * choice.height + choice.last / 2


def check_tile(tile: int | None) -> None:
    """Raise the UserError for a tile that is too small."""
    if tile is not None and tile < SMALLEST_TILE:
        raise UserError(f"tile {tile}: too small; give {SMALLEST_TILE} or more, or leave it out")


def mirror(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Reflect positions beyond 0 … length − 1 back inside, without repeating the border pixel, as often as needed.

    As NumPy's padding mode "reflect", and for a single pixel that pixel.
    """
    period = max(2 * (length - 1), 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index) if length > 1 else np.zeros_like(index)


def _count(length: int, core: int, halo: int) -> int:
    """How many windows with such a core it takes; the first and the last one keep a halo of theirs too."""
    return 1 if length <= core else max(math.ceil((length - 2 * halo) / core), 1)


def _side(length: int, count: int, halo: int, multiple: int) -> int:
    """The side of ``count`` windows of equal size over a length."""
    whole = _up(length, multiple)
    return (
        min(whole, 2 * halo + max(_up(math.ceil((whole - 2 * halo) / count), multiple), multiple))
        if count > 1
        else whole
    )


def _up(length: int, multiple: int) -> int:
    return math.ceil(length / multiple) * multiple


def _down(length: int, multiple: int) -> int:
    return length // multiple * multiple
