"""Archives of pictures, unpacked completely or refused, and nowhere but into their folder."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from superfine.errors import UserError
from superfine.images import is_picture

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""What the standard library raises for archives that are damaged, encrypted or packed in an unknown way."""


@dataclass(frozen=True)
class Member:
    """A picture of an archive: its path there, its bytes, and how to read it."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folder: Path,
    *,
    pictures: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Unpack the pictures of a zip or tar archive into the new ``folder``, without the folder around them, if there is one.

    Parameters
    ----------
    pictures : how many there must be, where known.
    progress : called with (bytes unpacked, bytes in all).

    Returns
    -------
    The number of pictures.

    Raises
    ------
    UserError
        A damaged archive, another number of pictures, a member that is a link or would lie outside the folder, too little
        room.
    OSError
        From writing. After any of them, ``folder`` may hold a part.
    """
    try:
        with _members(archive) as members:
            if not members or pictures not in (None, len(members)):
                wanted = "" if pictures is None else f", not {pictures}"
                raise UserError(
                    f"{archive}: holds {len(members)} pictures{wanted}; delete it and run the command again"
                )
            needed, free = sum(member.size for member in members), shutil.disk_usage(archive.parent).free
            if free < needed:
                raise UserError(f"{folder}: takes {needed} bytes, {free} are free; make room or choose another folder")
            _write(members, folder, progress)
            return len(members)
    except DAMAGED as error:
        cause = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
        raise UserError(f"{archive}: is damaged ({cause}); delete it and run the command again") from None


def _write(members: list[Member], folder: Path, progress: Callable[[int, int], None]) -> None:
    folder.mkdir()
    shared = len({member.path.parts[0] for member in members}) == 1 and all(len(m.path.parts) > 1 for m in members)
    done, total = 0, sum(member.size for member in members)
    for member in members:
        progress(done, total)
        target = folder.joinpath(*member.path.parts[shared:])
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("xb") as file:
            shutil.copyfileobj(source, file)
        done += member.size
    progress(done, total)


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    """The pictures of an archive, in its order, once all that it holds was found to be harmless."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield _chosen(archive, _of_zip(archive, packed))
    else:
        with tarfile.open(archive) as packed:
            yield _chosen(archive, _of_tar(archive, packed))


def _of_zip(archive: Path, packed: zipfile.ZipFile) -> Iterator[Member]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _unsafe(archive, info.filename)
        if not info.is_dir():
            yield Member(_path(archive, info.filename), info.file_size, partial(packed.open, info))


def _of_tar(archive: Path, packed: tarfile.TarFile) -> Iterator[Member]:
    for info in packed.getmembers():
        if not (info.isreg() or info.isdir()):
            raise _unsafe(archive, info.name)
        if info.isreg():
            yield Member(_path(archive, info.name), info.size, partial(_extract, packed, info))


def _extract(packed: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = packed.extractfile(info)
    assert file is not None, "a regular file"
    return file


def _path(archive: Path, name: str) -> PurePosixPath:
    """A member's path, which stays below the folder on every system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(sign in name for sign in "\\:\0"):
        raise _unsafe(archive, name)
    return path


def _unsafe(archive: Path, name: str) -> UserError:
    return UserError(f"{archive}: {name!r} in it is a link or lies outside its folder; nothing was unpacked, delete it")


def _chosen(archive: Path, members: Iterator[Member]) -> list[Member]:
    found = list(members)
    chosen = [m for m in found if is_picture(Path(m.path.name)) and not any(part[0] in "._" for part in m.path.parts)]
    if len({member.path for member in chosen}) != len(chosen):
        raise UserError(f"{archive}: holds a picture twice; delete it and run the command again")
    return chosen
