"""Pairs of pictures to measure with: a folder's originals, their low-resolution twins, and what is wrong with single ones."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.files import folder_name
from superfine.images import imresize, in_unit, is_picture, is_unread, read_levels

HR_FOLDERS = ("HR", "GT", "GTmod12")
LR_FOLDERS = ("LRbicx{scale}", "LR_bicubic/X{scale}", "LR")
"""Where the originals and their twins are looked for inside the folder of a set, the first that is there."""

_ORIGINAL = re.compile(r"[-_](HR|GT)$")
_TWIN = re.compile(r"[-_]LR$")
_AFTER = re.compile(r"(x\d+|\d+x)?([-_@. ].*)?", re.DOTALL)
"""What may follow a picture's name in that of a file."""


@dataclass(frozen=True)
class Pair:
    """A picture in levels, uint8 RGB H×W×3, and its twin, float32 in [0,1] with 8-bit values; ``grey`` if single-channel."""

    name: str
    hr: NDArray[np.uint8]
    lr: NDArray[np.float32]
    grey: bool


@dataclass(frozen=True)
class Item:
    """One picture of a folder: its files, or why it cannot be used. Without ``lr``, the twin is made from ``hr``."""

    name: str
    hr: Path | None
    lr: Path | None = None
    problem: str = ""


def pairs(folder: Path, scale: int) -> Iterator[Pair]:
    """The pictures that :func:`find_pairs` finds, in its order, each with its twin.

    Raises
    ------
    UserError
        As :func:`find_pairs` and :func:`read_pair`: of the first picture that cannot be used.
    """
    for item in find_pairs(folder, scale):
        yield read_pair(item, scale)


def read_pair(item: Item, scale: int) -> Pair:
    """Decode an item. The original is cropped to a multiple of the scale; a missing twin is made by MATLAB's bicubic.

    Raises
    ------
    UserError
        The item has a problem, a picture cannot be read, or the two are not of one size or one mode.
    """
    if item.problem or item.hr is None:
        raise UserError(item.problem)
    original, grey = read_levels(item.hr)
    height, width = (length - length % scale for length in original.shape[:2])
    if 0 in (height, width):
        raise UserError(f"{item.hr}: is smaller than {scale}×{scale}; leave it out")
    hr = original[:height, :width]
    if item.lr is None:
        return Pair(item.name, hr, in_unit(imresize(hr, scale=1 / scale)), grey)
    twin, twin_grey = read_levels(item.lr)
    lr_height, lr_width = twin.shape[:2]
    if (lr_height * scale, lr_width * scale) != (height, width):
        raise UserError(
            f"{item.lr}: is {lr_width}×{lr_height}, not a {scale}th of its original's {width}×{height}; "
            "make the twin again"
        )
    if grey != twin_grey and has_colours(original if twin_grey else twin):
        raise UserError(f"{item.lr}: is {_mode(twin_grey)}, its original {_mode(grey)}; make the twin again")
    return Pair(item.name, hr, in_unit(twin), grey)


def find_pairs(folder: Path, scale: int) -> tuple[Item, ...]:
    """Find the originals in a folder and their twins, in the order of their names; none is decoded.

    The originals lie in one of ``HR_FOLDERS`` inside ``folder``, or in ``folder`` itself. Where one of ``LR_FOLDERS`` is there,
    each original has its twin in it, found by its name (see :func:`matched`); otherwise twins are made. Where files in
    ``folder`` itself end in ``_HR`` or ``_GT``, only they are originals, and those in ``_LR``, if any, their twins. An original
    without a twin, a twin without an original, and what is called like a picture but cannot be read become items with a
    problem; hidden files and folders do not, nor do those of a format that is not read beside a picture of the same name.

    Raises
    ------
    UserError
        No such folder, no pictures in it, two originals of one name.
    """
    folder = Path(folder)
    with searched(folder):
        if not folder.is_dir():
            raise UserError(f"{folder}: is not a folder; give a folder of pictures")
        high = next((folder / name for name in HR_FOLDERS if (folder / name).is_dir()), folder)
        low = next((path for name in LR_FOLDERS if (path := folder / name.format(scale=scale)).is_dir()), None)
    files, given = _candidates(high), None if low is None else _candidates(low)
    if high == folder and (originals_by_name := [file for file in files if _ORIGINAL.search(file.stem)]):
        # Beside originals that say what they are lie twins that do too, and perhaps other tools' results.
        given = given or [file for file in files if _TWIN.search(file.stem)] or None
        files = originals_by_name
    originals: dict[str, Path] = {}
    kept: dict[str, str] = {}
    for file in files:
        name = _ORIGINAL.sub("", file.stem) or file.stem
        # Their pictures are kept in files of these names, whatever their case.
        if (other := kept.setdefault(folder_name(name).casefold(), name)) in originals:
            raise UserError(f"{file}: {originals[other].name} beside it has the same name; move one of them away")
        originals[name] = file
    if not originals:
        raise UserError(f"{high}: holds no pictures; give a folder with PNG, JPEG, WebP, TIFF or AVIF files")
    if given is None:
        return tuple(Item(name, file, None, _unreadable(file)) for name, file in originals.items())
    twins, others = matched(given, originals)
    items = [_item(name, file, twins[name], low or folder) for name, file in originals.items()]
    stems = [file.stem for file in others]
    orphans = [
        Item(
            file.stem if stems.count(file.stem) == 1 else file.name,
            None,
            file,
            f"{file}: has no original in {high}; add it, or remove this",
        )
        for file in others
    ]
    return tuple(sorted([*items, *orphans], key=lambda item: item.name))


