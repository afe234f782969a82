"""A contact sheet for choosing a model: one crop of a photograph, enlarged by each model at each position of its dial."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine import zoo
from superfine.engine import Model, load
from superfine.engine.alpha import bleed
from superfine.errors import UserError
from superfine.evaluation.figures.crops import Box, most_detailed
from superfine.images import Metadata, Picture, imresize, read
from superfine.images.lettering import render_text
from superfine.modelfile import Card, open_model
from superfine.modelfile.dial import TEXTURED, mixture, pairs, position
from superfine.text import printable

Pixels = NDArray[np.float32]

CROP = (80, 64)
"""Width and height of the crop that is chosen, in pixels of the photograph."""

LARGEST = 512
"""Side of the largest crop, in pixels of the photograph: a sheet is looked at, not printed as a poster."""

PANEL = 240
"""Pixels that a panel is wide at least, so that its label fits; smaller pictures are enlarged by repeating pixels, unless that
makes them taller than about twice as much."""

COLUMNS = 4
"""Panels in a row, where no dial asks for more."""

BARELY_SEEN = np.float32(1e-7)
"""An opacity that shows nothing, and tells the engine that the colour below is meant."""

MARGIN = 4
"""Pixels around a crop that bicubic interpolation looks at, and more."""

DIALS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Positions where none are asked for; the one nearest to a model's own gives way to that."""

GAP = 12
FONT = "sans 9"
FRAMES = ((0.0, 3), (1.0, 2))  # grey level and outer edge of two lines around the crop, as one of them shows anywhere


@dataclass(frozen=True)
class Panel:
    """One picture of the sheet, H×W×3 RGB in [0,1], with its label."""

    label: str
    pixels: Pixels


@dataclass(frozen=True)
class Comparison:
    """The sheet, the crop that it shows, and how many enlargements are on it."""

    sheet: Picture
    crop: Box
    enlargements: int


