"""Packing: photographs are decoded in parallel, looked through for near-duplicates, and written into a pack."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.cores import cores
from superfine.data.building import Done, Job, build, folder_for
from superfine.data.duplicates import near, signs
from superfine.data.pack import Entry, Pack, Skipped
from superfine.errors import UserError
from superfine.files import is_folder
from superfine.images import imresize, is_picture, is_unread, read


@dataclass(frozen=True)
class _File(Job):
    """One file to be packed."""

    path: Path


def pack(
    sources: Path | Sequence[Path],
    out: Path,
    *,
    scale: int = 4,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pack:
    """Pack all pictures below a folder, or several, into the pack folder ``out``.

    Pictures are decoded to 8-bit RGB, cropped at the right and the bottom to a multiple of ``scale``, and shrunk with
    MATLAB's bicubic ``imresize`` to their twin. They are packed in the order of their names, so the same photographs make the
    same pack whatever the number of workers. Pictures that an earlier run packed and that have not changed since (size and
    modification time) are copied, not decoded; an interrupted run is continued. Near-duplicates of the benchmark sets
    (:mod:`superfine.data.duplicates`) are skipped, also those that an earlier version packed.

    Parameters
    ----------
    progress : called with (files done, files in all) after each file.

    Raises
    ------
    UserError
        A source is no folder or holds no pictures, two have one name, no picture could be packed, ``out`` cannot be written
        or is something else, or a number is out of range.
    """
    if scale < 2:
        raise UserError(f"scale {scale}: give 2 or more")
    if workers is not None and workers < 1:
        raise UserError(f"workers {workers}: give 1 or more")
    sources = [Path(sources)] if isinstance(sources, str | os.PathLike) else [Path(source) for source in sources]
    out = Path(out)
    names = [source.resolve().name for source in sources]
    if len(set(names)) < len(names):
        raise UserError(
            f"{', '.join(map(str, sources))}: have the same name; rename one, the pack tells them apart by it"
        )
    jobs = []
    for source, name in zip(sources, names, strict=True):
        found = list(_scan(source, f"{name}/" if len(sources) > 1 else ""))
        if not found:
            raise UserError(f"{source}: holds no pictures; give a folder with PNG, JPEG, WebP, TIFF or AVIF files")
        jobs += found
    with folder_for(out) as old:
        if old is not None and old.teacher is not None:
            raise UserError(f"{out}: holds what a teacher made; name a new folder with -o")
        if old is not None and old.scale != scale:
            old = None
        if old is not None and old.is_checked and _is_current(old, jobs):
            progress(len(jobs), len(jobs))
            return old
        converted = partial(_in_order, scale=scale, old=old, workers=workers or cores())
        return build(jobs, out, scale, converted, progress=progress)


def _scan(source: Path, prefix: str) -> Iterator[_File]:
    if not source.is_dir():
        raise UserError(f"{source}: is not a folder; give the folder that holds the photographs")
    found: list[Path] = []
    unsearchable: list[OSError] = []
    for folder, folders, files in os.walk(source, onerror=unsearchable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in files if is_picture(name) or is_unread(name)]
        found += [path for path in (Path(folder, name) for name in folders) if path.is_symlink()]
    # Locked folders, pictures of kinds that are not read and links to nowhere are listed as all files that cannot be read.
    found += [Path(error.filename) for error in unsearchable]
    for path in sorted(found, key=lambda path: path.relative_to(source).as_posix()):
        try:
            status = path.stat()
        except OSError:
            status = path.lstat()
        yield _File(prefix + path.relative_to(source).as_posix(), status.st_size, status.st_mtime_ns, path)


def _is_current(old: Pack, jobs: list[_File]) -> bool:
    """Whether ``old`` holds just these files, of which those that were skipped still cannot be used."""
    skipped = {entry.file for entry in old.skipped}
    good = [job for job in jobs if job.file not in skipped]
    bad = [job for job in jobs if job.file in skipped]
    if (len(good), len(bad)) != (len(old.entries), len(skipped)):
        return False
    unchanged = all(job.is_of(entry) for job, entry in zip(good, old.entries, strict=True))
    return unchanged and all(isinstance(_convert(job, old.scale), Skipped) for job in bad)


def _convert(job: _File, scale: int) -> Done:
    """Decode one file; runs in a worker thread (libvips and NumPy leave the interpreter free)."""
    if is_folder(job.path) and job.path.is_symlink():
        return Skipped(job.file, "is a link to a folder, and not searched; give what it leads to as another folder")
    try:
        picture = read(job.path)
    except UserError as error:
        return Skipped(job.file, str(error).removeprefix(f"{job.path}: "))
    height, width = (length - length % scale for length in picture.pixels.shape[:2])
    if not height or not width:
        return Skipped(job.file, f"is smaller than {scale}×{scale} pixels; leave it out")
    if picture.alpha is not None and picture.alpha.min() < 1.0:
        return Skipped(job.file, "is partly transparent; flatten it first")
    if duplicate := _near_duplicate(job, picture.pixels):
        return duplicate
    hr = np.rint(picture.pixels[:height, :width] * np.float32(255)).astype(np.uint8)
    entry = Entry(job.file, job.bytes, job.modified_ns, height, width, hashlib.sha256(hr).hexdigest())
    return entry, hr, imresize(hr, scale=1 / scale)


def _near_duplicate(job: _File, pixels: NDArray[Any]) -> Skipped | None:
    benchmark = near(signs(pixels))
    if benchmark is None:
        return None
    return Skipped(job.file, f"is nearly {benchmark}, which is measured on; leave it out of training")


def _copied(old: Pack, i: int, job: _File) -> Done:
    """An unchanged picture of the old pack."""
    if not old.is_checked and (duplicate := _near_duplicate(job, old.hr(i))):
        return duplicate
    return replace(old.entries[i], modified_ns=job.modified_ns), old.hr(i), old.lr(i)


def _in_order(jobs: Iterable[_File], *, scale: int, old: Pack | None, workers: int) -> Iterator[Done]:
    """Convert the jobs in parallel, and yield them in their order; at most a few pictures are held at a time."""
    known = {entry.file: i for i, entry in enumerate(old.entries)} if old else {}
    pending: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in jobs:
                i = known.get(job.file)
                if old is not None and i is not None and job.is_of(old.entries[i]):
                    pending.append(pool.submit(_copied, old, i, job))
                else:
                    pending.append(pool.submit(_convert, job, scale))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
