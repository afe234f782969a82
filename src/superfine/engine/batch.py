"""The loop over files: while one picture is computed, the next is read and the last is encoded."""

import math
import queue
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from os.path import lexists
from pathlib import Path

import numpy as np

from superfine.engine import tiles
from superfine.engine.jobs import Job
from superfine.engine.result_size import ResultSize
from superfine.engine.upscale import Model, Progress
from superfine.errors import UserError
from superfine.images import Picture, format_of, read, size, write_strips
from superfine.images.write import Strip


@dataclass(frozen=True)
class Summary:
    """How a batch ended.

    What had its result already, or more pixels than are asked for, is ``refused`` if it was named and ``skipped`` if it was
    found in a folder.
    """

    done: int = 0
    skipped: int = 0
    refused: int = 0
    failed: int = 0
    interrupted: bool = False

    @property
    def status(self) -> int:
        """The command's exit status: 130 if interrupted, 1 if anything failed or was refused, else 0."""
        return 130 if self.interrupted else int(bool(self.failed or self.refused))


def run(
    model: Model,
    jobs: Sequence[Job],
    *,
    size: ResultSize | None = None,
    tile: int | None = None,
    quality: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
    finished: Callable[[Job], None] = lambda job: None,
    say: Callable[[str], None] = warnings.warn,
) -> Summary:
    """Enlarge files.

    A file that fails is said and counted, and the others are still done. No partial result is left, whatever happens: also
    not when the user interrupts, which ends the batch with ``interrupted``.

    Parameters
    ----------
    size
        Of the results; the model's scale if left out. A picture that is larger already is left alone, which is said.
    quality
        1 to 100, for formats that have one; the format's default if left out.
    overwrite
        Without it, what is there stays: that is refused for a file that was named, and passes for one found in a folder,
        so that giving the same command again goes on where it stopped. It is looked for again before each picture, and when
        it is written, so that several processes may share a folder.
    progress
        Called with the pixels of all inputs done, and all.
    finished
        Called after each picture that is wholly written.
    say
        Called with one line for each thing that the user should know.

    Raises
    ------
    UserError
        ``tile`` is too small, ``quality`` out of range. What concerns single files is said instead.
    """
    tiles.check_tile(tile)
    if quality is not None and not 1 <= quality <= 100:
        raise UserError(f"quality {quality}: out of range; choose 1 (smallest file) to 100 (best)")
    batch = _Batch(model, size or ResultSize(scale=model.scale), tile, quality, overwrite, progress, finished, say)
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "encode") as encoder:
        try:
            batch.enlarge_all(batch.selected(jobs), reader, encoder)
        except KeyboardInterrupt:
            batch.summary = replace(batch.summary, interrupted=True)
            reader.shutdown(wait=False, cancel_futures=True)
            # What is computed already is written: nothing is lost.
            batch.settle(0)
        finally:
            batch.abort()
    return batch.summary


class _IsThereError(Exception):
    """A result came to be there since the batch began, by another process with the same folder, say."""


class _NoMoreStripsError(Exception):
    """Tells the encoder that no more strips will come."""


