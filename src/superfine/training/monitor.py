"""What a run tells while it goes: a JSONL log, TensorBoard, and a progress line with the time left."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from superfine.files import whole_file

LOG = "log.jsonl"
LINE_EVERY = 30.0
"""Seconds between progress lines where there is no terminal to rewrite one on, or nothing new to log."""


class Monitor:
    """Writes the log of one run; a context manager.

    Records behind ``step`` are those of an attempt that did not reach its next checkpoint: they are removed on entry. A
    monitor that is not ``active`` (in all processes but one) keeps time and writes nothing.
    """

    def __init__(self, run: Path, step: int, steps: int, *, active: bool = True) -> None:
        self.run, self.first, self.steps, self.active = run, step, steps, active
        self._attempt = self._begun = self._window_begun = self._told = time.monotonic()
        self._window_step = step
        self._waited = 0.0
        self._shown = 0.0

    def __enter__(self) -> Monitor:
        if self.active:
            from torch.utils.tensorboard import SummaryWriter

            kept = [line for line in self._lines() if (step := _step_of(line)) is not None and step <= self.first]
            with whole_file(self.run / LOG) as part:
                part.write_text("".join(kept), encoding="utf-8")
            self._log = (self.run / LOG).open("a", encoding="utf-8")
            self._board = SummaryWriter(str(self.run / "tensorboard"), purge_step=self.first + 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.active:
            self._log.close()
            self._board.close()
            if sys.stderr.isatty():
                _print("\n")

    def _lines(self) -> list[str]:
        """The lines of the log."""
        file = self.run / LOG
        return file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if file.exists() else []

    @property
    def minutes(self) -> float:
        """Minutes since the start of this attempt."""
        return (time.monotonic() - self._attempt) / 60.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The block's time is spent waiting for data."""
        asked = time.monotonic()
        yield
        self._waited += time.monotonic() - asked

    @contextmanager
    def apart(self) -> Iterator[None]:
        """The block's time does not count as training."""
        begun = time.monotonic()
        yield
        self._window_begun += time.monotonic() - begun

    def record(self, step: int, values: dict[str, float], *, patches: int) -> None:
        """Log ``values`` after ``step`` updates of ``patches`` crops each, with speed and wait since the last record."""
        now = time.monotonic()
        elapsed = max(now - self._window_begun, 1e-9)
        share = self._waited / elapsed
        speed = (step - self._window_step) * patches / elapsed
        self._write(step, values | {"waiting_for_data": share, "patches_per_second": speed})
        facts = "  ".join(f"{name} {value:.5g}" for name, value in values.items())
        self._show(step, f"{facts}  waiting for data {share:.1%}")
        self._window_begun, self._window_step, self._waited = now, step, 0.0

    def going(self, step: int) -> None:
        """``step`` updates are done: a line where there was none for long, as steps may take seconds."""
        if self.active and time.monotonic() - self._told >= LINE_EVERY:
            self._tell(step)

    def record_validation(self, step: int, values: dict[str, float], panel: NDArray[np.float32]) -> None:
        """Log measurements on the validation pictures and show the panel, H×W×3."""
        self._write(step, values)
        if self.active:
            self._board.add_image("panel", panel, step, dataformats="HWC")
        self.say(f"step {step}/{self.steps}  " + "  ".join(f"{name} {value:.4f}" for name, value in values.items()))

    def rewind(self, step: int, cause: str) -> None:
        """The run went back to ``step``: what was logged behind it is removed."""
        self.say(f"{cause}; going back to step {step} with half the rate")
        self.first = self._window_step = step
        self._begun = self._window_begun = time.monotonic()
        self._waited = 0.0
        if self.active:
            self._log.close()
            self._board.close()
            self.__enter__()

    def _write(self, step: int, values: dict[str, float]) -> None:
        if self.active:
            # JSON has no infinite numbers.
            finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
            self._log.write(json.dumps({"step": step, **finite}) + "\n")
            self._log.flush()
            for name, value in values.items():
                # In it is the name of a folder, which is not always text.
                self._board.add_scalar(name.encode(errors="backslashreplace").decode(), value, step)

    def _show(self, step: int, facts: str) -> None:
        """Tell a person what was logged: all of it on a terminal, each half minute elsewhere."""
        now = time.monotonic()
        if self.active and (sys.stderr.isatty() or now - self._shown >= LINE_EVERY or step == self.steps):
            self._shown = now
            self._tell(step, facts)

    def _tell(self, step: int, facts: str = "") -> None:
        """Tell a person how far the run is: rewritten in place on a terminal, a line elsewhere."""
        self._told = now = time.monotonic()
        rate = (step - self.first) / max(now - self._begun, 1e-9)
        left = int((self.steps - step) / rate) if rate else 0
        clock = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        line = "  ".join(filter(None, (f"step {step}/{self.steps}", facts, f"{rate:.2f} steps/s", f"{clock} left")))
        _print(f"\r\x1b[K{line}" if sys.stderr.isatty() else f"{line}\n")

    def say(self, line: str) -> None:
        """A line for a person, which stays above the progress."""
        if self.active:
            _print(f"\r\x1b[K{line}\n" if sys.stderr.isatty() else f"{line}\n")


def _print(text: str) -> None:
    """Write to standard error, where there is somebody: a terminal that was closed is no reason to lose a step."""
    with suppress(OSError):
        print(text, end="", file=sys.stderr, flush=True)


def _step_of(line: str) -> int | None:
    """The step that a line of the log is about; None for one that a crash of the machine has left cut short or damaged."""
    try:
        step = json.loads(line)["step"] if line.endswith("\n") else None
    except (ValueError, TypeError, KeyError):
        return None
    return step if isinstance(step, int) else None
