"""Text as it may stand in HTML."""

import html

from superfine.text import printable


def text(value: str) -> str:
    """A name, escaped for elements and for attributes in quotes, with � for each character that does not print."""
    return html.escape(printable(value))