def _item(name: str, hr: Path, twins: Sequence[Path], low: Path) -> Item:
    if problem := _unreadable(hr):
        return Item(name, hr, None, problem)
    if len(twins) == 1:
        return Item(name, hr, twins[0], _unreadable(twins[0]))
    return Item(name, hr, None, ambiguous(twins, name) or f"{hr}: has no twin in {low}; add it, or remove the folder")


def _candidates(folder: Path) -> list[Path]:
    """What is called like a picture, sorted by name; an unread format only where no picture has the same name."""
    with searched(folder):
        files = sorted(file for file in folder.iterdir() if not os.path.isdir(file))  # noqa: PTH112, see below
    stems = {file.stem for file in files if is_picture(file)}
    return [file for file in files if is_picture(file) or (is_unread(file) and file.stem not in stems)]


def _unreadable(file: Path) -> str:
    """Why a file cannot be opened as a picture, as far as shows from outside; empty if nothing does."""
    if is_unread(file):
        return f"{file}: is of a format that superfine does not read; convert it to PNG, or move it away"
    if os.path.isfile(file):  # noqa: PTH113, as Path.is_file raises for links into closed folders
        return ""
    if file.is_symlink():
        return f"{file}: is a link that leads to no file; mend it, or remove it"
    return f"{file}: is no ordinary file; save the picture to one, or move this away"


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted by name; none of those in folders below.

    Raises
    ------
    UserError
        The folder cannot be read.
    """
    with searched(folder):
        return sorted(file for file in folder.iterdir() if is_picture(file) and file.is_file())


@contextmanager
def searched(path: Path) -> Iterator[None]:
    """What the system refuses inside the block becomes a UserError about ``path``."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be searched: {error.strerror}; check its permissions") from None


def matched(files: Iterable[Path], names: Iterable[str]) -> tuple[dict[str, list[Path]], list[Path]]:
    """Tell which files belong to which picture, by their names, and which to none.

    A file belongs to the longest name that its own begins with, if that is the whole of its name, or if what follows is a
    factor such as ``x4`` or ``4x``, or starts with one of ``-_@.`` or a space, or is both: ``baby.png``, ``babyx4.png``,
    ``baby@4x.png``, ``baby_out.png``, ``babyx4_SwinIR.png``. A picture's file with exactly its name leaves out the others.
    Names are compared in Unicode's form NFC, as some systems take accents apart.
    """
    found: dict[str, list[Path]] = {name: [] for name in names}
    others = []
    longest_first = sorted(found, key=len, reverse=True)
    for file in files:
        stem = normalize("NFC", file.stem)
        owner = next((name for name in longest_first if _begins(stem, normalize("NFC", name))), None)
        if owner is None:
            others.append(file)
        else:
            found[owner].append(file)
    for name, candidates in found.items():
        exact = [file for file in candidates if normalize("NFC", file.stem) == normalize("NFC", name)]
        found[name] = exact or candidates
    return found, others


def ambiguous(files: Sequence[Path], name: str) -> str:
    """The sentence about several files for one picture; empty if there are not several."""
    if len(files) < 2:
        return ""
    return f"{files[0].parent}: {', '.join(file.name for file in files)} may all be {name}; leave one of them there"


def _begins(stem: str, name: str) -> bool:
    return stem.startswith(name) and _AFTER.fullmatch(stem, len(name)) is not None


def own_name(folder: Path) -> str:
    """What a folder is called: of a link its own name, not that of what it leads to; of ``.`` that of the folder it means."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100, as Path.resolve follows links


def has_colours(pixels: NDArray[Any]) -> bool:
    """Whether the channels differ anywhere."""
    return not bool((pixels[..., :1] == pixels[..., 1:]).all())


def _mode(grey: bool) -> str:
    return "grey" if grey else "in colour"
