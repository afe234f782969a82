"""The charts: perception against distortion, scores of single pictures, quality against time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from superfine.evaluation.figures.choice import FIDELITY, PERCEPTUAL, axis_label, curves, first_of, measured, shown_mean
from superfine.evaluation.figures.style import INK, SMALL, WIDTH, Look, looks, new_figure, shortened, styled
from superfine.evaluation.score import Evaluation, Score
from superfine.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

PER_ROW = 3
"""Charts in a row, one for each set."""

NAMES = 1.5  # inches that a method's name may take


def plane_metrics(evaluation: Evaluation) -> tuple[str, str] | None:
    """The two axes of the perception–distortion plane: a fidelity metric and a perceptual one, if both were measured."""
    metrics = measured(evaluation)
    fidelity, perceptual = first_of(metrics, FIDELITY), first_of(metrics, PERCEPTUAL)
    return (fidelity, perceptual) if fidelity and perceptual else None


@styled
def plane(evaluation: Evaluation) -> Figure:
    """The perception–distortion plane (Blau and Michaeli 2018): a chart for each set, a point for each method's mean.

    The positions of a dial are joined by a line, and its ends are named. The horizontal axis is the fidelity metric
    rather than their RMSE, the vertical one the perceptual metric, both pointing as printed on them.

    Raises
    ------
    ValueError
        A fidelity or a perceptual metric is missing, see :func:`plane_metrics`.
    """
    metrics = plane_metrics(evaluation)
    if metrics is None:
        raise ValueError("the plane needs a fidelity and a perceptual metric")
    fidelity, perceptual = metrics
    points = {
        (score.set, score.method): (shown_mean(score, fidelity), shown_mean(score, perceptual))
        for score in evaluation.scores
    }
    joined = curves(evaluation.methods)
    appearance = looks(evaluation.methods)
    drawn = _with_points(evaluation, points)
    figure, charts = _charts(drawn, evaluation.sets)
    for chart, (set, axes) in enumerate(charts.items()):
        for name, positions in joined.items():
            places = [points[set, m] for _, m in positions if _finite(points.get((set, m)))]
            colour = appearance[positions[0][1]].colour
            axes.plot(*zip(*places, strict=True), color=colour, zorder=1, label=f"_{name}")
        _points(axes, set, points, drawn, appearance)
        axes.set_xlabel(axis_label(fidelity))
        if chart % PER_ROW == 0:
            axes.set_ylabel(axis_label(perceptual))
        axes.margins(0.12)
    _legend(figure, drawn, joined, appearance, lines=True)
    _titles(figure, charts)
    _name_positions(figure, charts, joined, points)
    return figure


def speed_metric(evaluation: Evaluation) -> str | None:
    """The metric of quality against time, if anything was timed."""
    timed = any(score.seconds_per_megapixel for score in evaluation.scores)
    return first_of(measured(evaluation), (*FIDELITY, *PERCEPTUAL, *measured(evaluation))) if timed else None


@styled
def speed(evaluation: Evaluation) -> Figure:
    """Quality against seconds per megapixel of output, on this machine: a chart for each set, time on a logarithmic axis.

    Ready-made pictures were not timed here, and are left out.

    Raises
    ------
    ValueError
        Nothing was timed.
    """
    metric = speed_metric(evaluation)
    if metric is None:
        raise ValueError("nothing was timed")
    points = {
        (score.set, score.method): (score.seconds_per_megapixel or math.nan, shown_mean(score, metric))
        for score in evaluation.scores
    }
    drawn = _with_points(evaluation, points)
    joined = curves(evaluation.methods)
    appearance = looks(evaluation.methods)
    figure, charts = _charts(drawn, evaluation.sets)
    for chart, (set, axes) in enumerate(charts.items()):
        axes.set_xscale("log")
        _points(axes, set, points, drawn, appearance)
        axes.set_xlabel("seconds per megapixel of output")
        if chart % PER_ROW == 0:
            axes.set_ylabel(axis_label(metric))
        axes.margins(0.12)
        _plain_decades(axes)
    _legend(figure, drawn, joined, appearance, lines=False)
    _titles(figure, charts)
    _name_positions(figure, charts, joined, points)
    return figure


@styled
def distribution(evaluation: Evaluation, metric: str) -> Figure:
    """The scores of single pictures: a chart for each set; for each method every picture as a point, a box from the lower to
    the upper quartile with the median, and the mean as a diamond.

    Infinite values (identical pictures) are left out, as they are of the mean.

    Raises
    ------
    ValueError
        A metric that was not measured.
    """
    if metric not in measured(evaluation):
        raise ValueError(f"{metric!r} was not measured")
    methods = [m for m in evaluation.methods if any(_values(s, metric) for s in evaluation.scores if s.method == m)]
    sets = [set for set in evaluation.sets if any(_values(s, metric) for s in evaluation.scores if s.set == set)]
    appearance = looks(evaluation.methods)
    columns = min(PER_ROW, max(1, len(sets)))
    rows = math.ceil(max(1, len(sets)) / columns)
    figure = new_figure(WIDTH, rows * (0.24 * max(2, len(methods)) + 0.75))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(sets) :]:
        axes.set_visible(False)
    for axes, set in zip(grid.flat, sets, strict=False):
        for place, method in enumerate(methods):
            values = [v for s in evaluation.scores if (s.set, s.method) == (set, method) for v in _values(s, metric)]
            if values:
                _strip(axes, place, values, appearance[method], method)
        axes.set_xlabel(axis_label(metric))
        axes.set_yticks(range(len(methods)), [printable(method) for method in methods])
        axes.set_ylim(len(methods) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
    ticks = grid[0, 0].get_yticklabels()
    for tick in ticks:
        shortened(tick, NAMES * figure.dpi)
    names = [tick.get_text() for tick in ticks]
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(methods)), names)
    figure.set_layout_engine("constrained")
    _titles(figure, dict(zip(sets, grid.flat, strict=False)))
    return figure


def has_values(evaluation: Evaluation, metric: str) -> bool:
    """Whether there is a finite value to draw."""
    return any(_values(score, metric) for score in evaluation.scores)


def _values(score: Score, metric: str) -> list[float]:
    values = (picture.get(metric, math.nan) for picture in score.pictures.values())
    return [value for value in values if math.isfinite(value)]


def _strip(axes: Axes, place: int, values: Sequence[float], look: Look, method: str) -> None:
    # Spread by the golden ratio: evenly, never two neighbours at one height, and the same every time.
    heights = place + 0.42 * ((np.arange(1, len(values) + 1) * 0.6180339887) % 1 - 0.5)
    axes.scatter(values, heights, s=7, color=look.colour, alpha=0.55, linewidths=0, label=method, zorder=2)
    low, middle, high = np.percentile(values, (25, 50, 75))
    axes.plot(
        [low, high, high, low, low], place + 0.3 * np.array([-1, -1, 1, 1, -1]), color=INK, linewidth=0.7, zorder=3
    )
    axes.plot([middle, middle], [place - 0.3, place + 0.3], color=INK, linewidth=1.2, zorder=3)
    mean = math.fsum(values) / len(values)
    axes.plot(mean, place, "D", markersize=4, color="white", markeredgecolor=INK, markeredgewidth=0.9, zorder=4)


def _finite(point: tuple[float, float] | None) -> bool:
    return point is not None and all(math.isfinite(value) for value in point)


def _with_points(evaluation: Evaluation, points: dict[tuple[str, str], tuple[float, float]]) -> list[str]:
    """The methods that have a point in any chart."""
    return [m for m in evaluation.methods if any(_finite(points.get((set, m))) for set in evaluation.sets)]


def _charts(methods: Sequence[str], sets: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    columns = min(PER_ROW, len(sets))
    rows = math.ceil(len(sets) / columns)
    lines = math.ceil(len(methods) / PER_ROW)
    width = WIDTH if columns > 1 else WIDTH / 2
    figure = new_figure(width, 2.3 * rows + 0.16 * (lines if columns > 1 else len(methods)) + 0.1)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(sets) :]:
        axes.set_visible(False)
    return figure, dict(zip(sets, grid.flat, strict=False))


def _titles(figure: Figure, charts: dict[str, Axes]) -> None:
    """Write each set's name above its chart, as far as the chart is wide; when all else of the figure is there."""
    titles = {set: axes.set_title(" ", fontweight="bold", loc="left") for set, axes in charts.items()}
    figure.draw_without_rendering()  # which finds how wide the charts are, below a line for the titles
    for set, title in titles.items():
        title.set_text(printable(set))
        shortened(title, charts[set].get_window_extent().width)


