"""Names as text: of files, models and sets, which may hold all that a file's name can."""


def one_line(text: str) -> str:
    """Escape line breaks, what would steer the terminal, and the bytes of names that are not text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable(text: str) -> str:
    """``text`` with � for what does not print, such as bytes that are no text, which cannot be drawn."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
