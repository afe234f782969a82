"""Scores of methods on sets: what is known is looked up; the rest is computed, measured and kept, pictures side by side."""

import math
import os
import platform
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from functools import cache as cached
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.cores import cores, processor
from superfine.errors import UserError
from superfine.evaluation.cache import Cache, Entry, cache_folder, code_version, key
from superfine.evaluation.methods import Method, Produce, ReadyMade, Result
from superfine.evaluation.producing import Producer, Room
from superfine.evaluation.ruler import Ruler
from superfine.evaluation.score import PICTURES, Evaluation, Score
from superfine.evaluation.sets import BenchmarkSet, sha256
from superfine.images import Picture, in_unit, size, write
from superfine.metrics import METRICS, Pair
from superfine.metrics.pairs import Item

STANDARD = ("psnr_y", "ssim_y")
"""The metrics that are measured where none are named."""

WARM = 2.0
"""Seconds of a first run, which never counts, above which one more is timed rather than two."""

LIBRARIES = ("numpy", "pyvips", "openvino", "torch")


def evaluate(
    methods: Sequence[Method],
    sets: Sequence[BenchmarkSet],
    *,
    metrics: Sequence[str] = STANDARD,
    protocol: str = "standard",
    weights: Mapping[str, Path] | None = None,
    device: str = "cpu",
    out: Path | None = None,
    known: Cache | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = warnings.warn,
    command: str = "",
) -> Evaluation:
    """Score every method on every set.

    A value is found in the cache by the hashes of all that it depends on: the method, the files of the original and its
    twin, the protocol, and the code. So an interrupted or repeated evaluation computes only what is missing, picture by
    picture. A picture that cannot be scored is noted, and the others still are.

    Parameters
    ----------
    methods, sets
        From :func:`superfine.evaluation.open_methods` and :func:`superfine.evaluation.open_sets`, of one scale.
    metrics, protocol
        Keys of ``superfine.metrics.METRICS`` and ``PROTOCOLS``.
    weights
        By metric, a file or folder to take a network's weights or NIQE's model from, see ``measure``.
    device
        Torch's name of where the networks of metrics run.
    out
        Keep the pictures below ``out/pictures``, see :meth:`Evaluation.picture`, and measure seconds for a megapixel.
    known
        What was measured before; the user's cache if left out.
    jobs
        Pictures that are worked on side by side; twice as many as there are cores if left out.
    progress
        Called with the pictures that are done, of all methods, and with all.
    say
        Called if pictures could not be written to ``out``, with how many and why; they are scored all the same.
    command
        What was typed, for the record.

    Raises
    ------
    UserError
        Unknown metric or protocol; a package or weights that a metric needs are missing; a device that this
        machine lacks; sets of another scale than a model's; ``out`` is closed to this user, or the disk for all.
    """
    ruler = Ruler(metrics, protocol, weights, device)
    for method in methods:
        for bench in sets:
            if method.scale not in (None, bench.scale):
                raise UserError(f"{method.name}: enlarges {method.scale} times, {bench.name} is for {bench.scale}")
    if not methods or not sets:
        raise UserError("nothing to score: give at least one model, and at least one folder after --sets")
    folder = (Path() if out is None else out) / PICTURES
    if out is not None:
        _check_apart(folder, methods, sets)
        make_folder(folder)
    recipes = {method.name: method.recipe for method in methods if method.recipe}
    files = {metric: str(file) for metric, file in (weights or {}).items()}
    blank = Evaluation((), command, _versions(), {}, folder, recipes, files)
    total = len(methods) * sum(len(bench.items) for bench in sets)
    known = known or Cache(cache_folder())
    jobs = jobs or 2 * cores()
    with ThreadPoolExecutor(jobs, "evaluate") as pool:
        run = _Run(blank, ruler, known, out is not None, pool, jobs)
        run.progress = lambda done: progress(done, total)
        run.progress(0)
        try:
            if ruler.needs_networks and any(run.lacks(method, bench) for method in methods for bench in sets):
                run.try_networks()  # before hours of other work
            if out is not None:
                for bench in sets:
                    deque(pool.map(partial(run.keep_original, bench), bench.items), maxlen=0)
            scores, hashes = [], {}
            for method in methods:
                hashes[method.name], found = run.method(method, sets)
                scores += found
        except BaseException:
            run.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise  # and what is enlarged is still measured and kept
    if run.unwritten:
        say(f"{len(run.unwritten)} of the pictures could not be written: {run.unwritten[0]}")
    return replace(blank, scores=tuple(scores), hashes=hashes)