def _points(
    axes: Axes,
    set: str,
    points: dict[tuple[str, str], tuple[float, float]],
    methods: Sequence[str],
    appearance: dict[str, Look],
) -> None:
    for method in methods:
        point = points.get((set, method))
        if point is not None and _finite(point):
            look = appearance[method]
            axes.plot(*point, look.marker, color=look.colour, markersize=5, linestyle="none", label=method, zorder=3)


def _name_positions(
    figure: Figure,
    charts: dict[str, Axes],
    joined: dict[str, list[tuple[float, str]]],
    points: dict[tuple[str, str], tuple[float, float]],
) -> None:
    """Write each position of a dial beside its point, first the ends, then those between that overlap none."""
    figure.draw_without_rendering()
    for set, axes in charts.items():
        written: list[Bbox] = []
        for positions in joined.values():
            there = [(value, points[set, m]) for value, m in positions if _finite(points.get((set, m)))]
            for value, point in [*there[:1], *there[:0:-1]]:
                text = axes.annotate(
                    f"{value:g}",
                    point,
                    (4, -3),
                    textcoords="offset points",
                    va="top",
                    fontsize=SMALL,
                    color=INK,
                    zorder=4,
                )
                place = text.get_window_extent()
                if any(place.overlaps(other) for other in written):
                    text.remove()
                else:
                    written.append(place)


def _plain_decades(axes: Axes) -> None:
    """0.01, 0.1, 1 rather than powers of ten; and numbers between where less than a decade is shown."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    few = math.log10(high / low) < 1.7
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(
    figure: Figure,
    methods: Sequence[str],
    joined: dict[str, list[tuple[float, str]]],
    appearance: dict[str, Look],
    *,
    lines: bool,
) -> None:
    """One legend below all charts; the positions of a dial share an entry, with the line that joins them, if any."""
    from matplotlib.lines import Line2D

    entries: dict[str, Line2D] = {}
    for method in methods:
        owner = next((name for name, points in joined.items() if method in [m for _, m in points]), None)
        look = appearance[method]
        entries[f"{owner} (dial)" if owner else method] = Line2D(
            [], [], marker=look.marker, color=look.colour, linestyle="-" if owner and lines else "none", markersize=5
        )
    columns = PER_ROW if figure.get_size_inches()[0] > WIDTH / 2 else 1
    legend = figure.legend(
        list(entries.values()),
        [printable(name) for name in entries],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
    )
    for text in legend.get_texts():
        shortened(text, NAMES * figure.dpi)
