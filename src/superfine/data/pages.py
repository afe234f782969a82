"""Pages of text and drawings, made by chance: what photographs for training lack, and people enlarge all the same.

A page is an SVG picture of paragraphs, headings, tables, bars and line drawings in the fonts of the machine, rendered by
libvips. Its words are letters in the proportions of English; they mean nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyvips
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.images import Picture, in_unit, write

LARGEST = 4096
"""Side of the largest pages: drawing one takes half a minute, and for twice the side eight times as long."""

FONTS = ("sans-serif", "serif", "monospace")
_LETTERS = "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwffggyyppbbvkjxqz"
_MARKS = (*"....,,,,;:!?)", "", "", "", "", "", "", "", "", "", "", "")


def pages(
    out: Path,
    *,
    count: int,
    side: int,
    seed: int,
    fonts: Iterable[str] = FONTS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write ``count`` pages of ``side``×``side`` pixels to the folder ``out``, as PNG files; those of one seed are the same.

    Parameters
    ----------
    fonts : families, as fontconfig knows them; a family that is not there is replaced by another one.
    progress : called with (pages done, pages in all).

    Raises
    ------
    UserError
        The folder cannot be written, the count or the side is too small, the side too large, a font's name is no text, or the
        machine has no fonts.
    """
    if count < 1 or side < 64:
        raise UserError(f"{count} pages of {side} pixels: cannot be made; give at least 1, and at least 64 pixels")
    if side > LARGEST:
        raise UserError(f"--side {side}: is too large to be drawn in good time; give {LARGEST} or less, and more pages")
    families = tuple(fonts)
    for family in families:
        if not family.isprintable():
            raise UserError(f"--fonts {family}: is no name of a font; fc-list lists those of this machine")
    if not fonts_are_there():
        raise UserError(
            f"{out}: cannot be made, as this machine has no fonts; install some, such as DejaVu or Liberation"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be made ({error.strerror}); choose another folder") from error
    for i in range(count):
        write(Picture(render(page(seed, i, side=side, fonts=families))), out / f"page-{seed}-{i:04d}.png")
        progress(i + 1, count)


def fonts_are_there() -> bool:
    """Whether letters are drawn as such: without any font each is the same box, and nothing says so."""
    frame = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">{}</svg>'
    first, second = (render(frame.format(_text(4, 32, 32, FONTS[0], "black", letter))) for letter in "os")
    return not np.array_equal(first, second)


def render(svg: str) -> NDArray[np.float32]:
    """The picture of an SVG text: H×W×3 float32 RGB in [0,1], on white."""
    return in_unit(pyvips.Image.svgload_buffer(svg.encode()).flatten(background=255).numpy())


def page(seed: int, number: int, *, side: int, fonts: tuple[str, ...]) -> str:
    """Page ``number`` of a seed as an SVG text of ``side``×``side`` pixels."""
    chance = Random(f"{seed} {number}")
    paper, ink = _colours(chance)
    parts = [f'<rect width="{side}" height="{side}" fill="{paper}"/>']
    margin = side // 32
    y = float(margin)
    while y < side - margin:
        block = chance.choice((_paragraph, _paragraph, _paragraph, _heading, _table, _bars, _drawing, _button))
        height, drawn = block(chance, side - 2 * margin, ink, chance.choice(fonts))
        parts.append(f'<g transform="translate({margin} {y:.2f})">{drawn}</g>')
        y += height + chance.uniform(4, 16)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}">{"".join(parts)}</svg>'


def _colours(chance: Random) -> tuple[str, str]:
    """Paper and ink, apart enough to be read; mostly dark on light."""
    light, dark = (chance.choice((255, 250, 235)), chance.choice((0, 0, 30)))
    tint = [chance.uniform(0.75, 1.0) if chance.random() < 0.5 else 1.0 for _ in range(3)]
    paper, ink = [round(light * t) for t in tint], [min(255, round(dark + 90 * (1 - t))) for t in tint]
    if chance.random() < 0.25:
        paper, ink = ink, paper
    return f"rgb({','.join(map(str, paper))})", f"rgb({','.join(map(str, ink))})"


def _vivid(chance: Random) -> str:
    return f"hsl({chance.randrange(360)},{chance.randrange(30, 101)}%,{chance.randrange(25, 75)}%)"


def _word(chance: Random) -> str:
    kind = chance.random()
    if kind < 0.07:
        return str(chance.randrange(10 ** chance.randrange(1, 6)))
    word = "".join(chance.choice(_LETTERS) for _ in range(1 + min(chance.randrange(10), chance.randrange(12))))
    return word.upper() if kind < 0.12 else word.capitalize() if kind < 0.3 else word


def _line(chance: Random, length: int) -> str:
    words: list[str] = []
    while sum(map(len, words)) + len(words) < length:
        words.append(_word(chance) + chance.choice(_MARKS))
    return " ".join(words)[:length]


