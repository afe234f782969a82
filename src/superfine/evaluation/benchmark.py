"""Scores of methods on sets: what is known is looked up, the rest computed, measured beside the computing, and kept."""

import math
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache as cached
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from superfine.errors import UserError
from superfine.evaluation.cache import Cache, Entry, cache_folder, code_version, key
from superfine.evaluation.methods import Method, Produce, Result
from superfine.evaluation.ruler import Ruler
from superfine.evaluation.score import PICTURES, Evaluation, Score
from superfine.evaluation.sets import BenchmarkSet, Item, Pixels, sha256
from superfine.images import Picture, size, write
from superfine.metrics import METRICS, Pair

STANDARD = ("psnr_y", "ssim_y")
"""The metrics that are measured where none are named."""

IN_FLIGHT = 8_000_000
"""Pixels of results that may wait to be measured; a single larger picture still does."""

WARM = 2.0
"""Seconds of a first run from which on the next would not tell more about the speed."""

LIBRARIES = ("numpy", "pyvips", "openvino", "torch")


@dataclass(frozen=True)
class _Known:
    item: Item
    entry: Entry


@dataclass(frozen=True)
class _Failed:
    item: Item
    reason: str


@dataclass(frozen=True)
class _Todo:
    """A picture that lacks values, or whose PNG is to be written; ``entry`` is what is known of it."""

    item: Item
    pair: Pair
    key: str
    entry: Entry


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
        Threads that measure, beside the one that computes and the one that reads; as many as there are cores if left out.
    progress
        Called with the pictures that are done, of all methods, and with all.
    command
        What was typed, for the record.

    Raises
    ------
    UserError
        Unknown metric or protocol; a package or weights that a metric needs are missing; a device that this
        machine lacks; sets of another scale than a model's.
    """
    ruler = Ruler(metrics, protocol, weights, device)
    for method in methods:
        for bench in sets:
            if method.scale not in (None, bench.scale):
                raise UserError(f"{method.name}: enlarges {method.scale} times, {bench.name} is for {bench.scale}")
    if out is not None:
        make_folder(out)
    folder = (Path() if out is None else out) / PICTURES
    recipes = {method.name: method.recipe for method in methods if method.recipe}
    files = {metric: str(file) for metric, file in (weights or {}).items()}
    blank = Evaluation((), command, _versions(), {}, folder, recipes, files)
    total = len(methods) * sum(len(bench.items) for bench in sets)
    known = known or Cache(cache_folder())
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(jobs or _cores(), "measure") as measurers:
        run = _Run(blank, ruler, known, out is not None, reader, measurers)
        run.progress = lambda done: progress(done, total)
        try:
            if out is not None:
                for bench in sets:
                    deque(measurers.map(partial(run.keep_original, bench), bench.items), maxlen=0)
            scores, hashes = [], {}
            for method in methods:
                hashes[method.name], found = run.method(method, sets)
                scores += found
        except BaseException:
            reader.shutdown(wait=False, cancel_futures=True)
            raise  # and what is computed is still measured and kept
    return replace(blank, scores=tuple(scores), hashes=hashes)


def make_folder(folder: Path) -> None:
    """Make a folder where missing; a UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}; give another folder") from None


