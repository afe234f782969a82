"""What was measured before, found by what it was measured on, so that nothing is computed twice."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from superfine.files import user_cache, whole_file
from superfine.version import __version__


def cache_folder() -> Path:
    """The folder ``superfine/evaluation`` in ``XDG_CACHE_HOME``, which is ``~/.cache`` by default."""
    return user_cache() / "superfine" / "evaluation"


def key(**parts: Any) -> str:
    """SHA-256 of ``parts``, which JSON can hold; their order does not matter."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode()).hexdigest()


@cache
def library_versions() -> str:
    """Of those that compute networks, as another version may give other values."""
    found = []
    for library in ("openvino", "torch"):
        with suppress(PackageNotFoundError):
            found.append(f"{library} {version(library)}")
    return ", ".join(found)


@dataclass
class Entry:
    """What is known of one result: its metrics' values, and the SHA-256 of the PNG file that it makes.

    ``note`` is what to know of the picture, ``seconds`` the time that one took.
    """

    values: dict[str, float] = field(default_factory=dict)
    png: str = ""
    note: str = ""
    seconds: float | None = None


class Cache:
    """Entries, each a small JSON file that appears whole or not at all; several processes may share the folder.

    An entry that is missing, or damaged, as a crash of the machine may leave it, counts as unknown. A folder that cannot be
    written to is said once, and nothing is kept.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda text: None) -> None:
        self.folder = folder
        self._say = say
        self._refused = False

    def read(self, key: str) -> Entry | None:
        """The entry of ``key``, or None."""
        try:
            data = json.loads(self._file(key).read_text(encoding="utf-8"))
            values = {str(name): float(value) for name, value in data["values"].items()}
            seconds = None if data["seconds"] is None else float(data["seconds"])
            entry = Entry(values, str(data["png"]), str(data["note"]), seconds)
            damaged = any(map(math.isnan, values.values())) or not (seconds is None or 0 < seconds < math.inf)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return None if damaged else entry

    def write(self, key: str, entry: Entry) -> None:
        """Keep an entry. Infinite values are kept as JSON has no number for them: as text."""
        values: Mapping[str, float | str] = {
            name: value if math.isfinite(value) else str(value) for name, value in entry.values.items()
        }
        data = {"values": values, "png": entry.png, "note": entry.note, "seconds": entry.seconds}
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(file, flush=False) as part:
                part.write_text(json.dumps(data, allow_nan=False), encoding="utf-8")
        except OSError as error:
            if not self._refused:
                self._refused = True
                self._say(f"{self.folder}: {error.strerror}; what is measured now is not kept for the next time")

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.json"


@cache
def code_version() -> str:
    """The version of the code that measures: superfine's, and a hash of the files that a value depends on.

    These are the code and data, such as NIQE's model, of three packages, and what makes pairs and results of pictures here.
    """
    from superfine import engine, images, metrics

    here = Path(__file__).parent
    found = [(here, here / name) for name in ("benchmark.py", "methods.py", "ruler.py", "sets.py")]
    for package in (engine, images, metrics):
        folder = Path(package.__path__[0])
        files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        found += [(folder, file) for file in sorted(files)]
    digest = hashlib.sha256()
    for folder, file in found:
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{__version__}-{digest.hexdigest()[:16]}"
