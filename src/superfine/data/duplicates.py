"""Near-duplicates of benchmark pictures, found by a perceptual hash: nothing that is measured on may be trained on.

Found are whole pictures, whatever their size, compression, brightness or orientation; not parts of them.

``python -m superfine.data.duplicates FOLDER...`` prints the lines of ``benchmarks.txt`` for folders of benchmark pictures.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.images import is_picture, read

SIDE, KEPT = 64, 16
NEAR = 75
"""Bits of 255 in which a near-duplicate may differ. ``benchmarks/duplicates.py`` prints what is found so."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Benchmark:
    """A picture of a benchmark set and its hash, 255 signs as ±1."""

    set: str
    name: str
    signs: NDArray[np.int8]

    def __str__(self) -> str:
        return f"{self.name} of {self.set}"


def signs(pixels: NDArray[Any]) -> NDArray[np.int8]:
    """The perceptual hash of a picture H×W×3 RGB of any range: 16×16 signs, ±1, of which the first means nothing.

    They are those of the lowest frequencies of the discrete cosine transform of the luma, shrunk to 64×64 by averaging
    (after Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", §3.2.1, with 16×16 instead of 8×8
    coefficients and their signs instead of a comparison with their median). Size, compression, brightness and contrast
    hardly change them; mirroring and turning do so in a way that :func:`near` undoes.
    """
    luma = pixels @ _LUMA.astype(pixels.dtype if pixels.dtype.kind == "f" else np.float32)
    small = _averaged(_averaged(luma, SIDE).T, SIDE).T
    n = np.arange(SIDE)
    cosines = np.cos(np.pi * (n + 0.5) * n[:KEPT, None] / SIDE)
    made = np.where(cosines @ small @ cosines.T >= 0, 1, -1).astype(np.int8)
    made[0, 0] = 1
    return made


def _averaged(values: NDArray[Any], length: int) -> NDArray[np.float64]:
    """Average the rows to ``length`` rows, parts of rows counted as such."""
    edges = np.linspace(0, len(values), length + 1)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    whole = np.minimum(edges.astype(int), len(values) - 1)
    part = (edges - whole)[:, None]
    until = sums[whole] * (1 - part) + sums[whole + 1] * part
    averages: NDArray[np.float64] = np.diff(until, axis=0) / (len(values) / length)
    return averages


def near(found: NDArray[np.int8]) -> Benchmark | None:
    """The benchmark picture that a picture with the hash ``found`` is a near-duplicate of, in any of the eight symmetries."""
    known, all_signs = _known()
    alternating = np.where(np.arange(KEPT) % 2, -1, 1).astype(np.int8)
    for turned in (found, found.T):  # mirroring changes the sign of the odd frequencies
        for across in (1, alternating[None, :]):
            for down in (1, alternating[:, None]):
                different = (KEPT * KEPT - all_signs @ (turned * across * down).ravel().astype(np.int32)) // 2
                nearest = int(different.argmin())
                if different[nearest] <= NEAR:
                    return known[nearest]
    return None


@cache
def version() -> str:
    """Tells what :func:`near` knows from what it knew before, so that an older pack is looked through again."""
    return hashlib.sha256(_text().encode() + f"{SIDE} {KEPT} {NEAR}".encode()).hexdigest()[:12]


def _text() -> str:
    return files(__package__).joinpath("benchmarks.txt").read_text(encoding="utf-8")


@cache
def _known() -> tuple[list[Benchmark], NDArray[np.int32]]:
    known = []
    for line in _text().splitlines():
        if line and not line.startswith("#"):
            name, picture, digits = line.split()
            bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8))
            known.append(Benchmark(name, picture, np.where(bits, 1, -1).astype(np.int8).reshape(KEPT, KEPT)))
    return known, np.stack([benchmark.signs.ravel() for benchmark in known]).astype(np.int32)


def lines(folder: Path) -> Iterator[str]:
    """The lines of ``benchmarks.txt`` for the pictures of a set: ``folder/HR``, or ``folder`` itself."""
    pictures = folder / "HR" if (folder / "HR").is_dir() else folder
    for file in sorted(pictures.iterdir()):
        if is_picture(file):
            bits = np.packbits(signs(read(file).pixels) > 0).tobytes()
            yield f"{folder.resolve().name} {file.stem} {bits.hex()}"


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(*lines(Path(given)), sep="\n")