def compare(
    photo: Path,
    models: Sequence[str] = (),
    *,
    dials: Sequence[float] = (),
    crop: Box | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Enlarge a crop of ``photo`` by each model at each position of its dial, and lay the results side by side.

    A model with the variants ``fidelity`` and ``texture`` has a row of its own, a panel for each position of the dial, and so
    have ``photo-fidelity`` and ``photo-texture``. Any other variant has a panel. Beside them stand the photograph
    with the crop's frame, the crop itself with its pixels repeated, and MATLAB's bicubic. Only the crop and the receptive field
    around it are computed; the panels are what enlarging the whole photograph gives there. Panels of models of a smaller scale
    than the largest are enlarged to its size: pixels repeated where that is a whole factor, else by bicubic.

    Parameters
    ----------
    models
        Names of bundled models and model folders; all bundled ones, if empty.
    dials
        Positions from 0 to 1, in the order of the columns; if empty, those of :data:`DIALS` and where the card says that the
        dial stands. That position's label says that it is the default.
    crop
        In pixels of the (upright) photograph; the most detailed one if left out.
    progress
        Called with the enlargements done, and all.

    Raises
    ------
    UserError
        A photograph, model, device or dial that cannot be used; a crop that is too large or beyond the photograph.
    """
    given = list(dict.fromkeys(models)) or list(zoo.catalogue())
    cards = {name: open_model(zoo.find(name)).card for name in given}
    for dial in dials:
        if not 0 <= dial <= 1:
            raise UserError(f"dial {_plain(dial)}: outside 0 to 1; give numbers between, such as 0,0.5,1")
    picture = _with_colours_everywhere(read(photo))
    height, width, _ = picture.pixels.shape
    if crop is None:
        crop = most_detailed(picture.pixels, *CROP)
    if max(crop.width, crop.height) > LARGEST:
        raise UserError(f"crop {crop}: too large for a contact sheet; give up to {LARGEST}×{LARGEST} pixels")
    crop.check(width, height, str(photo))

    settings = [(name, positions) for name, card in cards.items() for positions in _settings(card, dials)]
    scale = max(card.scale for card in cards.values())
    done, total = 0, sum(len(positions) for _, positions in settings)
    progress(done, total)
    rows: list[list[Panel]] = [_references(picture, photo.name, crop, scale)]
    for name, positions in settings:
        panels = []
        for setting in positions:
            model = load(name, device=device, dial=setting)
            panels.append(Panel(_label(name, cards[name], setting, scale), _fitted(model, picture, crop, scale)))
            done += 1
            progress(done, total)
        if positions[0] in cards[name].variants:
            rows[0] += panels
        else:
            rows.append(panels)
    sheet = _sheet(rows, max(COLUMNS, len(dials or DIALS) if len(rows) > 1 else 0))
    profile = Metadata(icc=picture.metadata.icc)
    return Comparison(Picture(sheet, grey=picture.grey, metadata=profile), crop, total)


def enlarged(model: Model, pixels: Pixels, crop: Box) -> Pixels:
    """What ``model`` makes of ``crop``, as if it enlarged the whole picture, but computing no more than it has to.

    Parameters
    ----------
    pixels
        The whole picture, H×W×3 or ×4, float32 in [0,1].

    Returns
    -------
    NDArray
        sh×sw×3 or ×4 for a crop of w×h.
    """
    margin, multiple, s = model.card.margin, model.card.multiple, model.scale
    top, left = (max(0, start - margin) // multiple * multiple for start in (crop.y, crop.x))
    around = pixels[top : crop.y + crop.height + margin, left : crop.x + crop.width + margin]
    return model.upscale(around)[
        s * (crop.y - top) : s * (crop.y - top + crop.height), s * (crop.x - left) : s * (crop.x - left + crop.width)
    ]


def _settings(card: Card, dials: Sequence[float]) -> list[list[float | str]]:
    """For each pair of variants the positions of the dial; and the names of the variants that are in no pair."""
    words = pairs(card.variants)
    rows: list[list[float | str]] = [
        [word + _plain(value) if word else value for value in dials or _dials(card, word)] for word in words
    ]
    others: list[float | str] = [name for name in card.variants if not any(name in _ends(word, card) for word in words)]
    return [*rows, others] if others else rows


def _dials(card: Card, word: str) -> list[float]:
    """Of a pair of variants: :data:`DIALS`, with the card's own position for the nearest of those between the ends."""
    place = position(card.dial)
    if place is None or place[0] != word or place[1] in DIALS:
        return list(DIALS)
    own = place[1]
    nearest = min(DIALS[1:-1], key=lambda value: abs(value - own))
    return [own if value == nearest else value for value in DIALS]


def _plain(value: float) -> str:
    """All its digits, without an exponent, which a dial is not read with."""
    return np.format_float_positional(value, trim="-")


def _ends(word: str, card: Card) -> tuple[str, str]:
    """The two variants of a pair."""
    first, _, _ = mixture(f"{word}0" if word else 0.0, card.variants, card.name)
    return first, word + TEXTURED


def _label(name: str, card: Card, dial: float | str, scale: int) -> str:
    label = printable(name if name == card.name else f"{card.name} ({name})")
    if not isinstance(dial, str):
        label += f"\ndial {_plain(dial)}"
    elif dial not in card.variants:
        label += f"\ndial {dial}"
    elif len(card.variants) > 1:
        label += f"\n{printable(dial)}"
    stands, shown = (mixture(place, card.variants, name) for place in (card.dial, dial))
    if len(card.variants) > 1 and stands == shown:
        label += " (default)"
    return label if card.scale == scale else f"{label}, ×{card.scale}"


def _references(picture: Picture, name: str, crop: Box, scale: int) -> list[Panel]:
    top, left = (max(0, start - MARGIN) for start in (crop.y, crop.x))
    around = _rgba(picture)[top : crop.y + crop.height + MARGIN, left : crop.x + crop.width + MARGIN]
    bicubic = imresize(around, scale=float(scale)).clip(0, 1)[scale * (crop.y - top) :, scale * (crop.x - left) :]
    height, width = scale * crop.height, scale * crop.width
    repeated = _repeated(_on_white(_rgba(picture)[crop.slices]), scale)
    return [
        Panel(
            f"{printable(name)}\n{crop.width}×{crop.height} pixels at {crop.x}, {crop.y}",
            _overview(picture, crop, width, height),
        ),
        Panel("input, its pixels repeated", repeated),
        Panel("bicubic", _on_white(bicubic[:height, :width])),
    ]


def _fitted(model: Model, picture: Picture, crop: Box, scale: int) -> Pixels:
    large = _on_white(enlarged(model, _rgba(picture), crop))
    if picture.grey:
        large = np.repeat(large.mean(axis=2, keepdims=True), 3, axis=2)
    if scale % model.scale == 0:
        return _repeated(large, scale // model.scale)
    return imresize(large, size=(scale * crop.height, scale * crop.width)).clip(0, 1)


def _with_colours_everywhere(picture: Picture) -> Picture:
    """A picture whose hidden colours are those that enlarging the whole of it uses, so that a part of it is enlarged alike."""
    if picture.alpha is None:
        return picture
    seen = np.maximum(picture.alpha, BARELY_SEEN)
    return replace(picture, pixels=bleed(picture.pixels, picture.alpha), alpha=seen)


def _rgba(picture: Picture) -> Pixels:
    if picture.alpha is None:
        return picture.pixels
    return np.concatenate((picture.pixels, picture.alpha[..., None]), axis=2)


def _on_white(pixels: Pixels) -> Pixels:
    if pixels.shape[2] == 3:
        return pixels
    opacity = pixels[..., 3:].clip(0, 1)
    laid: Pixels = pixels[..., :3] * opacity + (1 - opacity)
    return laid


def _repeated(pixels: Pixels, times: int) -> Pixels:
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _overview(picture: Picture, crop: Box, width: int, height: int) -> Pixels:
    """The photograph, fitted into a panel, with a frame around the crop."""
    pixels = picture.pixels if picture.alpha is None else _on_white(_rgba(picture))
    factor = min(width / pixels.shape[1], height / pixels.shape[0])
    small = imresize(pixels, size=tuple(max(1, round(factor * side)) for side in pixels.shape[:2])).clip(0, 1)
    top, left = round(factor * crop.y), round(factor * crop.x)
    bottom, right = round(factor * (crop.y + crop.height)), round(factor * (crop.x + crop.width))
    framed = small.copy()
    for level, outside in FRAMES:
        framed[max(0, top - outside) : bottom + outside, max(0, left - outside) : right + outside] = level
    framed[top:bottom, left:right] = small[top:bottom, left:right]
    return framed


def _sheet(rows: list[list[Panel]], columns: int) -> Pixels:
    """Rows of panels on white; one that is longer than ``columns`` goes on below."""
    lines = [row[i : i + columns] for row in rows for i in range(0, len(row), columns)]
    shown = max(panel.pixels.shape[1] for row in rows for panel in row)
    tall = max(len(panel.pixels) for row in rows for panel in row)
    zoom = min(math.ceil(PANEL / shown), math.ceil(2 * PANEL / tall))
    width = max(PANEL, zoom * shown)
    drawn = []
    for line in lines:
        pictures = [_repeated(panel.pixels, zoom) for panel in line]
        texts = [render_text(panel.label, width, font=FONT) for panel in line]
        high, deep = max(len(picture) for picture in pictures), max(len(text) for text in texts)
        cells = [
            _padded(
                np.concatenate([_padded(text, deep + 4, width), _padded(picture, high + GAP, width)]), None, width + GAP
            )
            for text, picture in zip(texts, pictures, strict=True)
        ]
        drawn.append(np.concatenate(cells, axis=1))
    across = max(line.shape[1] for line in drawn)
    body = np.concatenate([_padded(line, None, across) for line in drawn])
    return np.pad(body, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=1.0)


def _padded(pixels: Pixels, height: int | None, width: int) -> Pixels:
    """White added below and to the right."""
    down = 0 if height is None else height - pixels.shape[0]
    return np.pad(pixels, ((0, down), (0, width - pixels.shape[1]), (0, 0)), constant_values=1.0)
