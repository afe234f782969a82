"""All figures that an evaluation's data allow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from superfine.errors import UserError
from superfine.evaluation.figures import charts
from superfine.evaluation.figures.choice import axis_label, measured, telling_pictures
from superfine.evaluation.figures.crops import Box
from superfine.evaluation.figures.sheet import comparison_sheet, shown_methods
from superfine.evaluation.figures.style import SUFFIXES, save
from superfine.evaluation.score import Evaluation
from superfine.files import folder_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHEETS = 3
"""Comparison sheets of each set, of the pictures on which the methods' scores differ most."""

FOLDER = "figures"

OURS = re.compile(r"sheet-.*|perception-distortion|quality-speed|distribution-.*", re.DOTALL)
"""How figures are called, without the suffix."""

LONGEST = 240  # bytes of a file's name, without its suffix: file systems end at 255
SHORTENED = 50  # characters, of up to four bytes each


@dataclass(frozen=True)
class Planned:
    """A figure that can be drawn: its file's name without suffix, what it is called and says, and the function."""

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def planned(evaluation: Evaluation, crops: Mapping[tuple[str, str], Box] | None = None) -> list[Planned]:
    """The figures that the data allow; nothing is drawn yet.

    Parameters
    ----------
    crops
        By set and picture: sheets of these, with these crops, in place of the ones that would be chosen.
    """
    sheets: dict[tuple[str, str], Box | None] = dict(crops or {})
    if not crops:
        for set in evaluation.sets:
            for name in telling_pictures(evaluation, set, SHEETS):
                if shown_methods(evaluation, set, name) and evaluation.picture(set, "HR", name).is_file():
                    sheets[set, name] = None
    names = _sheet_names(sheets)
    figures = [_sheet(evaluation, set, name, crop, names[set, name]) for (set, name), crop in sheets.items()]
    if metrics := charts.plane_metrics(evaluation):
        figures.append(
            Planned(
                "perception-distortion",
                "Perception and distortion",
                f"{axis_label(metrics[0])}; {axis_label(metrics[1])}. Means over the pictures; the positions of a model's dial "
                "are joined by a line.",
                partial(charts.plane, evaluation),
            )
        )
    if metric := charts.speed_metric(evaluation):
        figures.append(
            Planned(
                "quality-speed",
                "Quality and time",
                f"{axis_label(metric)}; seconds for a megapixel of output, measured on this machine, without reading and "
                "writing. Ready-made pictures are left out.",
                partial(charts.speed, evaluation),
            )
        )
    figures += [
        Planned(
            f"distribution-{metric}",
            f"Scores of single pictures, {axis_label(metric).split(',')[0]}",
            "A point is a picture; the box reaches from the lower to the upper quartile, its line is the median, the diamond "
            "the mean. Infinite values are left out.",
            partial(charts.distribution, evaluation, metric),
        )
        for metric in measured(evaluation)
        if charts.has_values(evaluation, metric)
    ]
    return figures


def draw_all(
    evaluation: Evaluation,
    out: Path,
    *,
    crops: Mapping[tuple[str, str], Box] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Draw what the data allow into ``out/figures``, each figure as PNG and PDF, and return their files.

    One that cannot be drawn does not hinder the others; the first one's error is raised at the end. Figures that are there
    already go first: whatever happens, none is left of another evaluation.

    Parameters
    ----------
    crops
        As for :func:`planned`.
    progress
        Called with the figures drawn, and all.

    Raises
    ------
    UserError
        matplotlib is missing; a picture is damaged, a crop beyond it; a file cannot be written.
    """
    figures = planned(evaluation, crops)
    folder = Path(out) / FOLDER
    for file in folder.glob("*"):
        if file.suffix in SUFFIXES and OURS.fullmatch(file.stem):
            with suppress(OSError):  # which drawing tells of
                file.unlink()
    written, errors = [], []
    for done, figure in enumerate(figures):
        progress(done, len(figures))
        try:
            written += save(figure.draw(), folder / figure.name)
        except UserError as error:
            errors.append(error)
    progress(len(figures), len(figures))
    if errors:
        raise errors[0]
    return written


def _sheet_names(pictures: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What the sheets of pictures, by set and name, are called: each otherwise, also on a disk that knows no case.

    A name that is too long, or that several would have, is cut and ends in a hash.
    """
    names = {(set, name): f"sheet-{folder_name(set)}-{folder_name(name)}" for set, name in pictures}
    count = Counter(called.casefold() for called in names.values())
    for (set, name), called in names.items():
        if count[called.casefold()] > 1 or len(called.encode("utf-8", "surrogateescape")) > LONGEST:
            digest = sha256(f"{set}/{name}".encode("utf-8", "surrogateescape")).hexdigest()
            names[set, name] = f"{called[:SHORTENED]}-{digest[:8]}"
    return names


def _sheet(evaluation: Evaluation, set: str, name: str, crop: Box | None, called: str) -> Planned:
    return Planned(
        called,
        f"{set}: {name}",
        "The framed part, from the original and from each method, its pixels repeated; below it the values of the whole "
        f"picture. The crop was {'given' if crop else 'chosen where the methods differ most'}.",
        partial(comparison_sheet, evaluation, set, name, crop=crop),
    )
