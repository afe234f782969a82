"""Scores as a table, beside what papers print: Markdown, LaTeX, CSV and JSON, each with its protocol line."""

import csv as csv_module
import io
import json as json_module
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from superfine.evaluation.published import FLAGS, PICTURES, PUBLISHED, Published, counterpart, published_set
from superfine.evaluation.score import Evaluation, Score
from superfine.metrics import METRICS, PROTOCOLS
from superfine.text import one_line

Cells = Mapping[str, Mapping[str, float]]
"""By set, then by metric."""


@dataclass(frozen=True)
class Row:
    """A line of the table: ours, the difference to its published counterpart, or a published one.

    ``missing`` has, of each set and metric whose mean is not of all pictures, of how many of how many it is. ``flag`` is that
    of :class:`superfine.evaluation.published.Published`, which the name ends in.
    """

    kind: Literal["ours", "difference", "published"]
    name: str
    cells: Cells
    missing: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    flag: str = ""


def rows(evaluation: Evaluation) -> list[Row]:
    """Our methods in their order, each followed by its difference to its counterpart, then the published rows."""
    table = []
    for method in evaluation.methods:
        scores = [score for score in evaluation.scores if score.method == method]
        table.append(_ours(method, scores))
        row = _counterpart(evaluation, method)
        if row and (cells := _differences(evaluation, scores, row)):
            table.append(Row("difference", f"difference to {row.label}", cells))
    return table + [Row("published", row.label, cells, flag=row.flag) for row, cells in _published(evaluation)]


def markdown(evaluation: Evaluation) -> str:
    """A table with one column for each set, in which the metrics stand as ``31.06 / .8801``; its protocol and notes below."""
    metrics = _metrics(evaluation)
    sets = evaluation.sets
    lines = [
        f"| {' / '.join(METRICS[name].label for name in metrics)} | " + " | ".join(map(_cell, sets)) + " |",
        "|---|" + "---:|" * len(sets),
    ]
    for row in rows(evaluation):
        name = _cell(row.name)
        if row.kind == "difference":
            name = f"*{name}*"
        elif row.kind == "published" and row.flag != "M":
            name = f"published: {name}"
        cells = [_joined(row, set, metrics) for set in sets]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    paragraphs = ["\n".join(lines), _marked(one_line(protocol_line(evaluation)))]
    if where := sources(evaluation):
        paragraphs.append(where)
    if remarks := notes(evaluation):
        paragraphs.append("\n".join(f"- {_marked(remark)}" for remark in remarks))
    return "\n\n".join(paragraphs) + "\n"


