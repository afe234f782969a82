"""The pictures in the report: sliders between two results, crops, figures."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from superfine.evaluation.figures.choice import telling_pictures
from superfine.evaluation.figures.crops import Box
from superfine.evaluation.figures.draw import FOLDER, Planned
from superfine.evaluation.figures.sheet import crop_of, kept, shown_methods, values_of
from superfine.evaluation.methods import INTERPOLATIONS
from superfine.evaluation.report.text import text
from superfine.evaluation.score import Evaluation
from superfine.images import read

LARGE = 3
"""Pictures of each set that are shown with a slider: those on which the methods' scores differ most."""

WINDOW = 480
"""Side of what a slider shows, in pixels of the original: of larger pictures the part around the crop that would be chosen."""

CROP = 80
"""Side of the crops of the other pictures, each pixel of which is shown as two by two."""

LONGEST = 16_383
"""Pixels that a side of a WebP may have."""

BUDGET = 24_000_000
"""Bytes that all pictures may take before they are written as text, which adds a third."""


@dataclass
class Purse:
    """How much of ``BUDGET`` has been spent."""

    spent: int = 0

    def pays(self, size: int) -> bool:
        """Whether ``size`` more bytes are within the budget; if so, they are spent."""
        fits = self.spent + size <= BUDGET
        self.spent += size if fits else 0
        return fits


@dataclass(frozen=True)
class View:
    """A part of one picture: method, values and WebP of each result, after the original and the low-resolution picture."""

    name: str
    box: Box
    results: tuple[tuple[str, str, bytes], ...]


@dataclass
class Shown:
    """What is shown of a set: pictures with a slider, crops, and how many are left out for the size of the file."""

    large: list[View] = field(default_factory=list)
    crops: list[View] = field(default_factory=list)
    left_out: int = 0


def views(evaluation: Evaluation, purse: Purse) -> dict[str, Shown]:
    """What is shown of each set, as far as the budget reaches: first the large views, the sets by turns, then the crops.

    Raises
    ------
    UserError
        A picture is damaged, or of another size than its original.
    """
    shown = {set: Shown() for set in evaluation.sets}
    spent = False  # on the crops: one that does not fit ends them, so that no more are made for nothing
    for set, name, large in _in_turn(evaluation):
        if not shown_methods(evaluation, set, name) or not evaluation.picture(set, "HR", name).is_file():
            continue
        view = None if spent else _view(evaluation, set, name, WINDOW if large else CROP)
        if view is None or not purse.pays(sum(len(encoded) for _, _, encoded in view.results)):
            shown[set].left_out += 1
            spent = not large
        else:
            (shown[set].large if large else shown[set].crops).append(view)
    return shown


def _in_turn(evaluation: Evaluation) -> Iterator[tuple[str, str, bool]]:
    """Set and name of each picture, and whether it is to be shown large: the most telling ones of all sets first."""
    queues = []
    for set in evaluation.sets:
        names = sorted({name for score in evaluation.scores if score.set == set for name in score.pictures})
        telling = telling_pictures(evaluation, set, LARGE)
        large = [(set, name, True) for name in telling]
        queues.append([*large, *[None] * (LARGE - len(large)), *((set, n, False) for n in names if n not in telling)])
    for turn in zip_longest(*queues):
        yield from filter(None, turn)


