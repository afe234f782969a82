"""Files that appear whole or not at all, locks on them, their hashes, and names for them."""

import errno
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

from superfine.errors import UserError

if sys.platform != "win32":
    import fcntl

BEGINNING = 40  # characters, of up to four bytes each; file systems end at 255 bytes, some at 143
_count = count()
_writing: set[str] = set()  # names, which no two writers share: one folder may be written to under several
_swept: set[Path] = set()


@contextmanager
def whole_file(path: Path, *, flush: bool = True, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    What is at ``path`` is replaced, or kept without ``replace``, also if it came there during the block.

    The data is flushed to the disk before the rename, so a crash of the machine leaves the old file or the new one; without
    ``flush``, which takes milliseconds, it may leave one that is empty or cut short. The temporary name starts with a dot, ends
    with ``.part`` and carries the process's id and a count, so concurrent writers do not meet. Of a long name it has only the
    beginning, as whatever the disk can hold is a fair name for ``path``.

    A process that is killed leaves its temporary file behind. Whoever first writes to that folder afterwards removes it.

    Raises
    ------
    OSError
        From creating, syncing or renaming; from a name that the disk cannot hold at once, before the block.
    FileExistsError
        There is something at ``path``, and ``replace`` is False.
    """
    path = Path(path)
    with suppress(FileNotFoundError):
        path.lstat()
    _sweep(path.parent.absolute())
    part = path.with_name(part_name(path.name, os.getpid(), next(_count)))
    _writing.add(part.name)
    try:
        yield part
        if flush:
            with part.open("r+b") as file:  # Windows flushes only what may be written
                os.fsync(file.fileno())
        if replace:
            part.replace(path)
        else:
            _move(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    finally:
        _writing.discard(part.name)


def _move(part: Path, path: Path) -> None:
    """Rename, unless there is something at ``path``."""
    try:
        os.link(part, path)
    except OSError as error:
        # Not every disk has hard links; there it is seen a moment before.
        if isinstance(error, FileExistsError) or os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.replace(path)
    else:
        part.unlink()


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder, which is removed after the block.

    Raises
    ------
    UserError
        None can be made.
    """
    try:
        directory = tempfile.TemporaryDirectory(prefix="superfine-", ignore_cleanup_errors=True)
    except OSError as error:
        raise UserError(
            f"no temporary folder can be made: {error.strerror}; free some space, or set TMPDIR to a folder that has some"
        ) from None
    with directory as path:
        yield Path(path)


def lock(file: IO[bytes] | int, *, wait: bool) -> bool:
    """Take the advisory lock of an open file or folder; the system gives it back when that is closed, or the process ends.

    Whether this process has it now, with ``wait`` always. True also where the system, or its disk, has no such locks.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Take the lock of a folder for the block; yields whether no other process has it, with ``wait`` always.

    A folder that another was put in place of meanwhile is waited for again. Always so on Windows, where no folder can be
    opened.

    Raises
    ------
    OSError
        The folder cannot be opened.
    """
    if sys.platform == "win32":
        yield True
        return
    while True:
        opened = os.open(folder, os.O_RDONLY)
        try:
            ours = lock(opened, wait=wait)
            if not wait or os.path.samestat(os.fstat(opened), folder.stat()):
                yield ours
                return
        finally:
            os.close(opened)


def user_cache() -> Path:
    """The folder for what can be made or fetched again: ``XDG_CACHE_HOME``, which is ``~/.cache`` by default."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def part_name(name: str, pid: int, number: int) -> str:
    """The name of the temporary file in which the process ``pid`` of this machine writes what will be called ``name``."""
    return f".{name[:BEGINNING]}.{_machine()}-{pid}.{number}.part"


def is_part(name: str) -> bool:
    """Whether this is the name of such a temporary file, of any process on any machine."""
    return name.startswith(".") and name.endswith(".part")


def sha256_of(path: Path) -> str:
    """The hash of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_folder(path: Path) -> bool:
    """Whether this is a folder; not, where that cannot be seen: ``Path.is_dir`` raises for names that are too long, and for
    what lies in a folder that is closed."""
    with suppress(OSError):
        return path.is_dir()
    return False


def resolved(path: Path) -> Path:
    """Where a path leads, to be compared: links followed, and names without case in folders whose disk has none."""
    return _as_compared(Path(os.path.realpath(path)))  # Path.resolve raises for loops of links


def _as_compared(path: Path) -> Path:
    folder = path.parent
    if folder == path:
        return path
    return _as_compared(folder) / (path.name.casefold() if _is_caseless(folder) else path.name)


@cache
def _is_caseless(folder: Path) -> bool:
    """Whether the disk takes names in this folder for equal that differ in case; a guess where no name is there to try."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (other := entry.name.swapcase()) != entry.name:
                with suppress(OSError):
                    return os.path.samestat(os.lstat(entry.path), (folder / other).lstat())
                return False
    return sys.platform in ("darwin", "win32")


def folder_name(name: str) -> str:
    """``name`` with "_" for what a file's name may not hold on some system, such as the colon of ``compact-x4:0.6``."""
    plain = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name)
    return "_" if plain in ("", ".", "..") else plain


def _sweep(folder: Path) -> None:
    """Remove what processes that are no more have left in a folder; once, as looking through a large one takes time."""
    if folder in _swept:
        return
    _swept.add(folder)
    ours = re.compile(rf"\..*\.{_machine()}-(\d{{1,10}})\.\d+\.part", re.DOTALL)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (match := ours.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                pid = int(match[1])
                # A container's processes often have the same id each time.
                if entry.name not in _writing if pid == os.getpid() else not _is_alive(pid):
                    with suppress(OSError):
                        (folder / entry.name).unlink()


@cache
def _machine() -> str:
    """Tells apart those whose processes cannot be seen from here: other machines, and containers on this one."""
    import platform
    from zlib import crc32

    names = platform.node()
    with suppress(OSError):
        names += str(Path("/proc/self/ns/pid").readlink())
    return f"{crc32(names.encode(errors='surrogateescape')):08x}"


def _is_alive(pid: int) -> bool:
    """Whether there is such a process; one of another user counts, and one that took the id of another."""
    if sys.platform == "win32":
        # os.kill would end it.
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        synchronise, access_denied, still_running = 0x100000, 5, 0x102
        handle = kernel.OpenProcess(synchronise, False, pid)
        if not handle:
            return ctypes.get_last_error() == access_denied
        try:
            return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == still_running)
        finally:
            kernel.CloseHandle(ctypes.c_void_p(handle))
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
