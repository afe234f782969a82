"""Ctrl-C, SIGTERM and a closed terminal as a wish to stop after the step at hand."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """Whether a run is to stop: ``asked`` is the signal that asked for it."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None

    def __call__(self, number: int, frame: object) -> None:
        # A second Ctrl-C does not wait for the step. The others come twice by themselves: a terminal that closes sends its
        # SIGHUP, and so does the shell in it.
        if self.asked is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Catch SIGINT, SIGTERM and SIGHUP within the block, in the main thread; elsewhere signals cannot be caught.

    A SIGHUP that is ignored, as under ``nohup``, stays so; Windows has none.
    """
    stop = Stop()
    wanted = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    former: dict[int, Any] = {}
    try:
        for caught in wanted:
            former[caught] = signal.signal(caught, stop)
    except ValueError:
        pass
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