def _check_apart(folder: Path, methods: Sequence[Method], sets: Sequence[BenchmarkSet]) -> None:
    """Refuse to write into a folder what would take the place of pictures that are to be read."""
    items = [item for bench in sets for item in bench.items if not item.problem]
    read = [file for item in items for file in (item.hr, item.lr) if file is not None]
    read += [method.path for method in methods if isinstance(method, ReadyMade)]
    written = folder.resolve()
    for file in read:
        if file.resolve().is_relative_to(written):
            raise UserError(f"{folder}: results are written there, and {file} is to be read; choose another folder")


def make_folder(folder: Path) -> None:
    """Make a folder where missing; a UserError where that cannot be, or nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}; give another folder") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"{folder}: cannot be written to; check its permissions, or give another folder")


class _Run:
    """What the parts of one evaluation share."""

    def __init__(
        self, evaluation: Evaluation, ruler: Ruler, cache: Cache, keep: bool, pool: ThreadPoolExecutor, jobs: int
    ) -> None:
        self.evaluation, self.ruler, self.cache, self.keep = evaluation, ruler, cache, keep
        self.pool, self.jobs = pool, jobs
        self.room, self.stopped = Room(), Event()
        self.try_networks = cached(ruler.try_networks)
        self.pixels = cached(_pixels)
        self.progress: Callable[[int], None] = lambda done: None
        self.done = 0
        self.unwritten: list[str] = []

    def method(self, method: Method, sets: Sequence[BenchmarkSet]) -> tuple[str, list[Score]]:
        """The hash of a method, and its scores. Its network is loaded when first needed, and let go at the end."""
        alone = cached(partial(method.ready, 1))
        producer = Producer(method, sets, self.jobs, alone, self.try_networks, self.pixels)
        return method.hash(sets), [self._score(method, bench, alone, producer) for bench in sets]

    def _score(self, method: Method, bench: BenchmarkSet, alone: Callable[[], Produce], producer: Producer) -> Score:
        seconds = self._seconds_per_megapixel(method, bench, alone) if self.keep and method.computes else None
        entries: dict[str, Entry] = {}
        notes: dict[str, str] = {}
        tasks = {self.pool.submit(self._picture, method, bench, item, producer): item for item in bench.items}
        for task in as_completed(tasks):
            name, found = tasks[task].name, task.result()
            if isinstance(found, str):
                notes[name] = found
            else:
                entries[name] = found
            self.done += 1
            self.progress(self.done)

        failed = tuple(item.name for item in bench.items if item.name in notes)
        in_order = {item.name: entries[item.name] for item in bench.items if item.name in entries}
        for name, entry in in_order.items():
            if note := "; ".join(filter(None, [entry.note, self._infinite(entry)])):
                notes[name] = note
        return Score(
            method=method.name,
            set=bench.name,
            scale=bench.scale,
            protocol=self.ruler.protocol,
            metrics=self.ruler.metrics,
            pictures={name: self.ruler.values(entry) for name, entry in in_order.items()},
            notes={item.name: notes[item.name] for item in bench.items if item.name in notes},
            failed=failed,
            seconds_per_megapixel=seconds,
        )

    def _picture(self, method: Method, bench: BenchmarkSet, item: Item, producer: Producer) -> Entry | str:
        """What is known of a picture, or found out; or why it has no score. It is decoded only where something is missing."""
        try:
            name, entry = self._known(method, bench, item)
            if not self.ruler.missing(entry) and self._is_kept(method.name, bench, item, entry):
                return entry
        except UserError as error:
            return str(error)
        self._go_on()
        producer.ready()  # what is wrong with it is wrong with all pictures
        try:
            with self.room.for_pixels(self.pixels(item)):
                self._go_on()
                pair = bench.pair(item)
                with producer.turn() as produce:
                    self._go_on()
                    result = produce(bench, item, pair)
                return self._finish(method, bench, item, pair, name, entry, result)
        except UserError as error:
            return str(error)

    def lacks(self, method: Method, bench: BenchmarkSet) -> bool:
        """Whether a picture has yet to be measured; what is wrong with one is told with the scores."""
        for item in bench.items:
            with suppress(UserError):
                if self.ruler.missing(self._known(method, bench, item)[1]):
                    return True
        return False

    def _known(self, method: Method, bench: BenchmarkSet, item: Item) -> tuple[str, Entry]:
        """What the cache has of a picture, and its key there."""
        hr, lr = bench.fingerprint(item)
        name = key(
            method=method.fingerprint(bench, item),
            hr=hr,
            lr=lr,
            scale=bench.scale,
            protocol=self.ruler.protocol,
            code=code_version(),
        )
        return name, self.cache.read(name) or Entry()

    def _go_on(self) -> None:
        """Begin nothing more once the evaluation is stopped."""
        if self.stopped.is_set():
            raise CancelledError

    def _finish(
        self,
        method: Method,
        bench: BenchmarkSet,
        item: Item,
        pair: Pair,
        name: str,
        entry: Entry,
        result: Result,
    ) -> Entry:
        """Measure what is missing, write the PNG, and keep what was found."""
        if self.ruler.missing(entry):
            values = self.ruler.measure(entry, result.pixels, pair, scale=bench.scale)
            entry = replace(entry, values=entry.values | values, note=result.note)
        if self.keep:
            entry = replace(entry, png=self._write(bench, method.name, item, result.pixels, pair.grey))
        self.cache.write(name, entry)
        return entry

    def keep_original(self, bench: BenchmarkSet, item: Item) -> None:
        """Write an original and its twin; what is wrong with them is told with the scores."""
        try:
            hr, lr = bench.fingerprint(item)
            names = {
                kind: key(kind=kind, hr=hr, lr=lr, scale=bench.scale, code=code_version()) for kind in ("HR", "LR")
            }
            entries = {kind: self.cache.read(name) or Entry() for kind, name in names.items()}
            if all(self._is_kept(kind, bench, item, entry) for kind, entry in entries.items()):
                return
            with self.room.for_pixels(self.pixels(item)):
                pair = bench.pair(item)
                for kind, pixels in (("HR", pair.hr), ("LR", pair.lr)):
                    digest = self._write(bench, kind, item, pixels, pair.grey)
                    self.cache.write(names[kind], Entry(png=digest))
        except UserError:
            return

    def _is_kept(self, method: str, bench: BenchmarkSet, item: Item, entry: Entry) -> bool:
        """Whether the PNG is where it is wanted, byte for byte as it was written for this very result."""
        if not self.keep:
            return True
        file = self.evaluation.picture(bench.name, method, item.name)
        return bool(entry.png) and file.is_file() and sha256(file) == entry.png

    def _write(self, bench: BenchmarkSet, method: str, item: Item, pixels: NDArray[Any], grey: bool) -> str:
        """The SHA-256 of the PNG; nothing if it cannot be written, as what is measured need not be lost with it."""
        file = self.evaluation.picture(bench.name, method, item.name)
        try:
            make_folder(file.parent)
            write(Picture(in_unit(pixels) if pixels.dtype == np.uint8 else pixels, grey=grey), file)
            return sha256(file)
        except UserError as error:
            self.unwritten.append(str(error))
            return ""

    def _seconds_per_megapixel(self, method: Method, bench: BenchmarkSet, alone: Callable[[], Produce]) -> float | None:
        """Of the set's picture of middling size, or the nearest that can be read, while nothing else runs here.

        The first run may compile, and never counts; it is the faster of two more, or a single one where the first is slow.
        """
        for item in self._from_the_middle(bench):
            try:
                hr, lr = bench.fingerprint(item)
                name = key(
                    seconds=method.fingerprint(bench, item),
                    hr=hr,
                    lr=lr,
                    scale=bench.scale,
                    code=code_version(),
                    machine=[platform.node(), platform.machine(), cores()],
                )
                entry = self.cache.read(name) or Entry()
                if entry.seconds is not None:
                    return entry.seconds
                pair = bench.pair(item)
                break
            except UserError:
                continue  # told with the scores
        else:
            return None
        produce = alone()
        try:
            first = _timed(produce, bench, item, pair)
            taken = [_timed(produce, bench, item, pair) for _ in range(1 if first > WARM else 2)]
        except UserError:
            return None
        seconds = float(min(taken) / (pair.hr.shape[0] * pair.hr.shape[1] / 1e6))
        self.cache.write(name, Entry(seconds=seconds))
        return seconds

    def _from_the_middle(self, bench: BenchmarkSet) -> list[Item]:
        """The pictures whose headers can be read, that of middling size first, the smallest and the largest last."""
        areas = {item: area for item in bench.items if not item.problem and (area := self.pixels(item))}
        by_size = sorted(areas, key=areas.__getitem__)
        middle = len(by_size) // 2
        return [by_size[i] for i in sorted(range(len(by_size)), key=lambda i: abs(i - middle))]

    def _infinite(self, entry: Entry) -> str:
        infinite = [METRICS[name].label for name, value in self.ruler.values(entry).items() if math.isinf(value)]
        return f"no error that {', '.join(infinite)} sees: infinite, left out of the mean" if infinite else ""


def _pixels(item: Item) -> int:
    """Of the original, from its header; 0 where it cannot be read, which is told elsewhere."""
    try:
        return 0 if item.hr is None else math.prod(size(item.hr))
    except UserError:
        return 0


def _timed(produce: Produce, bench: BenchmarkSet, item: Item, pair: Pair) -> float:
    begun = time.perf_counter()
    produce(bench, item, pair)
    return time.perf_counter() - begun


def _versions() -> dict[str, str]:
    found = {
        "superfine": code_version(),
        "machine": f"{processor()}, {cores()} cores",
        "python": platform.python_version(),
    }
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
