"""Writing a pack: picture after picture, with a journal of what is done.

An interrupted run goes on from its journal, and the pack is switched to what was built at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from superfine.data.duplicates import version
from superfine.data.pack import INDEX, JOURNAL, Entry, Pack, Pixels, Skipped
from superfine.errors import UserError
from superfine.files import alone, is_part, whole_file

BUILDING = ("building.hr.u8", "building.lr.u8")

Done = tuple[Entry, Pixels, Pixels] | Skipped
"""A picture with its low-resolution twin, or why there is none."""


@dataclass(frozen=True)
class Job:
    """One picture to be made: the file it comes from, by its name in the pack, and what tells whether it has changed."""

    file: str
    bytes: int
    modified_ns: int

    def is_of(self, entry: Entry) -> bool:
        return (self.file, self.bytes, self.modified_ns) == (entry.file, entry.bytes, entry.modified_ns)


J = TypeVar("J", bound=Job)


@contextmanager
def folder_for(out: Path) -> Iterator[Pack | None]:
    """In the block, ``out`` is a folder in which no other process packs; gives the pack that is there.

    Raises
    ------
    UserError
        Another process packs there, the folder is something else, or cannot be written, in the block too.
    """
    try:
        begun = (out / INDEX).exists() or (out / JOURNAL).exists()
        if (
            not begun
            and out.exists()
            and any(file.name not in BUILDING and not is_part(file.name) for file in out.iterdir())
        ):
            raise UserError(f"{out}: is a folder with other things in it; name a new one")
        out.mkdir(parents=True, exist_ok=True)
        with alone(out) as ours:
            if not ours:
                raise UserError(f"{out}: another process packs there; wait for it, or name a new folder with -o")
            yield Pack(out) if (out / INDEX).exists() else None
    except OSError as error:
        raise UserError(
            f"{out}: cannot write the pack ({error.strerror}); choose another folder or make room"
        ) from error


def build(
    jobs: Sequence[J],
    out: Path,
    scale: int,
    convert: Callable[[Sequence[J]], Iterator[Done]],
    *,
    teacher: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pack:
    """Write the pack of ``jobs`` into the folder ``out``, which :func:`folder_for` made, going on where it was interrupted.

    Parameters
    ----------
    convert : makes the pictures of some of the jobs, in their order.
    teacher : what made the pictures, if they are not photographs; see :class:`superfine.data.Pack`.
    progress : called with (jobs done, jobs in all) after each.

    Raises
    ------
    UserError
        No picture could be made; in the folder is the beginning of a pack by another teacher, or of photographs.
    """
    _check_begun(out, teacher)
    entries, skipped, todo = _resume(jobs, out, scale, convert, header := _header(scale, teacher))
    with ExitStack() as stack:
        hr_file, lr_file = (stack.enter_context((out / name).open("ab")) for name in BUILDING)
        journal = stack.enter_context((out / JOURNAL).open("a", encoding="utf-8"))
        if not entries and not skipped:
            journal.write(header + "\n")
        for done in convert(todo):
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
    return _publish(out, scale, entries, skipped, teacher)


def _header(scale: int, teacher: dict[str, Any] | None) -> str:
    """The journal's first line: what must be as it was for an interrupted run to be continued."""
    made_by = {} if teacher is None else {"teacher": teacher}
    return json.dumps({"scale": scale, "near_duplicates_left_out": version()} | made_by)


def _check_begun(out: Path, teacher: dict[str, Any] | None) -> None:
    """Refuse to throw away what another teacher has begun: it may have taken hours."""
    try:
        with (out / JOURNAL).open(encoding="utf-8") as journal:
            known = json.loads(journal.readline()).get("teacher")
            begun = bool(journal.readline())
    except (FileNotFoundError, ValueError, AttributeError):
        return  # nothing that could be continued
    if begun and known != teacher:
        raise UserError(f"{out}: holds the beginning of another pack; delete it, or name a new folder with -o")


def _append(file: BinaryIO, pixels: Pixels) -> None:
    file.write(np.ascontiguousarray(pixels).data)
    file.flush()


def _resume(
    jobs: Sequence[J], out: Path, scale: int, convert: Callable[[Sequence[J]], Iterator[Done]], header: str
) -> tuple[list[Entry], list[Skipped], Sequence[J]]:
    """What an interrupted run has done: its journal up to the first file that is not as it was, and what remains.

    A file that could not be used counts as it was if it still cannot. Of the pictures what is on the disk must be what was
    written: a crash of the machine may leave less, or zeros in its place. What lies behind them is cut.
    """
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    lines = []
    if (out / JOURNAL).exists():
        lines = (out / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines()
    kept = 0
    with ExitStack() as stack:
        files = [stack.enter_context((out / name).open("a+b")) for name in BUILDING]
        for file in files:
            file.seek(0)
        journal = zip(jobs, lines[1:], strict=False) if lines and lines[0] == header else ()
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
                if not isinstance(done := next(convert([job])), Skipped):
                    break
                skipped.append(done)
            else:
                break
            kept += 1
        size = sum(entry.hr_bytes() for entry in entries)
        for file, length in zip(files, (size, size // scale**2), strict=True):
            file.truncate(length)
    known = lines[: kept + 1] if kept else []
    with whole_file(out / JOURNAL) as part:
        part.write_text("".join(line + "\n" for line in known), encoding="utf-8")
    return entries, skipped, jobs[kept:]


def _publish(
    out: Path, scale: int, entries: list[Entry], skipped: list[Skipped], teacher: dict[str, Any] | None
) -> Pack:
    """Give the built files their names, point ``pack.json`` to them, and remove what it no longer names."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.height} {entry.width} {entry.sha256}\n".encode())
    sha256 = digest.hexdigest()
    names = [f"{kind}-{sha256[:12]}.u8" for kind in ("hr", "lr")]
    index = {
        "format": 1,
        "scale": scale,
        "sha256": sha256,
        "near_duplicates_left_out": version(),
        "files": names,
        "pictures": [asdict(entry) for entry in entries],
        "skipped": [asdict(entry) for entry in skipped],
    }
    if teacher is not None:
        index["teacher"] = teacher
    with whole_file(out / INDEX) as part:
        part.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        # With no room for the index, the files keep the names under which the next attempt finds them.
        for built, name in zip(BUILDING, names, strict=True):
            (out / built).replace(out / name)
    (out / JOURNAL).unlink()
    for stale in [*out.glob("hr-*.u8"), *out.glob("lr-*.u8")]:
        if stale.name not in names:
            stale.unlink()
    return Pack(out)
