"""Which part of a picture is shown: the most detailed one, or the one on which results differ most."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.evaluation.sets import BenchmarkSet
from superfine.images import size

Values = NDArray[np.float32]

GRID = 4
"""Crops begin at multiples of this many pixels, or end with the picture."""

STRONG = 0.25
"""Difference of neighbours, in [0,1], from which on an edge counts no more: one hard outline is not much detail. Looked at on
Kodak's photographs: lower values choose ripples on water rather than what floats on it."""


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; ``x`` and ``y`` are its left and upper edge."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def check(self, width: int, height: int, what: str) -> None:
        """Raise a UserError unless the box lies inside a picture of ``width`` × ``height``."""
        if self.x + self.width > width or self.y + self.height > height:
            raise UserError(
                f"crop {self}: reaches beyond {what}, which is {width}×{height}; give X,Y,W,H with X+W up to {width} "
                f"and Y+H up to {height}"
            )


def parse_box(text: str) -> Box:
    """``X,Y,W,H`` in pixels.

    Raises
    ------
    UserError
        Not four whole numbers, or no width or height.
    """
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){3}", text, re.ASCII):
        raise UserError(f"crop {text}: not X,Y,W,H in whole pixels; give it as 120,80,64,48")
    box = Box(*map(int, text.split(",")))
    if not (box.width and box.height):
        raise UserError(f"crop {text}: holds no pixel; give a width and a height above 0")
    return box


def parse_crops(texts: Sequence[str]) -> dict[tuple[str, str], Box]:
    """``SET/NAME:X,Y,W,H`` for each crop, as ``Set5/baby:120,80,64,64``, by set and picture.

    Raises
    ------
    UserError
        Something else; two of one picture.
    """
    crops: dict[tuple[str, str], Box] = {}
    for text in texts:
        picture, colon, box = text.rpartition(":")
        set, slash, name = picture.partition("/")
        if not (colon and slash and set and name):
            raise UserError(f"crop {text}: not SET/NAME:X,Y,W,H; give it as Set5/baby:120,80,64,64")
        if (set, name) in crops:
            raise UserError(f"crop {text}: another one of this picture is given; give one for each picture")
        crops[set, name] = parse_box(box)
    return crops


def check_crops(crops: Mapping[tuple[str, str], Box], sets: Sequence[BenchmarkSet]) -> None:
    """Look for the pictures of ``crops`` in ``sets`` before anything is computed.

    Raises
    ------
    UserError
        A picture that is in none of the sets; a crop that reaches beyond its original, cropped to a multiple of the scale.
    """
    there = {(bench.name, item.name): (bench.scale, item) for bench in sets for item in bench.items}
    for (set, name), box in crops.items():
        if (set, name) not in there:
            raise UserError(
                f"crop {set}/{name}:{box}: no such picture in the sets; give SET/NAME of one that is scored"
            )
        scale, item = there[set, name]
        if item.hr is None:
            continue
        try:
            width, height = size(item.hr)
        except UserError:  # which the picture's note tells
            continue
        box.check(width - width % scale, height - height % scale, f"{set}/{name}")


def most_detailed(pixels: Values, width: int, height: int) -> Box:
    """The crop of ``width`` × ``height`` (or the whole length, where the picture is smaller) that holds the most detail.

    Detail is the mean absolute difference of horizontal and of vertical neighbours' luma, each difference limited to
    ``STRONG``. Among equals the uppermost, then the leftmost.

    Parameters
    ----------
    pixels
        H×W×3 RGB, float32 in [0,1].
    """
    return _best(detail(grey(pixels)), width, height)


def most_different(results: Sequence[Values], original: Values, width: int, height: int, *, border: int) -> Box:
    """The crop on which results differ most, where there is something to see.

    The measure of a crop is d · t / (t + t̄): d is the mean over the crop of the standard deviation of luma among the results,
    t the mean of the original's detail (as in :func:`most_detailed`), t̄ that of the whole picture. Without the weight, which
    goes from 0 on a flat area to 1, blurred backgrounds win where one result rings. Where the results are equal, the most
    detailed crop.

    Parameters
    ----------
    results
        At least one; each H×W×3 RGB, float32 in [0,1], as ``original``.
    border
        Pixels along the edges that are not scored; the crop lies inside them where it can.
    """
    height_, width_ = original.shape[:2]
    inner = border if min(height_ - height, width_ - width) >= 2 * border else 0
    inside = (slice(inner, height_ - inner), slice(inner, width_ - inner))
    spread = np.std(np.stack([grey(result[inside]) for result in results]), axis=0, dtype=np.float32)
    truth = detail(grey(original[inside]))
    box = _best(spread, width, height, weight=truth) if spread.any() else _best(truth, width, height)
    return Box(box.x + inner, box.y + inner, box.width, box.height)


def grey(pixels: Values) -> Values:
    """Luma in [0,1], H×W, with BT.601's weights."""
    luma: Values = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma


def detail(luma: Values) -> Values:
    """Mean of the limited differences to the right and to the lower neighbour, H×W."""
    across = np.abs(np.diff(luma, axis=1, append=luma[:, -1:]))
    down = np.abs(np.diff(luma, axis=0, append=luma[-1:]))
    return ((np.minimum(across, STRONG) + np.minimum(down, STRONG)) / 2).astype(np.float32, copy=False)


def _best(values: Values, width: int, height: int, *, weight: Values | None = None) -> Box:
    """The box with the greatest mean of ``values``, weighted as :func:`most_different` says where there is a weight."""
    height, width = min(height, values.shape[0]), min(width, values.shape[1])
    rows, columns = _starts(values.shape[0], height), _starts(values.shape[1], width)
    means = _means(values, rows, columns, height, width)
    if weight is not None and weight.any():
        weights = _means(weight, rows, columns, height, width)
        means *= weights / (weights + float(weight.mean()))
    row, column = np.unravel_index(int(np.argmax(means)), means.shape)
    return Box(int(columns[column]), int(rows[row]), width, height)


def _starts(length: int, size: int) -> NDArray[np.intp]:
    return np.append(np.arange(0, length - size, GRID), length - size)


def _means(values: Values, rows: NDArray[Any], columns: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Means over the boxes at ``rows`` × ``columns``, from a table of the sums above and to the left of each pixel."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(values, axis=0, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    right, below = columns + width, rows + height
    total = sums[np.ix_(below, right)] - sums[np.ix_(rows, right)] - sums[np.ix_(below, columns)]
    means: NDArray[np.float64] = (total + sums[np.ix_(rows, columns)]) / (height * width)
    return means