class _Run:
    """What the parts of one evaluation share."""

    def __init__(
        self,
        evaluation: Evaluation,
        ruler: Ruler,
        cache: Cache,
        keep: bool,
        reader: ThreadPoolExecutor,
        measurers: ThreadPoolExecutor,
    ) -> None:
        self.evaluation, self.ruler, self.cache, self.keep = evaluation, ruler, cache, keep
        self.reader, self.measurers = reader, measurers
        self._try_networks = cached(ruler.try_networks)
        self.progress: Callable[[int], None] = lambda done: None
        self.done = 0

    def method(self, method: Method, sets: Sequence[BenchmarkSet]) -> tuple[str, list[Score]]:
        """The hash of a method, and its scores. Its network is loaded when first needed, and let go at the end."""
        ready = cached(method.ready)
        return method.hash(sets), [self._score(method, bench, ready) for bench in sets]

    def _score(self, method: Method, bench: BenchmarkSet, ready: Callable[[], Produce]) -> Score:
        seconds = self._seconds_per_megapixel(method, bench, ready) if self.keep and method.computes else None
        entries: dict[str, Entry] = {}
        notes: dict[str, str] = {}

        def fail(item: Item, reason: str) -> None:
            notes[item.name] = reason
            self._count()

        def settle(item: Item, future: Future[Entry]) -> None:
            try:
                entries[item.name] = future.result()
            except UserError as error:
                fail(item, str(error))
            else:
                self._count()

        pending: deque[tuple[Item, Future[Entry], int]] = deque()
        for found in _ahead(self.reader, partial(self._look, method, bench), bench.items):
            if isinstance(found, _Failed):
                fail(found.item, found.reason)
            elif isinstance(found, _Known):
                entries[found.item.name] = found.entry
                self._count()
            else:
                pixels = found.pair.hr.shape[0] * found.pair.hr.shape[1]
                while pending and (pending[0][1].done() or sum(n for *_, n in pending) + pixels > IN_FLIGHT):
                    settle(*pending.popleft()[:2])
                produce = ready()
                self._try_networks()
                try:
                    result = produce(bench, found.item, found.pair)
                except UserError as error:
                    fail(found.item, str(error))
                    continue
                task = self.measurers.submit(self._finish, method, bench, found, result)
                pending.append((found.item, task, pixels))
        while pending:
            settle(*pending.popleft()[:2])

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

    def _look(self, method: Method, bench: BenchmarkSet, item: Item) -> _Known | _Failed | _Todo:
        """What is known of a picture; it is decoded only where something is missing."""
        try:
            hr, lr = bench.fingerprint(item)
            name = key(
                method=method.fingerprint(bench, item),
                hr=hr,
                lr=lr,
                scale=bench.scale,
                protocol=self.ruler.protocol,
                code=code_version(),
            )
            entry = self.cache.read(name) or Entry()
            if not self.ruler.missing(entry) and self._is_kept(method.name, bench, item, entry):
                return _Known(item, entry)
            return _Todo(item, bench.pair(item), name, entry)
        except UserError as error:
            return _Failed(item, str(error))

    def _finish(self, method: Method, bench: BenchmarkSet, todo: _Todo, result: Result) -> Entry:
        """Measure what is missing, write the PNG, and keep what was found."""
        entry, pair = todo.entry, todo.pair
        if self.ruler.missing(entry):
            values = self.ruler.measure(entry, result.pixels, pair, scale=bench.scale)
            entry = replace(entry, values=entry.values | values, note=result.note)
        if self.keep:
            try:
                entry = replace(entry, png=self._write(bench, method.name, todo.item, result.pixels, pair.grey))
            except UserError:
                # The disk is full, but what is measured need not be lost.
                self.cache.write(todo.key, replace(entry, png=""))
                raise
        self.cache.write(todo.key, entry)
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

    def _write(self, bench: BenchmarkSet, method: str, item: Item, pixels: Pixels, grey: bool) -> str:
        file = self.evaluation.picture(bench.name, method, item.name)
        make_folder(file.parent)
        write(Picture(pixels, grey=grey), file)
        return sha256(file)

    def _seconds_per_megapixel(self, method: Method, bench: BenchmarkSet, ready: Callable[[], Produce]) -> float | None:
        """Of the set's picture of middling size: the faster of two runs after a first one, while nothing else runs here."""
        usable = [item for item in bench.items if not item.problem and item.hr is not None]
        try:
            areas = {item.name: math.prod(size(item.lr or item.hr or "")) for item in usable}
            item = sorted(usable, key=lambda item: areas[item.name])[len(usable) // 2]
            hr, lr = bench.fingerprint(item)
            name = key(
                seconds=method.fingerprint(bench, item),
                hr=hr,
                lr=lr,
                scale=bench.scale,
                code=code_version(),
                machine=[platform.node(), platform.machine(), _cores()],
            )
            entry = self.cache.read(name) or Entry()
            if entry.seconds is not None:
                return entry.seconds
            pair = bench.pair(item)
        except (UserError, IndexError):
            return None  # told with the scores
        produce = ready()
        try:
            taken = [_timed(produce, bench, item, pair)]
            if taken[0] < WARM:
                taken = [_timed(produce, bench, item, pair) for _ in range(2)]
        except UserError:
            return None
        seconds = float(min(taken) / (pair.hr.shape[0] * pair.hr.shape[1] / 1e6))
        self.cache.write(name, Entry(seconds=seconds))
        return seconds

    def _infinite(self, entry: Entry) -> str:
        infinite = [METRICS[name] for name, value in self.ruler.values(entry).items() if math.isinf(value)]
        if not infinite:
            return ""
        same = "identical to the original: " if any(metric.reference for metric in infinite) else ""
        return f"{same}infinite {', '.join(metric.label for metric in infinite)}, left out of the mean"

    def _count(self) -> None:
        self.done += 1
        self.progress(self.done)


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[Item], _Known | _Failed | _Todo], items: Iterable[Item]
) -> Iterator[_Known | _Failed | _Todo]:
    """Map ``function`` over ``items``, each begun while the one before is used."""
    waiting: deque[Future[_Known | _Failed | _Todo]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > 1:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _timed(produce: Produce, bench: BenchmarkSet, item: Item, pair: Pair) -> float:
    begun = time.perf_counter()
    produce(bench, item, pair)
    return time.perf_counter() - begun


def _versions() -> dict[str, str]:
    found = {"superfine": code_version(), "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _cores() -> int:
    # The cores that this process may use, which can be fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
