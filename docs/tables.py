"""The tables of the documentation: put what `superfine evaluate` measured into them.

    superfine evaluate rrdb-x4 rrdb-x4:0.5 rrdb-x4:texture --sets Set5 Set14 BSD100 > table.md
    python docs/tables.py table.md README.md docs/*.md docs/methods/*.md

A table is known by its head: the metrics in the first cell and a set in each of the others (`| PSNR-Y / SSIM-Y | Set5 |`), or
metrics in the others, and the set in bold before the first of its rows (`| **Set5**: bicubic |`). A row is known by the
method in its first cell, called as `superfine evaluate` calls it; what follows a comma is a remark. All else stays as it is.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from superfine.metrics import METRICS

BY_LABEL = {about.label: name for name, about in METRICS.items()}

Values = Mapping[tuple[str, str, str], str]
"""By method, set and metric, as they are printed."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table: where it is, what it is of, and what it says, such as ``28.42 / .8102``."""

    line: int
    column: int
    method: str
    set: str
    metrics: tuple[str, ...]
    text: str


def cells(markdown: str) -> Iterator[Cell]:
    """Every cell with means of a method on a set, from top to bottom."""
    head: list[str] = []
    block = ""  # the set of the rows, where their head has none
    for i, line in enumerate(markdown.splitlines()):
        if not line.startswith("|"):
            head, block = [], ""
            continue
        columns = _columns(line)
        if not head:
            head = columns
        if columns is head or set("".join(columns)) <= set("-:"):
            continue
        if bold := re.match(r"\*\*(\S+)\*\*: ", columns[0]):
            block = bold[1]
        method = columns[0].removeprefix(bold[0] if bold else "").split(", ")[0].strip("`")
        common = _metrics(head[0])
        for j, (title, text) in enumerate(zip(head, columns, strict=True)):
            where, metrics = (title, common) if common else (block, _metrics(title))
            if j and where and metrics:
                yield Cell(i, j, method, where, metrics, text)


def filled(markdown: str, values: Values) -> str:
    """The text with the means of all cells of which every value is known."""
    lines = markdown.splitlines()
    for cell in cells(markdown):
        keys = [(cell.method, cell.set, metric) for metric in cell.metrics]
        if all(key in values for key in keys):
            columns = _columns(lines[cell.line])
            columns[cell.column] = " / ".join(values[key] for key in keys)
            lines[cell.line] = f"| {' | '.join(columns)} |"
    return "\n".join(lines) + "\n"


def values_of(markdown: str) -> Values:
    """The means in the tables of a page, or of what `superfine evaluate` prints; not those of which pictures are missing."""
    return {
        (cell.method, cell.set, metric): text
        for cell in cells(markdown)
        if cell.text != "–" and " of " not in cell.text
        for metric, text in zip(cell.metrics, cell.text.split(" / "), strict=True)
        if text != "–"
    }


def _columns(line: str) -> list[str]:
    return [column.strip() for column in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _metrics(head: str) -> tuple[str, ...]:
    """The names of ``PSNR-Y / SSIM-Y``; none, if that is not what it says."""
    labels = head.split(" / ")
    return tuple(BY_LABEL[label] for label in labels) if all(label in BY_LABEL for label in labels) else ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="what superfine evaluate has printed")
    parser.add_argument("pages", type=Path, nargs="+")
    arguments = parser.parse_args()
    values = values_of(arguments.table.read_text(encoding="utf-8"))
    for page in arguments.pages:
        before = page.read_text(encoding="utf-8")
        after = filled(before, values)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(page)


if __name__ == "__main__":
    main()
