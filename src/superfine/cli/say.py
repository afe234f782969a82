"""What the commands say: one line for each thing, whatever the names in it hold."""

import sys


def say(text: str) -> None:
    """Print a line on standard error."""
    print(f"superfine: {one_line(text)}", file=sys.stderr)


def one_line(text: str) -> str:
    """Escape line breaks, what would steer the terminal, and the bytes of names that are not text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