def _text(x: float, y: float, size: float, font: str, fill: str, text: str, more: str = "") -> str:
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-family={quoteattr(font)} font-size="{size:.2f}" fill="{fill}"{more}>'
        f"{escape(text)}</text>"
    )


def _style(chance: Random) -> str:
    weight = ' font-weight="bold"' if chance.random() < 0.25 else ""
    return weight + (' font-style="italic"' if chance.random() < 0.15 else "")


def _paragraph(chance: Random, width: float, ink: str, font: str) -> tuple[float, str]:
    size = 9.0 * 2.5 ** chance.random()
    step, style, lines = size * chance.uniform(1.15, 1.5), _style(chance), chance.randrange(2, 8)
    letters = int(width / (0.55 * size))
    drawn = [_text(0, size + i * step, size, font, ink, _line(chance, letters), style) for i in range(lines)]
    return size + (lines - 0.7) * step, "".join(drawn)


def _heading(chance: Random, width: float, ink: str, font: str) -> tuple[float, str]:
    size = 24.0 * 3.0 ** chance.random()
    fill = ink if chance.random() < 0.6 else _vivid(chance)
    return 1.25 * size, _text(0, size, size, font, fill, _line(chance, int(width / (0.6 * size))), _style(chance))


def _button(chance: Random, width: float, ink: str, font: str) -> tuple[float, str]:
    """A filled box with a line of text in it, its edges anywhere between the pixels."""
    size = chance.uniform(11, 30)
    wide, high, round_ = width * chance.uniform(0.3, 1.0), 2.2 * size, chance.choice((0.0, 3.0, size))
    box = f'<rect width="{wide:.2f}" height="{high:.2f}" rx="{round_}" fill="{_vivid(chance)}"/>'
    fill = chance.choice(("white", "black"))
    return high, box + _text(size, 1.45 * size, size, font, fill, _line(chance, int(wide / (0.7 * size))))


def _table(chance: Random, width: float, ink: str, font: str) -> tuple[float, str]:
    size, columns, rows = chance.uniform(9, 18), chance.randrange(3, 8), chance.randrange(3, 8)
    step, pitch, stroke = 1.7 * size, width / columns, chance.choice((1.0, 1.0, 1.5, 2.0))
    drawn = [f'<g stroke="{ink}" stroke-width="{stroke}">']
    drawn += [f'<line x1="0" x2="{width:.2f}" y1="{r * step:.2f}" y2="{r * step:.2f}"/>' for r in range(rows + 1)]
    drawn += [
        f'<line x1="{c * pitch:.2f}" x2="{c * pitch:.2f}" y1="0" y2="{rows * step:.2f}"/>' for c in range(columns + 1)
    ]
    drawn.append("</g>")
    for r in range(rows):
        for c in range(columns):
            word = _line(chance, int(pitch / (0.7 * size)))
            drawn.append(_text(c * pitch + 0.3 * size, (r + 0.7) * step, size, font, ink, word))
    return rows * step, "".join(drawn)


def _bars(chance: Random, width: float, ink: str, font: str) -> tuple[float, str]:
    high, count = chance.uniform(60, 160), chance.randrange(5, 25)
    pitch = width / count
    drawn = [f'<line x1="0" x2="{width:.2f}" y1="{high:.2f}" y2="{high:.2f}" stroke="{ink}"/>']
    for i in range(count):
        tall = high * chance.random()
        box = f'x="{(i + 0.15) * pitch:.2f}" y="{high - tall:.2f}" width="{0.7 * pitch:.2f}" height="{tall:.2f}"'
        drawn.append(f'<rect {box} fill="{_vivid(chance)}"/>')
        drawn.append(_text(i * pitch, high + 13, 10, font, ink, _word(chance)[: int(pitch / 6)]))
    return high + 16, "".join(drawn)


def _drawing(chance: Random, width: float, ink: str, font: str) -> tuple[float, str]:
    """Curves, circles and polygons, as in charts, cartoons and maps."""
    high = chance.uniform(80, 240)

    def points(count: int) -> Iterator[str]:
        for _ in range(count):
            yield f"{width * chance.random():.1f},{high * chance.random():.1f}"

    drawn = [f'<svg width="{width:.2f}" height="{high:.2f}">']
    for _ in range(chance.randrange(4, 14)):
        fill = _vivid(chance) if chance.random() < 0.4 else "none"
        look = f'fill="{fill}" stroke="{chance.choice((ink, ink, _vivid(chance)))}" stroke-width="{chance.uniform(0.7, 5):.1f}"'
        kind = chance.randrange(3)
        if kind == 0:
            centre = f'cx="{width * chance.random():.1f}" cy="{high * chance.random():.1f}"'
            drawn.append(f'<circle {centre} r="{chance.uniform(3, 60):.1f}" {look}/>')
        elif kind == 1:
            drawn.append(f'<path d="M{" ".join(points(1))} C{" ".join(points(3))}" {look}/>')
        else:
            drawn.append(f'<polygon points="{" ".join(points(chance.randrange(3, 6)))}" {look}/>')
    return high, "".join(drawn) + "</svg>"
