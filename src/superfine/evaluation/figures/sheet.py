"""Comparison sheets as in the papers: the original with a frame, then the framed crop from the original and each method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.evaluation.figures.choice import FIDELITY, first_of
from superfine.evaluation.figures.crops import Box, most_different
from superfine.evaluation.figures.style import DPI, INK, SMALL, WIDTH, new_figure, shortened, styled
from superfine.evaluation.methods import INTERPOLATIONS
from superfine.evaluation.score import Evaluation, Score
from superfine.evaluation.table import number
from superfine.images import imresize, read
from superfine.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.float32]

FRAME = "#D55E00"
ACROSS = 4  # crops in a row

# In pixels of the PNG, so that every pixel of a crop becomes a whole square.
PAGE = round(WIDTH * DPI)
OVERVIEW = 440
GAP = 16
TEXT = 56  # two lines below a crop
ROOM = (PAGE - OVERVIEW) // ACROSS - GAP  # for a crop's width; enlarged, it is at most twice as tall
LARGEST = 2**16 - 1  # a side of what matplotlib draws

SIDES = tuple(ROOM // times for times in (2, 3, 4, 5, 7))
"""What the automatic crop's side may be, in pixels of the original: what fills its room when it is enlarged."""


def crop_of(evaluation: Evaluation, set: str, name: str) -> Box:
    """The crop that is shown of a picture if none is given, see :func:`superfine.evaluation.figures.crops.most_different`.

    Interpolations take part only if there are not two other results.
    """
    scores = shown_methods(evaluation, set, name)
    hr = read(evaluation.picture(set, "HR", name)).pixels
    others = [score for score in scores if score.method not in INTERPOLATIONS]
    compared = others if len(others) > 1 else scores
    results = [kept(evaluation, set, score.method, name, hr.shape[:2]) for score in compared]
    side = next((side for side in SIDES if side <= min(hr.shape[:2]) / 4), SIDES[-1])
    return most_different(results or [hr], hr, side, side, border=max((score.scale for score in scores), default=0))


def shown_methods(evaluation: Evaluation, set: str, name: str) -> list[Score]:
    """The scores of the methods that were scored on a picture and whose result was kept, interpolations first."""
    there = [
        score
        for score in evaluation.scores
        if score.set == set and name in score.pictures and evaluation.picture(set, score.method, name).is_file()
    ]
    return sorted(there, key=lambda score: score.method not in INTERPOLATIONS)


def kept(evaluation: Evaluation, set: str, method: str, name: str, size: tuple[int, ...]) -> Pixels:
    """A picture that was kept, see :meth:`Evaluation.picture`, of the height and width ``size``.

    Raises
    ------
    UserError
        It is damaged, or of another size.
    """
    file = evaluation.picture(set, method, name)
    pixels = read(file).pixels
    if pixels.shape[:2] != size:
        raise UserError(f"{file}: is {pixels.shape[1]}×{pixels.shape[0]}, not {size[1]}×{size[0]}; evaluate again")
    return pixels


