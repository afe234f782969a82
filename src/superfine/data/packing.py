"""Packing: photographs are decoded in parallel, looked through for near-duplicates, and written into a pack.

What is done is in a journal, so that an interrupted run goes on, and the pack is switched to what was built at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from superfine.cores import cores
from superfine.data.duplicates import near, signs, version
from superfine.data.pack import INDEX, Entry, Pack, Pixels, Skipped
from superfine.errors import UserError
from superfine.files import alone, is_part, whole_file
from superfine.images import imresize, is_picture, read

JOURNAL = "building.jsonl"
BUILDING = ("building.hr.u8", "building.lr.u8")


@dataclass(frozen=True)
class _Job:
    """One file to be packed: its name below the source folder, and what tells whether it has changed."""

    path: Path
    file: str
    bytes: int
    modified_ns: int

    def is_of(self, entry: Entry) -> bool:
        return (self.file, self.bytes, self.modified_ns) == (entry.file, entry.bytes, entry.modified_ns)


Done = tuple[Entry, Pixels, Pixels] | Skipped


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
    begun = (out / INDEX).exists() or (out / JOURNAL).exists()
    if (
        not begun
        and out.exists()
        and any(file.name not in BUILDING and not is_part(file.name) for file in out.iterdir())
    ):
        raise UserError(f"{out}: is a folder with other things in it; name a new one")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with alone(out) as ours:
            if not ours:
                raise UserError(f"{out}: another process packs there; wait for it, or name a new folder with -o")
            old = Pack(out) if (out / INDEX).exists() else None
            if old is not None and old.scale == scale and old.is_checked and _is_current(old, jobs):
                progress(len(jobs), len(jobs))
                return old
            return _build(jobs, out, scale, old if old and old.scale == scale else None, workers or cores(), progress)
    except OSError as error:
        raise UserError(
            f"{out}: cannot write the pack ({error.strerror}); choose another folder or make room"
        ) from error


def _scan(source: Path, prefix: str) -> Iterator[_Job]:
    if not source.is_dir():
        raise UserError(f"{source}: is not a folder; give the folder that holds the photographs")
    found: list[Path] = []
    unsearchable: list[OSError] = []
    for folder, folders, files in os.walk(source, onerror=unsearchable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in files if is_picture(name)]
    # Folders that are locked and links to nowhere go the way of all files that cannot be read, and are listed.
    found += [Path(error.filename) for error in unsearchable]
    for path in sorted(found, key=lambda path: path.relative_to(source).as_posix()):
        try:
            status = path.stat()
        except OSError:
            status = path.lstat()
        yield _Job(path, prefix + path.relative_to(source).as_posix(), status.st_size, status.st_mtime_ns)


def _is_current(old: Pack, jobs: list[_Job]) -> bool:
    """Whether ``old`` holds just these files, of which those that were skipped still cannot be used."""
    skipped = {entry.file for entry in old.skipped}
    good = [job for job in jobs if job.file not in skipped]
    bad = [job for job in jobs if job.file in skipped]
    if (len(good), len(bad)) != (len(old.entries), len(skipped)):
        return False
    unchanged = all(job.is_of(entry) for job, entry in zip(good, old.entries, strict=True))
    return unchanged and all(isinstance(_convert(job, old.scale), Skipped) for job in bad)


def _convert(job: _Job, scale: int) -> Done:
    """Decode one file; runs in a worker thread (libvips and NumPy leave the interpreter free)."""
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


def _near_duplicate(job: _Job, pixels: NDArray[Any]) -> Skipped | None:
    benchmark = near(signs(pixels))
    if benchmark is None:
        return None
    return Skipped(job.file, f"is nearly {benchmark}, which is measured on; leave it out of training")


def _copied(old: Pack, i: int, job: _Job) -> Done:
    """An unchanged picture of the old pack."""
    if not old.is_checked and (duplicate := _near_duplicate(job, old.hr(i))):
        return duplicate
    return replace(old.entries[i], modified_ns=job.modified_ns), old.hr(i), old.lr(i)


def _in_order(jobs: Iterable[_Job], scale: int, old: Pack | None, workers: int) -> Iterator[Done]:
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


def _build(
    jobs: list[_Job], out: Path, scale: int, old: Pack | None, workers: int, progress: Callable[[int, int], None]
) -> Pack:
    entries, skipped, todo = _resume(jobs, out, scale)
    with ExitStack() as stack:
        hr_file, lr_file = (stack.enter_context((out / name).open("ab")) for name in BUILDING)
        journal = stack.enter_context((out / JOURNAL).open("a", encoding="utf-8"))
        if not entries and not skipped:
            journal.write(_header(scale) + "\n")
        for done in _in_order(todo, scale, old, workers):
            if isinstance(done, Skipped):
                skipped.append(done)
                journal.write(json.dumps({"skipped": asdict(done)}) + "\n")
            else:
                entry, hr, lr = done
                _append(hr_file, hr)
                _append(lr_file, lr)
                entries.append(entry)
                line = {"entry": asdict(entry), "lr": hashlib.sha256(np.ascontiguousarray(lr).data).hexdigest()}
                journal.write(json.dumps(line) + "\n")
            journal.flush()
            progress(len(entries) + len(skipped), len(jobs))
        os.fsync(hr_file.fileno())
        os.fsync(lr_file.fileno())
    if not entries:
        for name in (*BUILDING, JOURNAL):
            (out / name).unlink()
        reasons = "; ".join(f"{skip.file}: {skip.reason}" for skip in skipped[:3])
        raise UserError(f"{out}: none of the {len(jobs)} pictures could be packed ({reasons}); nothing was written")
    return _publish(out, scale, entries, skipped)


def _header(scale: int) -> str:
    """The journal's first line: what must be as it was for an interrupted run to be continued."""
    return json.dumps({"scale": scale, "near_duplicates_left_out": version()})


