"""The report's tables, each of which can be sorted by any column."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from superfine.evaluation.figures.choice import axis_label, measured
from superfine.evaluation.report.text import text
from superfine.evaluation.score import Evaluation, Score
from superfine.evaluation.table import Row, best, number, rows
from superfine.metrics import METRICS


@dataclass(frozen=True)
class Cell:
    """What a cell shows, as HTML, and what it is sorted by; nothing if it has no value."""

    shown: str
    value: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Column:
    """A heading; ``falling`` if the first click sorts from the greatest value; columns of one ``group`` stand under it."""

    title: str
    number: bool = True
    falling: bool = False
    group: str = ""


def means(evaluation: Evaluation) -> str:
    """The mean of each method on each set, with the difference to its counterpart below, and the published rows."""
    metrics = measured(evaluation)
    timed = any(score.seconds_per_megapixel is not None for score in evaluation.scores)
    columns = [Column("Method", number=False)]
    for set in evaluation.sets:
        columns += [Column(METRICS[m].label, falling=METRICS[m].higher_is_better, group=set) for m in metrics]
        columns += [Column("s/megapixel", group=set)] if timed else []
    table = rows(evaluation)
    top = {(set, metric): best(table, set, metric) for set in evaluation.sets for metric in metrics}
    lines = []
    for row, following in zip_longest(table, table[1:]):
        if row.kind == "difference":
            continue
        difference = following if following and following.kind == "difference" else None
        cells = [_name(row.name)]
        for set in evaluation.sets:
            cells += [_mean(row, difference, set, metric, row in top[set, metric]) for metric in metrics]
            cells += [_seconds(evaluation, row, set)] if timed else []
        lines.append((row.kind, cells))
    return _table(f"Means over the pictures, ×{evaluation.scores[0].scale}", columns, lines)


def pictures(evaluation: Evaluation, set: str) -> str:
    """For each metric a table of the pictures of a set, with a column for each method."""
    scores = [score for score in evaluation.scores if score.set == set]
    names = sorted({name for score in scores for name in (*score.pictures, *score.failed)})
    parts: list[str] = []
    for metric in dict.fromkeys(metric for score in scores for metric in score.metrics):
        falling = METRICS[metric].higher_is_better
        columns = [Column("Picture", number=False), *(Column(score.method, falling=falling) for score in scores)]
        lines = [("", [_name(name), *(_value(score, name, metric) for score in scores)]) for name in names]
        parts.append(
            f"<details{'' if parts else ' open'}><summary>{text(METRICS[metric].label)} of each picture</summary>"
            f"{_table(axis_label(metric), columns, lines)}</details>"
        )
    return "\n".join(parts)


def notes(evaluation: Evaluation) -> str:
    """What is to be known of single pictures; those that were not scored are marked."""
    lines = [
        ("", [_name(score.set), _name(score.method), _name(name), _state(score, name), _name(note)])
        for score in evaluation.scores
        for name, note in score.notes.items()
    ]
    if not lines:
        return "<p>None: every picture was scored.</p>"
    columns = [Column(title, number=False) for title in ("Set", "Method", "Picture", "State", "Note")]
    return _table("What to know of single pictures", columns, lines)


def _table(caption: str, columns: Sequence[Column], lines: Iterable[tuple[str, Sequence[Cell]]]) -> str:
    """``lines`` are rows with their class; the first cell of each is its heading."""
    head = ""
    for column in columns:
        kind = "number" if column.number else "text"
        first = ' data-first="descending"' if column.falling else ""
        button = f'<button type="button">{text(column.title)}</button>'
        head += f'<th scope="col" class="{kind}" data-kind="{kind}"{first}>{button}</th>'
    groups = ""
    for group, members in groupby(columns, key=lambda column: column.group):
        span = f'colspan="{len(list(members))}"'
        groups += f'<th class="set" scope="colgroup" {span}>{text(group)}</th>' if group else f"<td {span}></td>"
    above = f"<tr>{groups}</tr>" if any(column.group for column in columns) else ""
    body = []
    for kind, (heading, *cells) in lines:
        shown = f'<th scope="row" data-value="{text(heading.value)}">{heading.shown}</th>'
        for column, cell in zip(columns[1:], cells, strict=True):
            classes = f"{'number' if column.number else 'text'} {cell.kind}".strip()
            shown += f'<td class="{classes}" data-value="{text(cell.value)}">{cell.shown}</td>'
        body.append(f'<tr class="{kind}">{shown}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}"><table class="sortable">\n'
        f"<caption>{text(caption)}</caption>\n<thead>{above}<tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + "\n</tbody></table></div>"
    )


def _name(name: str) -> Cell:
    return Cell(text(name), name)


def _mean(row: Row, difference: Row | None, set: str, metric: str, top: bool) -> Cell:
    mean = row.cells.get(set, {}).get(metric, math.nan)
    shown = number(metric, mean)
    away = difference.cells.get(set, {}).get(metric) if difference else None
    if away is not None:
        shown += f"<small>{number(metric, away, signed=True)}</small>"
    if (set, metric) in row.missing:
        shown += '<small class="bad">{} of {}</small>'.format(*row.missing[set, metric])
    return Cell(shown, _sortable(mean), "best" if top else "")


def _seconds(evaluation: Evaluation, row: Row, set: str) -> Cell:
    for score in evaluation.scores:
        if (
            (score.method, score.set) == (row.name, set)
            and row.kind == "ours"
            and score.seconds_per_megapixel is not None
        ):
            seconds = score.seconds_per_megapixel
            return Cell(f"{seconds:.{2 if seconds >= 1 else 3}f}", repr(seconds))
    return Cell("–")


def _value(score: Score, name: str, metric: str) -> Cell:
    if name in score.failed:
        return Cell(f'<span class="bad" title="{text(score.notes.get(name, ""))}">failed</span>')
    value = score.pictures.get(name, {}).get(metric, math.nan)
    return Cell(number(metric, value), _sortable(value))


def _state(score: Score, name: str) -> Cell:
    if name in score.failed:
        return Cell('<span class="bad">not scored</span>', "not scored")
    return Cell("scored", "scored")


def _sortable(value: float) -> str:
    """As JavaScript reads numbers."""
    if math.isnan(value):
        return ""
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
