"""The pack: photographs decoded once, or what a teacher made of them, in one memory-mapped file, and their twins in another.

A pack is a folder. ``pack.json`` is its only point of truth: it names the two files of raw uint8 RGB pixels (picture after
picture, rows × columns × 3) and lists the pictures with their sizes and hashes. Because it is replaced last, and whole, a
pack is the old one or the new one at any moment, and a run that reads the old one keeps the files it has mapped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.data.duplicates import version
from superfine.errors import UserError

Pixels = NDArray[np.uint8]

INDEX = "pack.json"
JOURNAL = "building.jsonl"
"""What is done of a pack that is being made."""


@dataclass(frozen=True)
class Entry:
    """One picture of a pack: where it came from, and its size after the crop to a multiple of the scale."""

    file: str
    bytes: int
    modified_ns: int
    height: int
    width: int
    sha256: str

    def hr_bytes(self) -> int:
        return self.height * self.width * 3


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the pack, and why."""

    file: str
    reason: str


class Pack:
    """An opened pack.

    ``entries`` are its pictures, ``scale`` the factor between a picture and its twin, ``sha256`` the hash of all pixels in
    their order, and ``skipped`` the files that could not be packed. ``teacher`` tells what made the pictures where they are the
    results of a model (:func:`superfine.data.teaching.teach`): its name, weights and the hash of the photographs' pack, ``of``.
    """

    def __init__(self, path: Path) -> None:
        """Open the pack folder ``path``.

        Raises
        ------
        UserError
            Not a pack, or its files are damaged or cannot be read.
        """
        self.path = Path(path)
        try:
            index = json.loads((self.path / INDEX).read_text(encoding="utf-8"))
            if index["format"] != 1:
                raise UserError(
                    f"{path}: is a pack of format {index['format']}; make it again with superfine data pack"
                )
            self.scale: int = index["scale"]
            self.sha256: str = index["sha256"]
            self.entries = [Entry(**entry) for entry in index["pictures"]]
            self.skipped = [Skipped(**entry) for entry in index["skipped"]]
            self._checked: str | None = index.get("near_duplicates_left_out")
            self.teacher: dict[str, Any] | None = index.get("teacher")
            sizes = [entry.hr_bytes() for entry in self.entries]
            self._hr_offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
            self._hr = self._map(index["files"][0], int(self._hr_offsets[-1]))
            self._lr = self._map(index["files"][1], int(self._hr_offsets[-1]) // self.scale**2)
        except (FileNotFoundError, NotADirectoryError):
            if (self.path / JOURNAL).is_file():
                raise UserError(
                    f"{path}: is only begun; give the command that makes it again, and it goes on"
                ) from None
            raise UserError(f"{path}: is not a pack; make one with superfine data pack FOLDER -o {path}") from None
        except UserError:
            raise
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be read: {error.strerror}; check its permissions") from None
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise UserError(
                f"{path}: its {INDEX} is damaged ({error}); delete the folder and make the pack again"
            ) from None

    def __len__(self) -> int:
        return len(self.entries)

    def _map(self, name: str, size: int) -> Pixels:
        file = self.path / name
        actual = file.stat().st_size if file.is_file() else 0
        if actual != size:
            raise UserError(f"{file}: has {actual} bytes instead of {size}; delete the folder and make the pack again")
        return np.memmap(file, np.uint8, "r") if size else np.empty(0, np.uint8)

    def hr(self, i: int) -> Pixels:
        """Picture ``i``, H×W×3 RGB uint8, a view of the memory map."""
        entry = self.entries[i]
        return self._hr[self._hr_offsets[i] : self._hr_offsets[i + 1]].reshape(entry.height, entry.width, 3)

    def lr(self, i: int) -> Pixels:
        """The low-resolution twin of picture ``i``, H/s×W/s×3 RGB uint8, a view of the memory map."""
        entry, area = self.entries[i], self.scale**2
        flat = self._lr[self._hr_offsets[i] // area : self._hr_offsets[i + 1] // area]
        return flat.reshape(entry.height // self.scale, entry.width // self.scale, 3)

    def flat(self) -> tuple[Pixels, Pixels]:
        """The bytes of all pictures, one behind the other, and those of all twins: views of the memory maps."""
        return self._hr, self._lr

    @property
    def is_checked(self) -> bool:
        """Whether it was made without near-duplicates of the benchmark pictures, all that are known today."""
        return self._checked == version()

    def refuse_unchecked(self) -> None:
        """Before anything is learnt from it.

        Raises
        ------
        UserError
            It was made without this search, or when less was known.
        """
        if not self.is_checked:
            raise UserError(
                f"{self.path}: was not searched for near-duplicates of the benchmark pictures that are known today; make it "
                "again with superfine data pack, which copies what has not changed"
            )

    @property
    def megapixels(self) -> float:
        """Pixels of all high-resolution pictures, in millions."""
        return float(self._hr_offsets[-1]) / 3e6