def _append(file: BinaryIO, pixels: Pixels) -> None:
    file.write(np.ascontiguousarray(pixels).data)
    file.flush()


def _resume(jobs: list[_Job], out: Path, scale: int) -> tuple[list[Entry], list[Skipped], list[_Job]]:
    """What an interrupted run has done: its journal up to the first file that is not as it was, and what remains.

    A file that could not be used counts as it was if it still cannot. Of the pictures what is on the disk must be what was
    written: a crash of the machine may leave less, or zeros in its place. What lies behind them is cut.
    """
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    lines = []
    if (out / JOURNAL).exists():
        lines = (out / JOURNAL).read_text(encoding="utf-8").splitlines()
    kept = 0
    with ExitStack() as stack:
        files = [stack.enter_context((out / name).open("a+b")) for name in BUILDING]
        for file in files:
            file.seek(0)
        journal = zip(jobs, lines[1:], strict=False) if lines and lines[0] == _header(scale) else ()
        for job, line in journal:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break
            if "entry" in record and job.is_of(entry := Entry(**record["entry"])):
                lengths = entry.hr_bytes(), entry.hr_bytes() // scale**2
                there = [
                    hashlib.sha256(file.read(length)).hexdigest() for file, length in zip(files, lengths, strict=True)
                ]
                if there != [entry.sha256, record["lr"]]:
                    break
                entries.append(entry)
            elif "skipped" in record and record["skipped"]["file"] == job.file:
                if not isinstance(done := _convert(job, scale), Skipped):
                    break
                skipped.append(done)
            else:
                break
            kept += 1
        size = sum(entry.hr_bytes() for entry in entries)
        for file, length in zip(files, (size, size // scale**2), strict=True):
            file.truncate(length)
    header = lines[: kept + 1] if kept else []
    with whole_file(out / JOURNAL) as part:
        part.write_text("".join(line + "\n" for line in header), encoding="utf-8")
    return entries, skipped, jobs[kept:]


def _publish(out: Path, scale: int, entries: list[Entry], skipped: list[Skipped]) -> Pack:
    """Give the built files their names, point ``pack.json`` to them, and remove what it no longer names."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.height} {entry.width} {entry.sha256}\n".encode())
    sha256 = digest.hexdigest()
    names = [f"{kind}-{sha256[:12]}.u8" for kind in ("hr", "lr")]
    for built, name in zip(BUILDING, names, strict=True):
        (out / built).replace(out / name)
    index = {
        "format": 1,
        "scale": scale,
        "sha256": sha256,
        "near_duplicates_left_out": version(),
        "files": names,
        "pictures": [asdict(entry) for entry in entries],
        "skipped": [asdict(entry) for entry in skipped],
    }
    with whole_file(out / INDEX) as part:
        part.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    (out / JOURNAL).unlink()
    for stale in [*out.glob("hr-*.u8"), *out.glob("lr-*.u8")]:
        if stale.name not in names:
            stale.unlink()
    return Pack(out)
