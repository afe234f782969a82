"""PI, the perceptual index: of an evaluation's NIQE, and of the scores of Ma et al., which are computed elsewhere."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from superfine.errors import UserError
from superfine.evaluation.score import Evaluation, Score
from superfine.metrics import perceptual_index

COLUMNS = ("set", "method", "picture", "ma")


@dataclass(frozen=True)
class Ma:
    """The scores of Ma et al. 2017, 0 to 10, by set, method and picture, as an evaluation calls them; and where they stand."""

    file: Path
    scores: Mapping[tuple[str, str, str], float]


def read_ma(file: Path) -> Ma:
    """Read a CSV file with a line of headings and the columns ``set``, ``method``, ``picture`` and ``ma``.

    Raises
    ------
    UserError
        The file cannot be read; a column is missing; a score is no number of 0 to 10; one is given twice.
    """
    found: dict[tuple[str, str, str], float] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened)
            if not set(COLUMNS) <= set(table.fieldnames or ()):
                raise UserError(f"{file}: lacks one of the columns {', '.join(COLUMNS)}; name them in its first line")
            for row in table:
                where = f"{file}: line {table.line_num}"
                try:
                    ma = float(row["ma"])
                except (TypeError, ValueError):
                    ma = math.nan
                if not 0 <= ma <= 10:
                    raise UserError(f"{where}: {row['ma']!r} is no score of 0 to 10; correct it")
                place = row["set"], row["method"], row["picture"]
                if place in found:
                    raise UserError(f"{where}: another score of {_called(place)}; leave one of them there")
                found[place] = ma
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}; check the file and its permissions") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: is no CSV file in UTF-8 ({error}); write it anew") from None
    return Ma(file, found)


def with_pi(evaluation: Evaluation, ma: Ma) -> Evaluation:
    """The evaluation with the metric ``pi`` of every picture that was scored, see :func:`superfine.metrics.perceptual_index`.

    A picture without a score in ``ma`` is noted, and left out of the means as any other that cannot be scored.

    Raises
    ------
    ValueError
        NIQE was not measured.
    """
    scores = tuple(_with_pi(score, ma.scores) for score in evaluation.scores)
    return replace(evaluation, scores=scores, weights=evaluation.weights | {"pi": str(ma.file)})


def unused(evaluation: Evaluation, ma: Ma) -> list[str]:
    """The lines of ``ma`` that are of no picture of the evaluation, such as ``baby in Set5 by compact``: perhaps misspelt."""
    known = {
        (score.set, score.method, name) for score in evaluation.scores for name in (*score.pictures, *score.failed)
    }
    return [_called(place) for place in ma.scores if place not in known]


def _with_pi(score: Score, ma: Mapping[tuple[str, str, str], float]) -> Score:
    if "niqe" not in score.metrics:
        raise ValueError("PI is made of NIQE, which was not measured")
    pictures = {}
    notes, failed = dict(score.notes), list(score.failed)
    for name, values in score.pictures.items():
        place = score.set, score.method, name
        if place in ma:
            pictures[name] = values | {"pi": perceptual_index(ma[place], values["niqe"])}
        else:
            notes[name] = "no score of Ma's; add a line with it, or leave the method out"
            failed.append(name)
    return replace(score, metrics=(*score.metrics, "pi"), pictures=pictures, notes=notes, failed=tuple(failed))


def _called(place: tuple[str, str, str]) -> str:
    set, method, picture = place
    return f"{picture} in {set} by {method}"
