"""Scores as a Markdown table, with its protocol under it."""

from superfine.evaluation.benchmark import Score
from superfine.metrics import PROTOCOLS


def table(rows: dict[str, list[Score]]) -> str:
    """One row for each name, one column for each set, in dB; the protocol line follows.

    Every row has the same sets in the same order, all under one protocol.
    """
    first = next(iter(rows.values()))
    lines = [
        "| | " + " | ".join(score.set for score in first) + " |",
        "|---|" + "---:|" * len(first),
        *(f"| {name} | " + " | ".join(f"{score.mean:.2f}" for score in scores) + " |" for name, scores in rows.items()),
    ]
    return "\n".join(lines) + f"\n\n{PROTOCOLS[first[0].protocol].line}"
