"""What the commands say: one line for each thing, whatever the names in it hold."""

import sys
from collections.abc import Sequence

from superfine.text import one_line


def say(text: str) -> None:
    """Print a line on standard error."""
    print(f"superfine: {one_line(text)}", file=sys.stderr)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, its cells below those of the row before."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]