def latex(evaluation: Evaluation) -> str:
    """A ``table`` for the package booktabs, with one column for each set and metric; the best of ours is bold."""
    metrics, sets = _metrics(evaluation), evaluation.sets
    columns = [(set, metric) for set in sets for metric in metrics]
    table = rows(evaluation)
    top = {(set, metric): best(table, set, metric) for set, metric in columns}
    heads = [rf"\multicolumn{{{len(metrics)}}}{{c}}{{{_tex(set)}}}" for set in sets]
    spans = [(2 + i * len(metrics), 1 + (i + 1) * len(metrics)) for i in range(len(sets))]
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_tex(protocol_line(evaluation))}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"    \toprule",
        rf"    & {' & '.join(heads)} \\",
        "    " + " ".join(rf"\cmidrule(lr){{{first}-{last}}}" for first, last in spans),
        rf"    & {' & '.join(_tex(METRICS[metric].label) for _, metric in columns)} \\",
        r"    \midrule",
    ]
    for i, row in enumerate(table):
        if row.kind == "published" and i and table[i - 1].kind != "published":
            lines.append(r"    \midrule")
        cells = []
        for set, metric in columns:
            text = _tex(number(metric, row.cells.get(set, {}).get(metric, math.nan), signed=row.kind == "difference"))
            cells.append((rf"\textbf{{{text}}}" if row in top[set, metric] else text) + _count(row, set, metric))
        name = rf"\emph{{{_tex(row.name)}}}" if row.kind == "difference" else _tex(row.name)
        lines.append(rf"    {name} & {' & '.join(cells)} \\")
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    remarks = [text for text in (sources(evaluation), *notes(evaluation)) if text]
    lines += [rf"  \par\smallskip\footnotesize {_tex(remark)}" for remark in remarks]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def records(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One entry for each mean, ours and published, with the columns of :func:`csv`."""
    found: list[dict[str, Any]] = []
    for score in evaluation.scores:
        row = _counterpart(evaluation, score.method) if _comparable(score) else None
        for metric in score.metrics:
            mean = score.mean(metric)
            printed = _printed(evaluation, row, score.set).get(metric) if row else None
            found.append(
                {
                    "method": score.method,
                    "kind": "ours",
                    "set": score.set,
                    "scale": score.scale,
                    "protocol": score.protocol,
                    "metric": metric,
                    "mean": round(mean, 6) if math.isfinite(mean) else None,
                    "pictures": score.counted(metric)[0],
                    "failed": len(score.failed),
                    "counterpart": row.label if row and printed is not None else None,
                    "difference": _difference(score, metric, printed),
                    "source": None,
                }
            )
    for row, cells in _published(evaluation):
        for set, values in cells.items():
            count = PICTURES[published_set(set)]
            for metric, value in values.items():
                about = {"method": row.label, "kind": "published", "set": set, "scale": row.scale}
                about |= {"protocol": row.protocol, "metric": metric, "mean": value, "pictures": count}
                found.append(about | {"failed": None, "counterpart": None, "difference": None, "source": row.source})
    return found


def csv(evaluation: Evaluation) -> str:
    """The :func:`records`, one on a line, under a line with their names; the protocol line stands with each of our own."""
    line = protocol_line(evaluation)
    entries = [entry | {"protocol_line": line if entry["kind"] == "ours" else None} for entry in records(evaluation)]
    text = io.StringIO()
    writer = csv_module.DictWriter(text, list(entries[0]) if entries else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    return text.getvalue()


def json(evaluation: Evaluation) -> str:
    """The :func:`records` with the protocol line and the notes."""
    data = {"protocol": protocol_line(evaluation), "rows": records(evaluation), "notes": notes(evaluation)}
    return json_module.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS = {"md": markdown, "tex": latex, "csv": csv, "json": json}
"""How a table is written, by the suffix of its file."""


def notes(evaluation: Evaluation) -> list[str]:
    """What is to be known of single pictures, in one line for each reason: the set, the pictures, the methods."""
    methods: dict[tuple[str, str, str, bool], list[str]] = {}
    for score in evaluation.scores:
        for name, reason in score.notes.items():
            methods.setdefault((score.set, name, reason, name in score.failed), []).append(score.method)
    pictures: dict[tuple[str, str, bool, tuple[str, ...]], list[str]] = {}
    for (set, name, reason, failed), found in methods.items():
        pictures.setdefault((set, reason, failed, tuple(found)), []).append(name)
    lines = []
    for (set, reason, failed, who), names in pictures.items():
        whose = "all methods" if who == evaluation.methods else ", ".join(who)
        lines.append(one_line(f"{set} {', '.join(names)} ({whose}){' not scored' if failed else ''}: {reason}"))
    return lines


def protocol_line(evaluation: Evaluation) -> str:
    """The protocol of the numbers, in one sentence; in several where scores were put together from several evaluations."""
    weights = {metric: Path(file) for metric, file in evaluation.weights.items()}
    kinds = dict.fromkeys((score.protocol, score.metrics, score.scale) for score in evaluation.scores)
    return " ".join(PROTOCOLS[name].line(metrics, scale=scale, weights=weights) for name, metrics, scale in kinds)


def sources(evaluation: Evaluation) -> str:
    """Where the published rows are from, and what their flags mean."""
    found = [row for row, _ in _published(evaluation)]
    if not found:
        return ""
    origins: dict[str, list[str]] = {}
    for row in found:
        origins.setdefault(row.source, []).append(row.label)
    parts = [f"{', '.join(labels)}: {source}" for source, labels in origins.items()]
    flags = [f"({flag}) {meaning}" for flag, meaning in FLAGS.items() if any(row.flag == flag for row in found)]
    return "Published: " + "; ".join(parts + flags) + "."


def number(metric: str, value: float, *, signed: bool = False) -> str:
    """A value as tables print it: 28.42 dB as ``28.42``, an SSIM as ``.8102``, nothing as a dash."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    about = METRICS[metric]
    text = f"{abs(value):.{about.decimals}f}"
    if not about.unit and text.startswith("0."):
        text = text[1:]
    minus = "−" if value < 0 and float(text) != 0 else ""
    return (minus or ("+" if signed else "")) + text


def _ours(method: str, scores: Sequence[Score]) -> Row:
    cells = {score.set: {metric: score.mean(metric) for metric in score.metrics} for score in scores}
    missing = {
        (score.set, metric): score.counted(metric)
        for score in scores
        for metric in score.metrics
        if not score.whole(metric)
    }
    return Row("ours", method, cells, missing)


def _counterpart(evaluation: Evaluation, method: str) -> Published | None:
    score = next(score for score in evaluation.scores if score.method == method)
    return counterpart(evaluation.recipes.get(method, ""), score.protocol, score.scale)


def _comparable(score: Score) -> bool:
    """Whether this is the set that papers mean: by its name and the number of its pictures, all of them scored."""
    return not score.failed and len(score.pictures) == PICTURES.get(published_set(score.set))


def _printed(evaluation: Evaluation, row: Published, set: str) -> Mapping[str, float]:
    """The published values that ours may be compared with: PI only where NIQE's model was given, as ours is not the papers'."""
    values = row.values.get(published_set(set), {})
    return values if "niqe" in evaluation.weights else {m: value for m, value in values.items() if m != "pi"}


def _differences(evaluation: Evaluation, scores: Sequence[Score], row: Published) -> Cells:
    cells: dict[str, dict[str, float]] = {}
    for score in filter(_comparable, scores):
        printed = _printed(evaluation, row, score.set)
        found = {m: _difference(score, m, printed.get(m)) for m in score.metrics}
        if kept := {metric: value for metric, value in found.items() if value is not None}:
            cells[score.set] = kept
    return cells


def _difference(score: Score, metric: str, printed: float | None) -> float | None:
    """Ours, of all pictures, less what is printed, to the digits that are printed."""
    mean = score.mean(metric)
    if printed is None or not math.isfinite(mean) or not score.whole(metric):
        return None
    decimals = METRICS[metric].decimals
    return round(round(mean, decimals) - printed, decimals)


def _published(evaluation: Evaluation) -> Iterator[tuple[Published, Cells]]:
    """The rows under the evaluation's protocol that have a value for one of its sets and metrics, and these values."""
    first = evaluation.scores[0]
    sets = [set for set in evaluation.sets if any(map(_comparable, (s for s in evaluation.scores if s.set == set)))]
    for row in PUBLISHED:
        if (row.protocol, row.scale) != (first.protocol, first.scale):
            continue
        printed = {set: row.values.get(published_set(set), {}) for set in sets}
        cells = {
            set: kept
            for set, values in printed.items()
            if (kept := {metric: values[metric] for metric in first.metrics if metric in values})
        }
        if cells:
            yield row, cells


def best(table: Sequence[Row], set: str, metric: str) -> list[Row]:
    """Those of our rows with the best number as printed, where there are several to choose from.

    A mean of which pictures are missing is that of other pictures, and is not compared.
    """
    ours = [row for row in table if row.kind == "ours" and (set, metric) not in row.missing]
    known = [row for row in ours if not math.isnan(row.cells.get(set, {}).get(metric, math.nan))]
    if len(known) < 2:
        return []
    choose = max if METRICS[metric].higher_is_better else min
    top = number(metric, choose(row.cells[set][metric] for row in known))
    return [row for row in known if number(metric, row.cells[set][metric]) == top]


def _metrics(evaluation: Evaluation) -> tuple[str, ...]:
    return evaluation.scores[0].metrics


def _joined(row: Row, set: str, metrics: Sequence[str]) -> str:
    values = row.cells.get(set, {})
    texts = [number(metric, values.get(metric, math.nan), signed=row.kind == "difference") for metric in metrics]
    text = "–" if all(text == "–" for text in texts) else " / ".join(texts)
    counts = [_count(row, set, metric) for metric in metrics]
    if len({*counts}) == 1:
        return text + counts[0]
    return " / ".join(text + count for text, count in zip(texts, counts, strict=True))


def _count(row: Row, set: str, metric: str) -> str:
    """Such as `` (4 of 5)``; nothing where no picture is missing."""
    return " ({} of {})".format(*row.missing[set, metric]) if (set, metric) in row.missing else ""


def _cell(text: str) -> str:
    return _marked(one_line(text)).replace("|", "\\|")


_MARKS = re.compile(r"[\\`*~<]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[])|&(?=#?\w+;)")


def _marked(text: str) -> str:
    """With a backslash before what Markdown would read as a mark, a link or HTML; ``_`` inside a word is none."""
    return _MARKS.sub(r"\\\g<0>", text)


_TEX = {
    "\\": r"\textbackslash{}",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "σ": r"$\sigma$",
    "½": r"$\frac12$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row it would begin an option
    "*": "{*}",  # and this be eaten
} | {c: f"\\{c}" for c in "&%$#_{}"}


def _tex(text: str) -> str:
    # TeX makes a dash of two hyphens, unless something stands between.
    return re.sub(
        "-(?=-)|[^-]", lambda found: "-{}" if found[0] == "-" else _TEX.get(found[0], found[0]), one_line(text)
    )
