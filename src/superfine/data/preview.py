"""A contact sheet of a degradation: crops of photographs, each beside some low-resolution pictures made from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine.data.batches import Batches
from superfine.data.pack import INDEX, Pack
from superfine.errors import UserError
from superfine.files import is_folder
from superfine.images import Picture, in_unit, pictures_below, read, write
from superfine.images.lettering import render_text
from superfine.text import printable

Pixels = NDArray[np.float32]

CROP = 256
"""Side of a crop on the sheet, at most, in pixels."""
STEPS = 3
"""Low-resolution pictures beside each crop, where chance plays a part."""
SMALLEST = 32
"""Side of the smallest picture that is shown."""
GAP = 12
FONT = "sans 8"


def preview(
    source: Path, out: Path, *, degradation: str = "photo", seed: int = 1, count: int = 6, scale: int = 4
) -> list[str]:
    """Write a contact sheet: a row for each of ``count`` crops, the crop first, then low-resolution pictures made from it.

    Low-resolution pictures are those of steps 0, 1, 2 of a run with this seed, enlarged by repeating pixels.

    Parameters
    ----------
    source : a pack, or a folder of pictures; what chooses the crops is the seed.
    out : the picture to write; its suffix decides the format.
    degradation : a name in :data:`superfine.data.degrade.DEGRADATIONS`.
    scale : how much smaller; a pack's own scale is taken from the pack.

    Returns
    -------
    The names of the photographs, from top to bottom.

    Raises
    ------
    UserError
        An unknown degradation, no picture that is large enough, an output that cannot be written, torch is missing.
    """
    try:
        from superfine.data.degrade import DEGRADATIONS, Classical, degraded
    except ImportError:
        raise UserError('the preview needs torch; install it with: pip install "superfine[train]"') from None
    if degradation not in DEGRADATIONS:
        raise UserError(f"--degradation {degradation}: is unknown; choose one of {', '.join(DEGRADATIONS)}")
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed {seed}: give 0 or more, below 2^63")
    if count < 1:
        raise UserError(f"--count {count}: is too small; give at least 1")
    if not 1 <= scale <= SMALLEST:
        raise UserError(f"--scale {scale}: is out of range; give 1 to {SMALLEST}")
    if (source / INDEX).exists():
        pack = Pack(source)
        scale = pack.scale
        names, crops = _from_pack(pack, seed, count)
    else:
        names, crops = _from_folder(source, seed, count, scale)

    degrade = DEGRADATIONS[degradation]
    samples = range(len(names))
    columns, labels = [crops], [[f"{printable(name)}\n{crops.shape[1]}×{crops.shape[2]}" for name in names]]
    for step in range(1 if isinstance(degrade, Classical) else STEPS):
        lr = degraded(crops, degrade, scale=scale, seed=seed, step=step)
        columns.append(lr.repeat(scale, 1).repeat(scale, 2))
        described = degrade.describe(scale=scale, seed=seed, step=step, samples=samples)
        labels.append([_lines(line) for line in described])
    rows = [
        _row([column[n] for column in columns], [render_text(label[n], crops.shape[2], font=FONT) for label in labels])
        for n in samples
    ]
    write(Picture(_framed(np.concatenate(rows))), out)
    return names


def _from_pack(pack: Pack, seed: int, count: int) -> tuple[list[str], Pixels]:
    """The crops of a run's first batch, as training would draw them, N×S×S×3."""
    smallest = min((min(entry.height, entry.width) for entry in pack.entries), default=0)
    patch = min(CROP, smallest) // pack.scale
    batches = Batches(pack, seed=seed, batch=count, patch=max(1, patch))
    _, hr = batches(0)
    names = [pack.entries[crop.picture].file for crop in batches.crops(0)]
    return names, in_unit(hr)


def _from_folder(folder: Path, seed: int, count: int, scale: int) -> tuple[list[str], Pixels]:
    """One crop of each of ``count`` pictures below the folder, N×S×S×3; what is damaged or tiny is passed over."""
    if not is_folder(folder):
        raise UserError(f"{folder}: is neither a pack nor a folder of pictures; give one of them")
    paths = pictures_below(folder)
    words = np.random.Philox(key=seed).random_raw(3 * len(paths)).reshape(-1, 3)
    names: list[str] = []
    crops: list[Pixels] = []
    for i in np.argsort(words[:, 0], kind="stable"):
        if len(names) == count:
            break
        try:
            pixels = read(paths[i]).pixels
        except UserError:
            continue
        if min(pixels.shape[:2]) < SMALLEST:
            continue
        places = [max(1, length - CROP + 1) for length in pixels.shape[:2]]
        y, x = (int(word) * place >> 64 for word, place in zip(words[i, 1:], places, strict=True))
        names.append(paths[i].relative_to(folder).as_posix())
        crops.append(pixels[y : y + CROP, x : x + CROP].copy())
    if not names:
        raise UserError(
            f"{folder}: holds no picture of {SMALLEST}×{SMALLEST} pixels or more; give a folder of photographs"
        )
    side = min(min(crop.shape[:2]) for crop in crops)
    side -= side % scale
    return names, np.stack([crop[:side, :side] for crop in crops])


def _lines(described: str) -> str:
    """A pass on each line, and no line broken but between two things that happen."""
    return described.replace(" | ", "\n").replace(" ", "\u00a0").replace("\u00a0·\u00a0", " · ")


def _row(pictures: list[Pixels], texts: list[Pixels]) -> Pixels:
    """Pictures side by side, each with its text below, a gap to the right of and below each."""
    height = max(len(text) for text in texts)
    cells = [
        np.pad(
            np.concatenate([picture, np.pad(text, ((4, height - len(text)), (0, 0), (0, 0)), constant_values=1.0)]),
            ((0, GAP), (0, GAP), (0, 0)),
            constant_values=1.0,
        )
        for picture, text in zip(pictures, texts, strict=True)
    ]
    return np.concatenate(cells, axis=1)


def _framed(sheet: Pixels) -> Pixels:
    return np.pad(sheet, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=1.0)