class _Pipe:
    """Strips on their way from the computing to the encoding thread; at most one waits."""

    def __init__(self) -> None:
        self._strips: queue.Queue[Strip | None] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        self.encoded: Future[None] = Future()

    def put(self, strip: Strip | None) -> bool:
        """Hand over a strip, or None after the last; False if the encoder has given up."""
        while not self.encoded.done():
            try:
                self._strips.put(strip, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def strips(self) -> Iterator[Strip]:
        while True:
            try:
                strip = self._strips.get(timeout=0.1)
            except queue.Empty:
                if self._stop.is_set():
                    raise _NoMoreStripsError from None
                continue
            if self._stop.is_set():
                raise _NoMoreStripsError
            if strip is None:
                return
            yield strip

    def abort(self) -> None:
        self._stop.set()


class _Batch:
    """What is being encoded, and how far the batch is."""

    def __init__(
        self,
        model: Model,
        size: ResultSize,
        tile: int | None,
        quality: int | None,
        overwrite: bool,
        progress: Progress,
        finished: Callable[[Job], None],
        say: Callable[[str], None],
    ) -> None:
        self.summary = Summary()
        self._model = model
        self._size = size
        self._tile = tile
        self._quality = quality
        self._overwrite = overwrite
        self._progress = progress
        self._finished = finished
        self._say = say
        self._encoding: deque[tuple[Job, _Pipe]] = deque()

    def selected(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs whose result is not there yet; the others are said."""
        todo = []
        for job in jobs:
            if job.problem:
                self._fail(job, UserError(job.problem))
            elif self._is_to_do(job):
                todo.append(job)
            else:
                self._leave_as_done(job)
        if self.summary.skipped:
            self._say(f"{self.summary.skipped} skipped, as their results exist; give --overwrite to replace them")
        return todo

    def enlarge_all(self, jobs: list[Job], reader: ThreadPoolExecutor, encoder: ThreadPoolExecutor) -> None:
        sizes = [_pixels(job) for job in jobs]
        before, total = 0, sum(sizes)
        for (job, picture), pixels in zip(_read_ahead(jobs, reader), sizes, strict=True):
            try:
                if self._is_to_do(job):
                    self._enlarge(job, picture.result(), encoder, partial(self._advance, before, total))
                else:
                    self._leave_as_done(job, late=True)
            except _FAILURES as error:
                self._fail(job, error)
            before += pixels
            self._progress(before, total)
            self.settle(1)
        self.settle(0)

    def _advance(self, before: int, total: int, done: int, _: int) -> None:
        self._progress(before + done, total)
        while len(self._encoding) > 1 and self._encoding[0][1].encoded.done():
            self.settle(len(self._encoding) - 1)

    def settle(self, kept: int) -> None:
        """Wait until no more than ``kept`` pictures are being encoded, and count the others."""
        while len(self._encoding) > kept:
            job, pipe = self._encoding[0]
            # An interrupt may come at any line: what is waited for stays in the queue, what is counted is out of it.
            failure = pipe.encoded.exception()
            self._encoding.popleft()
            if failure is None:
                self.summary = replace(self.summary, done=self.summary.done + 1)
                self._finished(job)
            elif isinstance(failure, _IsThereError):
                self._leave_as_done(job, late=True)
            elif isinstance(failure, _FAILURES):
                self._fail(job, failure)
            else:
                raise failure

    def abort(self) -> None:
        for _, pipe in self._encoding:
            pipe.abort()

    def _enlarge(self, job: Job, picture: Picture, encoder: ThreadPoolExecutor, progress: Progress) -> None:
        pixels = picture.pixels
        height, width, _ = pixels.shape
        rows, columns = self._size.of(height, width)
        if rows < height or columns < width:
            text = f"has {width} × {height} pixels already, more than {columns} × {rows}, and is left alone"
            self._leave(job, f"{job.source}: {text}")
            return
        for note in picture.notes:
            self._say(f"{job.source}: {note}")
        if picture.alpha is not None:
            pixels = np.concatenate((pixels, picture.alpha[..., None]), axis=2)
            if not format_of(job.target).alpha and picture.alpha.min() < 1:
                self._say(f"{job.source}: its transparency is laid on white, as {job.target.suffix} has none")
        strips = self._model.strips(
            pixels,
            size=(rows, columns),
            tile=self._tile,
            progress=progress,
            notice=lambda text: self._say(f"{job.source}: {text}"),
            # Grey is averaged and transparency may be laid on white before rounding; 16 bits need more levels.
            rounded=picture.bits == 8 and not picture.grey and picture.alpha is None,
        )
        pipe = _Pipe()
        self._encoding.append((job, pipe))
        try:
            pipe.encoded = encoder.submit(self._write, job, picture, pipe.strips())
            # A failure of the encoder is told when its turn comes to be settled.
            if all(pipe.put(strip) for strip in strips):
                pipe.put(None)
        except BaseException:
            pipe.abort()
            self._encoding.pop()
            raise

    def _write(self, job: Job, picture: Picture, strips: Iterator[Strip]) -> None:
        height, width = self._size.of(*picture.pixels.shape[:2])
        with _folder(job.target.parent):
            try:
                write_strips(
                    job.target,
                    strips,
                    width=width,
                    height=height,
                    grey=picture.grey,
                    alpha=picture.alpha is not None,
                    bits=picture.bits,
                    metadata=picture.metadata,
                    quality=self._quality,
                    replace=self._overwrite,
                )
            except FileExistsError:
                raise _IsThereError from None
        if (written := size(job.target)) != (width, height):
            job.target.unlink()
            raise UserError(f"{job.target}: came out as {written}, not {(width, height)}; report this, with the input")

    def _is_to_do(self, job: Job) -> bool:
        return self._overwrite or not lexists(job.target)

    def _leave_as_done(self, job: Job, *, late: bool = False) -> None:
        """Of those whose result was there at the beginning, only files that were named are said."""
        if job.named:
            self._leave(job, f"{job.target}: exists already; give --overwrite to replace it, or another -o")
        else:
            self._leave(job, f"{job.target}: exists by now, and is skipped" if late else None)

    def _leave(self, job: Job, said: str | None) -> None:
        if said:
            self._say(said)
        if job.named:
            self.summary = replace(self.summary, refused=self.summary.refused + 1)
        else:
            self.summary = replace(self.summary, skipped=self.summary.skipped + 1)

    def _fail(self, job: Job, error: BaseException) -> None:
        self.summary = replace(self.summary, failed=self.summary.failed + 1)
        self._say(_line(job, error))


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make a folder for what the block writes; if that fails, take the folders that were made away again."""
    made = [folder for folder in (path, *path.parents) if not lexists(folder)]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        there = next(folder for folder in (path, *path.parents) if lexists(folder))
        raise UserError(f"{there}: is no folder, so no results can be put into it; give another -o") from None
    try:
        yield
    except BaseException:
        with suppress(OSError):  # of a folder with something in it by now
            for folder in made:
                folder.rmdir()
        raise


_FAILURES = (UserError, OSError, MemoryError, RuntimeError)
"""What may go wrong with one picture without stopping the others; an inference engine's errors are RuntimeErrors."""


def _line(job: Job, error: BaseException) -> str:
    """One line that names the file, the cause and the way out."""
    if isinstance(error, UserError):
        text = str(error)
        return text if str(job.source) in text or str(job.target) in text else f"{job.source}: {text}"
    if isinstance(error, OSError):
        cause = error.strerror or str(error)
        return f"{error.filename or job.target}: {cause}; check the permissions and the free space, or give another -o"
    if isinstance(error, MemoryError):
        return f"{job.source}: not enough memory; give a smaller --tile, or close other programs"
    cause = " ".join(str(error).split())[:200] or type(error).__name__
    return f"{job.source}: {cause}; try --device cpu or a smaller --tile"


def _read_ahead(jobs: list[Job], reader: ThreadPoolExecutor) -> Iterator[tuple[Job, Future[Picture]]]:
    """Each job with its picture; when one is taken, the next is being read."""
    coming: Future[Picture] | None = None
    for job, following in zip_longest(jobs, jobs[1:]):
        picture = coming or reader.submit(read, job.source)
        coming = reader.submit(read, following.source) if following else None
        yield job, picture


def _pixels(job: Job) -> int:
    """For the progress bar alone: a file that cannot be read is told of when its turn comes."""
    try:
        return math.prod(size(job.source))
    except UserError:
        return 0
