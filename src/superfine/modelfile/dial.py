"""The dial: a model's variants in pairs, one faithful and one textured, and what lies between the two.

A number from 0 to 1 lies between ``fidelity`` and ``texture``; ``photo-0.4`` between ``photo-fidelity`` and ``photo-texture``,
and so with any other word. A variant's name is that variant.
"""

import re
from collections.abc import Collection

from superfine.errors import UserError

FAITHFUL, TEXTURED = "fidelity", "texture"
_PAIRS = re.compile(r"([a-z0-9][a-z0-9_-]*-)(\d+(?:\.\d+)?)")


def parse_dial(text: float | str) -> float | str:
    """The dial as people type it: a number, or else text."""
    try:
        return float(text)
    except ValueError:
        return text


def position(dial: float | str) -> tuple[str, float] | None:
    """What the names of both variants begin with, and the number: ``("", 0.4)``, ``("photo-", 0.4)``; None for a name."""
    dial = parse_dial(dial)
    if not isinstance(dial, str):
        return "", dial
    match = _PAIRS.fullmatch(dial)
    return (match[1], float(match[2])) if match else None


def pairs(variants: Collection[str]) -> list[str]:
    """What the names of each pair begin with; the pair of ``texture`` has any first variant as its other end."""
    words = [name.removesuffix(TEXTURED) for name in variants if name == TEXTURED or name.endswith(f"-{TEXTURED}")]
    return [word for word in words if len(variants) > 1 and (not word or word + FAITHFUL in variants)]


def mixture(dial: float | str, variants: Collection[str], where: str) -> tuple[str, str, float]:
    """The two variants that ``dial`` lies between, and the second one's part; ``where`` is named in errors.

    In a model without a variant called ``fidelity``, 0 is the first one.

    Raises
    ------
    UserError
        Unknown variant; a number outside [0,1]; a number above 0 where there is no textured variant.
    """
    named = ", ".join(variants)
    if isinstance(dial, str) and dial in variants:
        return dial, dial, 0.0
    place = position(dial)
    if place is None or (place[0] and place[0] + FAITHFUL not in variants):
        turns = "".join(f", or from {word}0 to {word}1" for word in pairs(variants))
        raise UserError(f"dial {dial!r}: {where} has only {named}; choose one of these{turns}")
    word, value = place
    if not 0 <= value <= 1:
        raise UserError(f"dial {dial}: outside 0 to 1; give a number between, or a variant's name")
    start, end = word + FAITHFUL, word + TEXTURED
    if start not in variants:
        start = next(iter(variants))
    if value == 0:
        return start, start, 0.0
    if end not in variants or start == end:
        raise UserError(f"dial {dial}: {where} has only {named}, nothing to turn to; leave it at {word}0")
    return (end, end, 0.0) if value == 1 else (start, end, value)
