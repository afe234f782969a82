"""How all figures look: size, letters, colours that the colour-blind can tell apart, and the files they become."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from superfine.errors import UserError
from superfine.evaluation.figures.choice import curves, dial
from superfine.evaluation.methods import INTERPOLATIONS
from superfine.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

P = ParamSpec("P")

DPI = 200
WIDTH = 7.0
"""Inches: the width of a page's text, or of two columns. Letters are as they are printed there."""

LETTERS = 8
SMALL = 7
"""Points; nothing is smaller."""

# Okabe and Ito 2008, "Color Universal Design", without yellow, which is faint on white paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
GREYS = {"nearest": "#a6a6a6", "bilinear": "#858585", "bicubic": "#636363"}
INK = "#222222"
SUFFIXES = (".png", ".pdf")
RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": LETTERS,
    "axes.titlesize": LETTERS,
    "axes.labelsize": LETTERS,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # letters stay letters
    "text.parse_math": False,  # a name may hold dollars
}


@dataclass(frozen=True)
class Look:
    """How a method is drawn in every figure."""

    colour: str
    marker: str


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """A look for each method: interpolations in greys, all positions of one dial in one colour, markers of their own."""
    names = {method: point[0] if (point := dial(method)) else method for method in methods}
    joined = set(curves(methods))
    groups = dict.fromkeys(
        names[method] if names[method] in joined else method for method in methods if method not in GREYS
    )
    places = {group: place for place, group in enumerate(groups)}
    found = {}
    for method in methods:
        if method in GREYS:
            found[method] = Look(GREYS[method], MARKERS[INTERPOLATIONS.index(method)])
        else:
            place = places[names[method] if names[method] in joined else method]
            found[method] = Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
    return found


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that makes a figure, in this style.

    Raises
    ------
    UserError
        matplotlib is missing.
    """

    @wraps(draw)
    def in_style(*arguments: P.args, **options: P.kwargs) -> Figure:
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            raise UserError("figures need matplotlib; install it with: pip install 'superfine[plots]'") from None
        with _style():
            return draw(*arguments, **options)

    return in_style


@contextmanager
def _style() -> Iterator[None]:
    from matplotlib import rc_context

    with rc_context(RC), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; a name of them is still told by its place and look.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; made without pyplot, which would keep it for the rest of the program."""
    from matplotlib.figure import Figure as New

    return New(figsize=(width, height), dpi=DPI)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``path`` with each of ``SUFFIXES``, the PNG at ``DPI``; whole or not at all.

    Raises
    ------
    UserError
        A file cannot be written.
    """
    written = []
    # Nothing that differs from run to run.
    metadata = {".png": {"Software": None}, ".pdf": {"CreationDate": None, "Producer": None}}
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(file) as part, _style():
                figure.savefig(part, format=suffix[1:], dpi=DPI, metadata=metadata[suffix])
        except OSError as error:
            raise UserError(f"{file}: cannot be written: {error.strerror}; check the folder and the space") from None
        written.append(file)
    return written


def shortened(text: Text, width: float) -> None:
    """Replace the middle of a drawn text by ``…`` until it is at most ``width`` pixels wide: ends tell names apart."""
    whole = text.get_text()
    if len(whole) < 2 or text.get_window_extent().width <= width:
        return

    def cut(kept: int) -> str:
        return f"{whole[: (kept + 1) // 2]}…{whole[len(whole) - kept // 2 :]}"

    # The most that fits lies from ``least`` to ``most``; to measure each length would take seconds for long names.
    least, most = 1, len(whole) - 1
    while least < most:
        middle = (least + most + 1) // 2
        text.set_text(cut(middle))
        least, most = (middle, most) if text.get_window_extent().width <= width else (least, middle - 1)
    text.set_text(cut(least))
