"""Text as it may stand in HTML."""

import html


def text(value: str) -> str:
    """A name, escaped for elements and for attributes in quotes, with � for each character that does not print."""
    return html.escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value))
