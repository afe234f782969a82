"""Which files are enlarged, and where each result goes."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from os.path import realpath  # Path.resolve raises for loops of links
from pathlib import Path

from superfine.errors import UserError
from superfine.files import is_folder, resolved
from superfine.images import FORMATS, is_picture, is_unread
from superfine.images.formats import READ_ONLY_SUFFIXES, SUFFIXES

_LABEL = re.compile(r"@(\d+(\.\d+)?x|\d+w|\d+h|\d+x\d+)$")
"""How the names of results end that lie beside their pictures: :attr:`superfine.engine.result_size.ResultSize.label`."""


@dataclass(frozen=True)
class Job:
    """One picture to enlarge; ``named`` if the user gave the file itself rather than a folder that holds it.

    ``problem`` says why it cannot be, where that is known before.
    """

    source: Path
    target: Path
    named: bool
    problem: str = ""


def plan_jobs(
    inputs: Sequence[Path],
    output: str | Path | None,
    *,
    label: str = "4x",
    format: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Job]:
    """Find the pictures and decide where each result goes.

    - Without ``output``, beside the input: ``photo.jpg`` becomes ``photo@4x.jpg``, with ``label`` behind the ``@``.
    - ``output`` with a suffix, for one input file, is the file; otherwise, or where its text ends in a slash, it is a folder,
      in which files keep their name and folders are mirrored.
    - A result has the input's format, or PNG if superfine does not write that.
    - Folders are searched to any depth for pictures. Left out are hidden files, whatever lies in ``output``, links to folders,
      and earlier results: ``photo@4x.*``, or with another label, where there is a picture ``photo.*``. A folder that cannot
      be searched is a job too, which fails.
    - Of named files, earlier results are left out where results go beside the inputs, and the picture is named too: so it is
      with ``*.jpg``, given again.
    - A job whose result would replace an input, or that of another job before it, has a problem.

    Parameters
    ----------
    inputs
        Files and folders.
    label
        What the names of results say of their size: :attr:`superfine.engine.result_size.ResultSize.label`.
    format
        Of all results: a key of ``FORMATS``, or one of its suffixes without the dot.
    say
        Called with a line about what was left out, and that the user may not expect.

    Raises
    ------
    UserError
        Unknown format, a folder without pictures, jobs that all have problems. A file that is missing is told of when its
        turn comes, so that the others are done.
    """
    suffixes = _suffixes(format)
    as_folder = str(output).endswith(("/", os.sep))  # which a path does not keep
    output = None if output is None else Path(output)
    as_file = not as_folder and _is_file(inputs, output)
    if as_file and output is not None and suffixes and output.suffix.lower() not in suffixes:
        raise UserError(f"{output}: is not named as --format {format} asks; leave out --format, or change the name")
    jobs: dict[Path, Job] = {}
    named = {top.parent / top.stem for top in inputs if is_picture(top)}
    earlier = {top for top in inputs if output is None and (photo := _enlarged(top)) and photo in named}
    if earlier:
        say(f"what seem to be earlier results ({len(earlier)}), such as {min(earlier)}, are left out")
    for top in inputs:
        if top in earlier:
            continue
        for source, inside in _pictures(top, output, label, say):
            if as_file and output is not None:
                target = output
            else:
                own = source.suffix.lower()
                end = source.suffix if own in (suffixes or SUFFIXES) else (suffixes or (".png",))[0]
                target = (
                    source.with_name(f"{source.stem}@{label}{end}")
                    if output is None
                    else output / inside.with_name(source.stem + end)
                )
            # The same file given twice is done once.
            place = Path(realpath(source.parent), source.name)
            jobs.setdefault(place, Job(source, target, named=source == top))
    planned = _with_problems(jobs.values())
    if planned and all(job.problem for job in planned):
        raise UserError(planned[0].problem)
    return planned


def _suffixes(format: str | None) -> tuple[str, ...]:
    """Those that fit ``--format``, the usual one first; none if the format is left open."""
    if format is None:
        return ()
    for name, entry in FORMATS.items():
        if format.lower() == name or f".{format.lower()}" in entry.suffixes:
            return entry.suffixes
    raise UserError(f"format {format}: unknown; choose one of {', '.join(FORMATS)}")


def _is_file(inputs: Sequence[Path], output: Path | None) -> bool:
    if output is None or not output.suffix or is_folder(output):
        return False
    if len(inputs) == 1 and not is_folder(inputs[0]):
        return True
    if output.suffix.lower() in SUFFIXES:
        raise UserError(f"{output}: is one file, for several inputs; give a folder")
    return False


def _pictures(top: Path, output: Path | None, label: str, say: Callable[[str], None]) -> Iterator[tuple[Path, Path]]:
    """The pictures at or under ``top``, sorted, each with its path inside."""
    if not is_folder(top):
        yield top, Path(top.name)
        return
    found = False
    own = None if output is None else resolved(output)
    unsearchable: list[OSError] = []
    links, unread, earlier = 0, set(), []
    for folder, folders, files in os.walk(top, onerror=unsearchable.append):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and resolved(Path(folder, n)) != own)
        links += sum(Path(folder, name).is_symlink() for name in folders)
        stems = {Path(name).stem for name in files if is_picture(name)}
        for name in sorted(files):
            path = Path(folder, name)
            photo = _enlarged(path)
            if is_picture(path) and photo and photo.name in stems:
                earlier.append(path)
            elif is_picture(path):
                found = True
                yield path, path.relative_to(top)
            elif is_unread(path):
                unread.add(path.suffix.lower())
    for error in unsearchable:
        path, found = Path(error.filename), True
        if path == top:
            raise UserError(f"{top}: cannot be searched: {error.strerror}; check its permissions")
        yield path, path.relative_to(top)
    if output is None:  # what is told of those that this command makes is that they exist
        earlier = [path for path in earlier if not path.stem.endswith(f"@{label}")]
    if earlier:
        say(
            f"{top}: what seem to be earlier results ({len(earlier)}), such as {earlier[0].name}, are passed over; "
            "name them to have them enlarged too"
        )
    if links:
        say(f"{top}: folders that are links ({links}) are not searched; give what they lead to")
    if unread:
        say(f"{top}: pictures of kinds that superfine does not read are passed over: {', '.join(sorted(unread))}")
    if not found:
        readable = ", ".join((*SUFFIXES, *READ_ONLY_SUFFIXES))
        raise UserError(f"{top}: holds no pictures; give a folder with {readable} files")


def _enlarged(path: Path) -> Path | None:
    """Of what picture this is the result, by its name, without the suffix."""
    own = _LABEL.sub("", path.stem)
    return path.parent / own if own not in ("", path.stem) else None


def _with_problems(jobs: Iterable[Job]) -> list[Job]:
    inputs = {resolved(job.source): job for job in jobs}
    targets: dict[Path, Job] = {}
    planned = []
    for job in jobs:
        target, problem = resolved(job.target), ""
        if target in inputs:
            problem = f"{job.target}: would replace the input {inputs[target].source}; give another -o"
        elif (other := targets.setdefault(target, job)) is not job:
            problem = (
                f"{job.target}: would be the result of both {other.source} and {job.source}; enlarge the second by itself, "
                "with its own -o"
            )
        planned.append(replace(job, problem=problem))
    return planned
