"""A method made ready when it is first needed, and how many pictures it works on at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore, Condition, Lock

from superfine.evaluation.methods import Method, Produce
from superfine.evaluation.sets import BenchmarkSet
from superfine.metrics.pairs import Item

IN_FLIGHT = 8_000_000
"""Pixels of originals that are worked on at once; a single larger picture still is."""

SIDE_BY_SIDE = 4_000_000
"""Pixels of originals that are enlarged at once. Above, a picture has all cores for itself, and its network less memory."""


class Room:
    """Room for :data:`IN_FLIGHT` pixels, for which threads wait."""

    def __init__(self) -> None:
        self._taken, self._changed = 0, Condition()

    @contextmanager
    def for_pixels(self, pixels: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + pixels <= IN_FLIGHT)
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


class Producer:
    """A method that is made ready when it is first needed, for as many pictures at once as their size allows.

    ``alone`` makes it ready for a single one; ``before`` is called first; ``pixels`` counts those of an original.
    """

    def __init__(
        self,
        method: Method,
        sets: Sequence[BenchmarkSet],
        jobs: int,
        alone: Callable[[], Produce],
        before: Callable[[], None],
        pixels: Callable[[Item], int],
    ) -> None:
        self._method, self._sets, self._jobs, self._pixels = method, sets, jobs, pixels
        self._alone, self._before = alone, before
        self._lock = Lock()
        self._produce: Produce | None = None
        self._error: Exception | None = None
        self._places = BoundedSemaphore(1)

    def ready(self) -> None:
        """Load what is missing; raises what the method and the metrics' networks raise, to whoever asks."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._produce is not None:
                return
            largest = max(self._pixels(item) for bench in self._sets for item in bench.items)
            at_once = max(1, min(self._jobs, SIDE_BY_SIDE // max(1, largest)))
            try:
                self._before()
                self._produce = self._alone() if at_once == 1 else self._method.ready(at_once)
            except Exception as error:
                self._error = error
                raise
            self._places = BoundedSemaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator[Produce]:
        """The method, when it has a place for one more picture."""
        assert self._produce is not None, "made ready before"
        with self._places:
            yield self._produce
