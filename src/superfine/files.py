"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

BEGINNING = 40  # characters, of up to four bytes each; file systems end at 255 bytes, some at 143
_count = count()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    The data is flushed to the disk before the rename, so a crash of the machine leaves the old file or the new one. The
    temporary name starts with a dot, ends with ``.part`` and carries the process's id and a count, so concurrent writers do
    not meet. Of a long name it has only the beginning, as whatever the disk can hold is a fair name for ``path``.

    Raises
    ------
    OSError
        From creating, syncing or renaming; from a name that the disk cannot hold at once, before the block.
    """
    path = Path(path)
    with suppress(FileNotFoundError):
        path.lstat()
    part = path.with_name(f".{path.name[:BEGINNING]}.{os.getpid()}.{next(_count)}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
