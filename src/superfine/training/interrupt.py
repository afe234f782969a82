"""Ctrl-C and SIGTERM as a wish to stop after the step at hand."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """Whether a run is to stop: ``asked`` is the signal that asked for it."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None

    def __call__(self, number: int, frame: object) -> None:
        if self.asked is not None:  # a second Ctrl-C does not wait for the step
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM within the block, in the main thread; elsewhere signals cannot be caught."""
    stop = Stop()
    former: dict[int, Any] = {}
    try:
        for caught in (signal.SIGINT, signal.SIGTERM):
            former[caught] = signal.signal(caught, stop)
    except ValueError:
        pass
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