def _view(evaluation: Evaluation, set: str, name: str, side: int) -> View:
    scores = shown_methods(evaluation, set, name)
    scale = scores[0].scale
    hr = read(evaluation.picture(set, "HR", name)).pixels
    box = window(crop_of(evaluation, set, name), hr.shape[1], hr.shape[0], side, scale)
    results = [("HR", "original", _webp(hr[box.slices]))]
    if evaluation.picture(set, "LR", name).is_file():
        low = kept(evaluation, set, "LR", name, (hr.shape[0] // scale, hr.shape[1] // scale))
        small = Box(box.x // scale, box.y // scale, box.width // scale, box.height // scale)
        results.append(("LR", "input, its pixels repeated", _webp(low[small.slices])))
    for score in scores:
        pixels = kept(evaluation, set, score.method, name, hr.shape[:2])
        results.append((score.method, values_of(score, name), _webp(pixels[box.slices])))
    return View(name, box, tuple(results))


def window(crop: Box, width: int, height: int, side: int, scale: int) -> Box:
    """A box of up to ``side`` pixels each way around the middle of ``crop``, on the grid of the low-resolution pixels.

    Parameters
    ----------
    width, height
        The picture's, multiples of ``scale``.
    """
    across, down = (min(length, side) // scale * scale for length in (width, height))
    x, y = crop.x + crop.width // 2 - across // 2, crop.y + crop.height // 2 - down // 2
    x, y = (max(0, min(at, length - size)) for at, length, size in ((x, width, across), (y, height, down)))
    return Box(x // scale * scale, y // scale * scale, across, down)


def slider(view: View, set: str, key: str) -> str:
    """Two results with a line between them that can be moved; which two is chosen from lists. ``key`` is unique in the page."""
    methods = [method for method, _, _ in view.results]
    trained = [method for method in methods if method not in (*INTERPOLATIONS, "HR", "LR")]
    left = next((method for method in ("bicubic", "LR") if method in methods), "HR")
    right = next((method for method in (*trained, "HR") if method != left), left)
    size = f'width="{view.box.width}" height="{view.box.height}"'
    images = "".join(
        f'<img {_source(encoded)} {size} alt="{text(f"{set}, {view.name}: {method}")}" data-method="{text(method)}">'
        for method, _, encoded in view.results
    )
    controls = ""
    for side, chosen in (("left", left), ("right", right)):
        options = "".join(
            f'<option value="{text(method)}" data-values="{text(values)}"{" selected" if method == chosen else ""}>'
            f"{text(method)}</option>"
            for method, values, _ in view.results
        )
        controls += (
            f'<div class="{side}"><label>{side.capitalize()} <select class="{side}">{options}</select></label>'
            f'<span class="values {side}"></span></div>'
        )
    label = f'aria-label="Line between the two results of {text(view.name)}"'
    return (
        f'<figure class="viewer" id="view-{key}"><figcaption><b>{text(view.name)}</b>{_part(view.box)}</figcaption>\n'
        f'<div class="controls">{controls}</div>\n<div class="stage">{images}</div>\n'
        f'<input type="range" min="0" max="100" step="any" value="50" {label}></figure>'
    )


def crop_row(view: View, set: str) -> str:
    """All results of one picture in a row."""
    size = f'width="{view.box.width}" height="{view.box.height}"'
    figures = "".join(
        f'<figure><img {_source(encoded)} {size} alt="{text(f"{set}, {view.name}: {method}")}" decoding="async">'
        f"<figcaption>{text(method)}<br>{text(values)}</figcaption></figure>"
        for method, values, encoded in view.results
    )
    return f'<h4>{text(view.name)}<span class="soft">{_part(view.box)}</span></h4>\n<div class="crops">{figures}</div>'


def chart(figure: Planned, out: Path, purse: Purse) -> str:
    """A figure that was drawn, with its caption, or where it is, if it is too large; nothing where it was not drawn.

    Raises
    ------
    UserError
        Its file is damaged.
    """
    file = out / FOLDER / f"{figure.name}.png"
    if not file.is_file():
        return ""
    pixels = read(file).pixels
    encoded = _webp(pixels) if max(pixels.shape) <= LONGEST else None
    if encoded is None or not purse.pays(len(encoded)):
        return f"<p>{text(figure.title)}: left out for the size of this file; see {text(f'{FOLDER}/{file.name}')}.</p>"
    image = f'<img {_source(encoded)} width="{pixels.shape[1]}" height="{pixels.shape[0]}" alt="{text(figure.title)}">'
    return (
        f'<figure class="chart"><h3>{text(figure.title)}</h3>\n<div class="scroll">{image}</div>\n'
        f"<figcaption>{text(figure.caption)}</figcaption></figure>"
    )


def _part(box: Box) -> str:
    return f", {box.width}×{box.height} pixels at {box.x}, {box.y}"


def _webp(pixels: NDArray[np.float32]) -> bytes:
    """Lossless WebP of H×W×3 RGB in [0,1]."""
    levels = np.rint(pixels * np.float32(255)).astype(np.uint8)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(levels), interpretation="srgb")
    encoded: bytes = image.webpsave_buffer(lossless=True, effort=2)
    return encoded


def _source(encoded: bytes) -> str:
    return f'src="data:image/webp;base64,{base64.b64encode(encoded).decode()}"'
