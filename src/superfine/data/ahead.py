"""What the next steps need, made by a thread while the current ones are computed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")


def ahead(make: Callable[[int], T], start: int, stop: int, *, depth: int = 4) -> Generator[T, None, None]:
    """``make(start)`` to ``make(stop − 1)``, made by a thread up to ``depth`` steps ahead.

    What ``make`` raises is raised here, at its turn. Closing the generator ends the thread.
    """
    ready: queue.Queue[T | Exception] = queue.Queue(depth)
    stopped = threading.Event()

    def offer(item: T | Exception) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for step in range(start, stop):
                if stopped.is_set():
                    return
                offer(make(step))
        except Exception as error:
            offer(error)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        for _ in range(start, stop):
            item = ready.get()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