@styled
def comparison_sheet(evaluation: Evaluation, set: str, name: str, *, crop: Box | None = None) -> Figure:
    """Draw one picture of a set: the original with the crop's frame; the crop of the original and of each method, enlarged by
    repeating pixels, with the values that the method has on the whole picture: the first PSNR and SSIM that were measured, or
    the first two metrics.

    Parameters
    ----------
    crop
        In pixels of the original; where the methods differ most if left out.

    Raises
    ------
    UserError
        A picture is missing or damaged; a crop beyond the picture, or too large for a sheet; matplotlib is missing.
    """
    scores = shown_methods(evaluation, set, name)
    if not scores:
        raise UserError(
            f"{set}/{name}: no result of it is there; the table's notes may tell why, else evaluate again with -o"
        )
    hr = read(evaluation.picture(set, "HR", name)).pixels
    box = crop or crop_of(evaluation, set, name)
    box.check(hr.shape[1], hr.shape[0], f"{set}/{name}")

    panels = [("HR", "original", hr[box.slices])]
    for score in scores:
        pixels = kept(evaluation, set, score.method, name, hr.shape[:2])
        panels.append((score.method, values_of(score, name), pixels[box.slices]))

    across = min(ACROSS, len(panels))
    times = max(1, min(ROOM // box.width, 2 * ROOM // box.height))
    room, height = max(ROOM, times * box.width), times * box.height
    rows = math.ceil(len(panels) / across)
    overview = _fitted(hr, OVERVIEW)
    tall = max(rows * (height + TEXT) - GAP // 2, overview.shape[0] + TEXT)
    page = OVERVIEW + across * (GAP + room)
    if max(page, tall) > LARGEST:
        raise UserError(f"crop {box}: too large for a sheet of {len(panels)} panels; give a smaller one")
    figure = new_figure(page / DPI, tall / DPI)

    axes = _place(figure, 0, 0, overview)
    factor = overview.shape[1] / hr.shape[1]
    _frame(axes, box, factor)
    _below(figure, 0, overview.shape[0], OVERVIEW, name, f"{set}, ×{scores[0].scale}")
    for i, (title, values, pixels) in enumerate(panels):
        left, top = OVERVIEW + GAP + i % across * (room + GAP), i // across * (height + TEXT)
        axes = _place(figure, left, top, pixels.repeat(times, axis=0).repeat(times, axis=1))
        _below(figure, left, top + height, room, title, values)
    return figure


def values_of(score: Score, name: str) -> str:
    """Such as ``28.42 dB / .8102``: of one picture, in the metrics that a sheet shows."""
    psnr = first_of(score.metrics, ("psnr_y", "psnr_rgb"))
    ssim = first_of(score.metrics, ("ssim_y", "ms_ssim_y"))
    metrics = [metric for metric in (psnr, ssim) if metric] or score.metrics[:2]
    values = score.pictures[name]
    texts = [
        f"{number(metric, values.get(metric, math.nan))}{' dB' if metric in FIDELITY[:2] else ''}" for metric in metrics
    ]
    return " / ".join(texts)


def _fitted(pixels: Pixels, side: int) -> Pixels:
    """The whole picture as wide as ``side``, or lower, if it would be taller than twice that."""
    factor = min(side / pixels.shape[1], 2 * side / pixels.shape[0])
    height, width = (max(1, round(factor * length)) for length in pixels.shape[:2])
    return imresize(pixels, size=(height, width)).clip(0, 1)


def _place(figure: Figure, left: int, top: int, pixels: Pixels) -> Axes:
    """Draw pixels at a place from the upper left, one to one in the PNG."""
    width, height = (round(length * DPI) for length in figure.get_size_inches())
    rows, columns = pixels.shape[:2]
    axes = figure.add_axes((left / width, 1 - (top + rows) / height, columns / width, rows / height))
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return axes


def _frame(axes: Axes, box: Box, factor: float) -> None:
    from matplotlib.patches import Rectangle

    corner = (factor * box.x - 0.5, factor * box.y - 0.5)
    for colour, line in (("white", 2.4), (FRAME, 1.2)):
        axes.add_patch(
            Rectangle(corner, factor * box.width, factor * box.height, fill=False, edgecolor=colour, linewidth=line)
        )


def _below(figure: Figure, left: int, top: int, width: int, title: str, values: str) -> None:
    """Two lines, the upper in bold, each as wide as the place has room for."""
    for line, (text, weight) in enumerate(((title, "bold"), (values, "normal"))):
        size = figure.get_size_inches() * DPI
        written = figure.text(
            left / size[0],
            1 - (top + 5 + 23 * line) / size[1],
            printable(text),
            fontsize=SMALL,
            fontweight=weight,
            color=INK,
            va="top",
        )
        shortened(written, width)
