"""The course of a run: all that both stages do around an update, from the checkpoint at hand to the last step.

A stage's loop takes pairs from :meth:`Course.pairs`, makes one update, and tells of it with :meth:`Course.updated`. Data,
moving average, log, health, validation, checkpoints and the wish to stop are met here.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from superfine.errors import UserError
from superfine.files import whole_file
from superfine.training import average as averaging
from superfine.training import checkpoint
from superfine.training.distributed import World
from superfine.training.health import ROLLBACKS, Illness, collapsed, not_finite
from superfine.training.history import History, means
from superfine.training.interrupt import Stop
from superfine.training.monitor import Monitor
from superfine.training.recipes import PixelRecipe
from superfine.training.runs import Run
from superfine.training.setup import Options, Setup
from superfine.training.start import WEIGHTS, seen_before
from superfine.training.supply import Pair
from superfine.training.tensors import to_bytes
from superfine.training.validation import write_panel

SAVE_WITHIN = 300.0
"""Seconds after which the end of a log's window brings a checkpoint, where steps are so slow that the next one is far."""

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
"""In the messages of torch's allocators, of MPS and of CPUs."""


class Course:
    """One attempt of a run; a context manager.

    ``step`` is the number of updates done, ``rollbacks`` how often the run went back to a checkpoint; ``rate_factor`` is what
    that leaves of the learning rate.
    """

    def __init__(
        self,
        setup: Setup,
        recipe: PixelRecipe,
        options: Options,
        world: World,
        stop: Stop,
        parts: Mapping[str, checkpoint.Part],
    ) -> None:
        """``parts`` are the networks and optimisers, which are restored from the run's checkpoint on entry."""
        self.setup, self.recipe, self.options, self.world, self.stop = setup, recipe, options, world, stop
        self._best_error = torch.full((1,), math.inf)
        self._parts = {**parts, "average": setup.average, "health": {"best_error": self._best_error}}
        self.step = self.rollbacks = 0
        self._history = History()
        self._stopping = self._rewound = False

    def __enter__(self) -> Course:
        with ExitStack() as opened:
            with self._writing():
                if self.world.is_main:
                    opened.enter_context(self.setup.run.alone())
            path = self.setup.run.path
            self.step, self.rollbacks = checkpoint.load(path, self._parts)
            self._saved = time.monotonic()
            if not self.step:
                self._save()  # something to go back to
            self._monitor = Monitor(path, self.step, self.recipe.steps, active=self.world.is_main)
            with self._writing():
                opened.enter_context(self._monitor)
            if not self.step and seen_before(self.setup.run.description):
                self._monitor.say(
                    "its weights have seen these very crops in this order before; another --seed gives new ones"
                )
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)
        if error is not None and _out_of_memory(error):
            raise UserError(
                f"{self.setup.run.path}: {self.world.device} has no memory for a step; close other programs and give the same "
                "command again, or start anew in another folder with a smaller --batch or --patch"
            ) from error

    @property
    def rate_factor(self) -> float:
        return 0.5**self.rollbacks

    def pairs(self) -> Iterator[Pair]:
        """x and its target for each update that is left, until the run is to stop; from an earlier step after a rollback."""
        while self.step < self.recipe.steps and not self._stopping:
            self._rewound = False
            with closing(self.setup.supply.ahead(self.step, self.recipe.steps)) as ready:
                while self.step < self.recipe.steps and not (self._stopping or self._rewound):
                    with self._monitor.waiting():
                        pair = next(ready)
                    yield pair

    def updated(self, values: dict[str, Tensor], rate: float) -> None:
        """An update was made at ``rate``: its scalars are logged as means over the window, and watched.

        A value that is not finite, weights that are not when they are to be saved or validated, or an ``absolute_error`` that
        tells of collapse, bring the run back to its last checkpoint with half the rate.

        Raises
        ------
        UserError
            It went back too often already.
        """
        self.step += 1
        averaging.follow(self.setup.average, self.setup.network, self.recipe.average, self.step)
        self._history.add(values)

        last = self.step == self.recipe.steps
        if self.step % self.world.agree_every == 0:
            self._stopping = self.world.any(self.stop.asked is not None or self._time_is_up())
        logging = self.step % self.options.log_every == 0
        saving = self.step % self.options.save_every == 0 or last or self._stopping
        saving = saving or (logging and self.world.any(time.monotonic() - self._saved > SAVE_WITHIN))
        validating = self.options.validation is not None and (self.step % self.options.validate_every == 0 or last)
        # A loss is that of before its update, so the last one says nothing of the weights at hand.
        ruined = (saving or validating) and self.world.any(not averaging.is_finite(self.setup.average))
        if ruined or saving or logging:
            window = self._history.take(self.world)
            length = len(next(iter(window.values())))
            # A pause cuts a window short, and the mean of a few updates says little.
            whole = length >= min(self.options.log_every, self.options.save_every)
            illness = not_finite(window)
            if not illness and ruined:
                illness = Illness("weights", length - 1, "the weights are not finite")
            if not illness and whole:
                illness = collapsed(window, self._best_error.item())
            if illness:
                self._roll_back(illness, length)
                return
            values_of_window = means(window)
            if whole:
                self._best_error.clamp_(max=values_of_window.get("absolute_error", math.inf))
            with self._writing():
                self._monitor.record(self.step, values_of_window | {"rate": rate}, patches=self.recipe.batch)
        else:
            self._monitor.going(self.step)
        if self.setup.validation and validating:
            with self._writing(), self._monitor.apart():
                self._validate()
        if saving:
            self._save()

    def end(self) -> Run:
        """Write the result where the last step is done.

        Raises
        ------
        KeyboardInterrupt
            It was stopped by Ctrl-C before that.
        """
        run = self.setup.run
        if self.step == self.recipe.steps and self.world.is_main:
            with self._writing():
                self._write_weights(run.path / WEIGHTS)
                run.finish()
        self.world.wait()
        if self.step < self.recipe.steps and self.stop.asked == signal.SIGINT:
            raise KeyboardInterrupt
        return run

    def _time_is_up(self) -> bool:
        return self.options.minutes is not None and self._monitor.minutes > self.options.minutes

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self.world.is_main:
            with self._writing():
                checkpoint.save(self.setup.run.path, self.step, self._parts, rollbacks=self.rollbacks)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The block writes to the run's folder; a full disk ends it with one line."""
        try:
            yield
        except (OSError, SafetensorError) as error:
            cause = getattr(error, "strerror", None) or error
            raise UserError(
                f"{self.setup.run.path}: cannot be written to ({cause}); make room there, and the same command goes on from "
                "the last checkpoint"
            ) from error

    def _validate(self) -> None:
        """Measure the averaged weights, write the panel, and keep the weights where they are the best so far."""
        validation, run = self.setup.validation, self.setup.run
        assert validation is not None
        network = averaging.apply(self.setup.average, self.recipe)
        measured = validation(network, self.world.device, self.recipe.precision)
        values = {f"psnr_y/{validation.name}": measured.psnr_y}
        if measured.perceptual is not None:
            values[f"perceptual/{validation.name}"] = measured.perceptual
        self._monitor.record_validation(self.step, values, measured.panel)
        write_panel(measured.panel, run.path / "panels" / f"step-{self.step:07d}.png")
        for kind in run.note_validation(validation.name, self.step, measured.psnr_y, measured.perceptual):
            self._write_weights(run.best(kind))

    def _write_weights(self, file: Path) -> None:
        """Write the averaged weights, float32, whole or not at all."""
        with whole_file(file) as part:
            part.write_bytes(save({key: value.contiguous().cpu() for key, value in self.setup.average.items()}))

    def _roll_back(self, illness: Illness, window: int) -> None:
        """Keep the batch at which the run fell ill in the last ``window`` updates, and restore the last checkpoint.

        The rollback is written to the checkpoint at once, so an attempt that is killed now goes on with the lower rate too.
        """
        path = self.setup.run.path
        at = self.step - window + illness.index
        dump = path / "failures" / f"step-{at + 1:07d}.npz"
        if self.world.is_main:
            lr, hr = (to_bytes(pictures) for pictures in self.setup.supply.whole(at))
            with self._writing():
                dump.parent.mkdir(exist_ok=True)
                with whole_file(dump) as part, part.open("wb") as file:
                    np.savez(file, lr=lr, hr=hr, term=np.array(illness.term))
        if self.rollbacks >= ROLLBACKS:
            raise UserError(
                f"{path}: {illness.cause} at step {at + 1}, after {ROLLBACKS} times of going back and halving the rate; "
                f"its batch is in {dump}; start anew with a lower --set schedule.rate=…"
            )
        rollbacks = self.rollbacks + 1
        self.step, _ = checkpoint.load(path, self._parts)
        self.rollbacks = rollbacks
        self._rewound, self._stopping = True, False
        if self.world.is_main:
            with self._writing():
                self.setup.run.forget_validations(self.step)
        self.world.wait()
        self._save()
        self._monitor.rewind(self.step, illness.cause)


def _out_of_memory(error: BaseException) -> bool:
    """NumPy and CUDA's allocator have exceptions of their own; torch's others only say it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_MEMORY)
    )
