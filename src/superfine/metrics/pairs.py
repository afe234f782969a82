"""Pairs of pictures to measure with: a folder's high-resolution pictures and their low-resolution twins."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.images import imresize, in_unit, is_picture, read_levels

HR_FOLDERS = ("HR", "GT", "GTmod12")
LR_FOLDERS = ("LRbicx{scale}", "LR_bicubic/X{scale}", "LR")
"""Where the originals and their twins are looked for inside the folder of a set, the first that is there."""


@dataclass(frozen=True)
class Pair:
    """A picture in levels, uint8 RGB H×W×3, and its twin, float32 in [0,1] with 8-bit values; ``grey`` if single-channel."""

    name: str
    hr: NDArray[np.uint8]
    lr: NDArray[np.float32]
    grey: bool


def pairs(folder: Path, scale: int) -> Iterator[Pair]:
    """The pictures of ``folder`` in the order of their names, each with its twin.

    The originals lie in one of ``HR_FOLDERS`` inside ``folder``, or in ``folder`` itself, their twins in one of ``LR_FOLDERS``.
    Where there is none, the pictures are cropped to a multiple of ``scale`` and shrunk by MATLAB's bicubic.

    Raises
    ------
    UserError
        No folder, no pictures, a twin that is missing or has the wrong size, a picture that cannot be read.
    """
    folder = Path(folder)
    high = next((folder / name for name in HR_FOLDERS if (folder / name).is_dir()), folder)
    low = next((path for name in LR_FOLDERS if (path := folder / name.format(scale=scale)).is_dir()), None)
    if not high.is_dir():
        raise UserError(f"{folder}: is not a folder; give a folder of pictures")
    files = sorted(file for file in high.iterdir() if is_picture(file))
    if not files:
        raise UserError(f"{high}: holds no pictures; give a folder with PNG, JPEG, WebP, TIFF or AVIF files")
    for file in files:
        levels, grey = read_levels(file)
        height, width = (length - length % scale for length in levels.shape[:2])
        if 0 in (height, width):
            raise UserError(f"{file}: is smaller than {scale}×{scale}; leave it out")
        hr = levels[:height, :width]
        yield Pair(file.stem, hr, _twin(file, hr, low, scale), grey)


def _twin(file: Path, hr: NDArray[np.uint8], low: Path | None, scale: int) -> NDArray[np.float32]:
    if low is None:
        return in_unit(imresize(hr, scale=1 / scale))
    found = [twin for twin in sorted(low.iterdir()) if twin.stem in (file.stem, f"{file.stem}x{scale}")]
    if not found:
        raise UserError(f"{file}: has no twin in {low}; add it, or remove the folder to have twins made")
    lr, _ = read_levels(found[0])
    if lr.shape[0] * scale != hr.shape[0] or lr.shape[1] * scale != hr.shape[1]:
        raise UserError(f"{found[0]}: is {lr.shape[1]}×{lr.shape[0]}, not a {scale}th of {file}; make the twin again")
    return in_unit(lr)
