"""What the commands say: one line for each thing, whatever the names in it hold."""

import sys

from superfine.text import one_line


def say(text: str) -> None:
    """Print a line on standard error."""
    print(f"superfine: {one_line(text)}", file=sys.stderr)
