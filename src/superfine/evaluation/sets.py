"""Benchmark sets: folders of originals and twins under a name, with the hashes of their files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superfine.errors import UserError
from superfine.files import folder_name, sha256_of
from superfine.metrics.pairs import Item, Pair, find_pairs, own_name, read_pair


@dataclass(frozen=True)
class BenchmarkSet:
    """The pictures of a folder, in the order of their names."""

    name: str
    scale: int
    items: tuple[Item, ...]
    _hashes: dict[Path, str] = field(default_factory=dict, repr=False, compare=False)

    def fingerprint(self, item: Item) -> tuple[str, str]:
        """SHA-256 of the original's file and of its twin's; ``made`` for a twin that is made here.

        Raises
        ------
        UserError
            The item has a problem, or a file cannot be read.
        """
        if item.problem or item.hr is None:
            raise UserError(item.problem)
        return self._sha256(item.hr), "made" if item.lr is None else self._sha256(item.lr)

    def _sha256(self, file: Path) -> str:
        if file not in self._hashes:
            self._hashes[file] = sha256(file)
        return self._hashes[file]

    def pair(self, item: Item) -> Pair:
        """Decode an item; see :func:`superfine.metrics.pairs.read_pair`."""
        return read_pair(item, self.scale)


def open_sets(folders: Sequence[Path], scale: int) -> tuple[BenchmarkSet, ...]:
    """Look into the folders of sets; see :func:`open_set`.

    Raises
    ------
    UserError
        As :func:`open_set`; two sets of one name, as tables could not tell them apart.
    """
    sets: dict[str, BenchmarkSet] = {}
    for folder in folders:
        bench = open_set(folder, scale)
        # Their pictures are kept, and those of other tools found, in folders of these names, whatever their case.
        name = folder_name(bench.name).casefold()
        if name in sets:
            raise UserError(
                f"{folder}: another set is called {sets[name].name} too; give each folder once, or rename one"
            )
        sets[name] = bench
    return tuple(sets.values())


def open_set(folder: Path, scale: int) -> BenchmarkSet:
    """Look into the folder of a set, whose name it bears; see :func:`superfine.metrics.pairs.find_pairs`.

    Raises
    ------
    UserError
        No such folder, no pictures in it, two originals of one name.
    """
    return BenchmarkSet(own_name(folder), scale, find_pairs(folder, scale))


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises
    ------
    UserError
        It cannot be read.
    """
    try:
        return sha256_of(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}; check the file and its permissions") from None
