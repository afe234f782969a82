"""A model that enlarges pictures: pixels in, pixels out, in strips from top to bottom."""

import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine import zoo
from superfine.engine import alpha, tiles
from superfine.engine.backends import Backend, open_backend, sound
from superfine.engine.self_ensemble import SelfEnsemble
from superfine.errors import UserError
from superfine.files import scratch
from superfine.images import imresize_strips
from superfine.images.write import Strip, round_to_bytes
from superfine.modelfile import Card, open_model, parse_dial

Progress = Callable[[int, int], None]
"""Called with the pixels of the input that are done, and with all of them."""

STRIP_BYTES = 2**28
"""Bound on one strip of output. A few are alive at once: one computed, one waiting, one encoded."""
AROUND = 2
"""Input pixels on each side of one in which alpha must be equal to stay what it is."""


class Model:
    """A network with its weights, ready on a device. Made by :func:`load`; it serves ``backend.callers`` threads at once.

    Attributes
    ----------
    card
        What the model is: name, scale, licence, training, measured numbers.
    scale
        Output pixels for each input pixel, along one side.
    dial
        Where it stands, as :func:`load` takes it.
    backend
        The library, device and precision that compute it.
    """

    def __init__(self, card: Card, backend: Backend, dial: float | str = 0.0) -> None:
        self.card = card
        self.scale = card.scale
        self.dial = dial
        self.backend = backend
        self._exact: Backend | None = None
        self._too_large: float = math.inf

    def __repr__(self) -> str:
        backend = self.backend
        return f"<{self.card.name}, dial {self.dial}, {backend.name} {backend.device} {backend.precision}>"

    def upscale(
        self,
        pixels: NDArray[np.float32],
        *,
        size: tuple[int, int] | None = None,
        tile: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Enlarge a picture.

        Parameters
        ----------
        pixels
            H×W×3 RGB or H×W×4 RGBA (alpha not multiplied in), float32 in [0,1]. Any size, 1×1 included.
        size
            (height, width) of the result, if not the model's ``scale`` times the picture's: what the network makes is then
            resized, bicubic and antialiased, as :func:`superfine.images.imresize` does.
        tile
            Side of a tile in input pixels, without the halo; chosen if left out. It changes memory and time; the
            result only by rounding.
        progress
            Called after each tile with the input's pixels done, and all.

        Returns
        -------
        NDArray
            sH×sW×3 or ×4, or of ``size``, float32 in [0,1].

        Raises
        ------
        UserError
            Pixels of another shape or type; a size below 1; a tile that is too small; a device without memory for the
            smallest tile; results that are not finite or far outside [0,1] even in float32, as those of levels are; or not of
            the size that the card promises.
        """
        strips = self.strips(pixels, size=size, tile=tile, progress=progress)
        height, width, channels = pixels.shape
        rows, columns = size or (self.scale * height, self.scale * width)
        output = np.empty((rows, columns, channels), np.float32)
        top = 0
        for strip in strips:
            output[top : top + len(strip)] = strip
            top += len(strip)
        return output

    def strips(
        self,
        pixels: NDArray[np.float32],
        *,
        size: tuple[int, int] | None = None,
        tile: int | None = None,
        progress: Progress | None = None,
        notice: Callable[[str], None] = warnings.warn,
        rounded: bool = False,
    ) -> Iterator[Strip]:
        """Enlarge a picture strip by strip, so that the whole output is never held.

        Parameters
        ----------
        pixels, size, tile, progress
            As in :meth:`upscale`.
        notice
            Called once with a sentence if tiles overflowed in half precision and were computed again in float32, and with one
            when the device had no memory for a tile, and it goes on with smaller ones.
        rounded
            Give the levels of 8 bits, rounded to the nearest: a quarter of the memory, and in less time, as touching fresh
            memory takes longer than rounding.

        Yields
        ------
        NDArray
            h×sW×3 or ×4, float32 in [0,1] or, if ``rounded``, uint8, from top to bottom; the heights add up to sH (of
            ``size``, both sides are those). Each is a new array.

        Raises
        ------
        UserError
            As :meth:`upscale`; bad arguments at once, not at the first strip.
        """
        _check(pixels, size)
        height, width, channels = pixels.shape
        rows = STRIP_BYTES // (4 * channels * self.scale**2 * width)
        plan = tiles.plan(
            height,
            width,
            self.card.margin,
            tile=tile,
            area=self.backend.area,
            rows=rows,
            multiple=self.card.multiple,
        )
        while plan.area >= self._too_large and (smaller := plan.halved()):
            plan = smaller
        progress, notice = progress or (lambda done, total: None), _once(notice)
        own = self.scale * height, self.scale * width
        if size in (None, own):
            return self._strips(pixels, plan, np.uint8 if rounded else np.float32, progress, notice)
        made = (
            strip.astype(np.float32, copy=False) for strip in self._strips(pixels, plan, np.float32, progress, notice)
        )
        resized = imresize_strips(made, height=own[0], width=own[1], size=size)
        return (_stored(strip, np.uint8 if rounded else np.float32) for strip in resized)

    def _strips(
        self,
        pixels: NDArray[np.float32],
        plan: tiles.Plan,
        dtype: type[np.uint8 | np.float32],
        progress: Progress,
        notice: Callable[[str], None],
    ) -> Iterator[Strip]:
        colours = pixels[..., :3]
        if pixels.shape[2] == 4:
            colours = alpha.bleed(colours, pixels[..., 3])
        top = 0
        while top < plan.height:
            row = plan.row_at(top)
            strip = np.empty((self.scale * (row.stop - top), self.scale * plan.width, pixels.shape[2]), dtype)
            try:
                for column in plan.columns:
                    target = strip[:, self.scale * column.start : self.scale * column.stop]
                    self._tile(pixels, colours, plan, row, column, target, notice)
                    progress(top * plan.width + (row.stop - top) * column.stop, plan.height * plan.width)
            except MemoryError:
                plan = self._with_less_memory(plan, notice)
                continue
            yield strip
            top = row.stop

    def _tile(
        self,
        pixels: NDArray[np.float32],
        colours: NDArray[np.float32],
        plan: tiles.Plan,
        row: tiles.Span,
        column: tiles.Span,
        target: Strip,
        notice: Callable[[str], None],
    ) -> None:
        """Compute one core, into its place in the strip; ``colours`` are those of ``pixels``, with hidden ones replaced."""
        kept = _kept(row, self.scale), _kept(column, self.scale)
        _store(self._run(plan.cut(colours, row, column), notice)[kept], target[..., :3])
        if pixels.shape[2] == 4:
            opacity = plan.cut(pixels[..., 3:], row, column)
            _store(self._enlarged_opacity(opacity, kept, notice), target[..., 3:])

    def _with_less_memory(self, plan: tiles.Plan, notice: Callable[[str], None]) -> tiles.Plan:
        """The plan to go on with where the device had no memory for a window; later pictures are spared the attempt."""
        smaller = plan.halved()
        if smaller is None:
            raise UserError(
                f"device {self.backend.device}: no memory for {plan.window_width} × {plan.window_height} pixels, which is what "
                f"{self.card.name} sees for its smallest tile; use another --device, or close other programs"
            )
        self._too_large = min(self._too_large, plan.area)
        notice(
            f"{self.backend.device} has no memory for {plan.window_width} × {plan.window_height} pixels at once; going on with "
            f"{smaller.window_width} × {smaller.window_height}"
        )
        return smaller

    def _enlarged_opacity(
        self, opacity: NDArray[np.float32], kept: tuple[slice, slice], notice: Callable[[str], None]
    ) -> NDArray[np.float32]:
        """Alpha goes through the network as a grey picture; where it is constant all around, it stays exactly that."""
        if (opacity == opacity[0, 0]).all():
            return opacity[:1, :1]
        grey: NDArray[np.float32] = self._run(np.repeat(opacity, 3, axis=2), notice)[kept].mean(axis=2, keepdims=True)
        constant, value = (
            x.repeat(self.scale, axis=0).repeat(self.scale, axis=1)[kept] for x in (_flat(opacity), opacity)
        )
        return np.where(constant, value, grey)

    def _run(self, window: NDArray[np.float32], notice: Callable[[str], None]) -> NDArray[np.float32]:
        output = self.backend.run(window[None])
        height, width, _ = window.shape
        if output.shape[1:3] != (self.scale * height, self.scale * width):
            raise UserError(
                f"model {self.card.name}: makes {output.shape[2]} × {output.shape[1]} pixels of {width} × {height}, which is "
                f"not {self.scale} times as large, as its model.json says; copy the model again"
            )
        if not sound(output) and self.backend.precision != "f32":
            notice(f"tiles overflowed in {self.backend.precision} and were computed again in float32")
            self._exact = self._exact or self.backend.in_float32()
            output = self._exact.run(window[None])
        if not sound(output):
            raise UserError(
                f"model {self.card.name}: its results are not finite or far outside [0,1], even in float32; check the model, "
                "and that the pixels are in [0,1]"
            )
        first: NDArray[np.float32] = output[0]
        return first


def load(
    model: str | Path = zoo.DEFAULT,
    *,
    device: str = "auto",
    dial: float | str | None = None,
    callers: int = 1,
    self_ensemble: bool = False,
) -> Model:
    """Ready a model.

    >>> large = superfine.load().upscale(small)

    Parameters
    ----------
    model
        A bundled model's name, or a model folder.
    device
        ``auto`` (a GPU through torch where there is one, else the CPU), ``cpu`` (OpenVINO), ``torch``, ``torch:cpu``,
        ``cuda`` or ``mps``.
    dial
        From 0 (``fidelity``) to 1 (``texture``); ``photo-0`` to ``photo-1`` between ``photo-fidelity`` and ``photo-texture``;
        or the name of a variant. Where the card says, if left out.
    callers
        Threads that will call the model at once, each with a picture of its own: faster for many small pictures. What runs on
        torch serves one at a time all the same; ``backend.callers`` tells.
    self_ensemble
        Enlarge in all eight orientations and average (:mod:`superfine.engine.self_ensemble`): closer to the truth, in eight
        times the time. One caller is served at a time.

    Raises
    ------
    UserError
        Unknown model, device or dial; a damaged model folder; a device that this machine lacks.
    """
    folder = open_model(zoo.find(model))
    dial = parse_dial(folder.card.dial) if dial is None else dial
    with scratch() as directory:
        graph = folder.materialise(directory, dial)
        # An engine is made ready for a shape, and each caller would bring two, upright and lying.
        backend = open_backend(graph, device, 1 if self_ensemble else callers)
    if folder.card.precision == "f32":
        backend = backend.in_float32()
    return Model(folder.card, SelfEnsemble(backend) if self_ensemble else backend, dial)


def _check(pixels: NDArray[np.float32], size: tuple[int, int] | None) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.float32:
        kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise UserError(f"pixels: {kind}, not float32 in [0,1]; for 8 bits, divide by np.float32(255)")
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise UserError(f"pixels: shape {pixels.shape}, not height × width × 3 or 4; repeat a grey picture three times")
    if size is not None and min(size) < 1:
        raise UserError(f"size {size}: height and width of the result are at least 1 pixel")


def _flat(opacity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Of H×W×1, where all pixels within :data:`AROUND` are equal."""
    low = high = np.pad(opacity, ((AROUND, AROUND), (AROUND, AROUND), (0, 0)), "edge")
    for axis in (0, 1):
        low, high = (
            choose(np.lib.stride_tricks.sliding_window_view(x, 2 * AROUND + 1, axis), axis=-1)
            for choose, x in ((np.min, low), (np.max, high))
        )
    flat: NDArray[np.bool_] = low == high
    return flat


def _store(values: NDArray[np.float32], target: Strip) -> None:
    values = np.broadcast_to(values, target.shape)
    if target.dtype == np.uint8:
        round_to_bytes(values, target)
    else:
        np.clip(values, 0, 1, out=target)


def _stored(values: NDArray[np.float32], dtype: type[np.uint8 | np.float32]) -> Strip:
    strip = np.empty(values.shape, dtype)
    _store(values, strip)
    return strip


def _kept(span: tiles.Span, scale: int) -> slice:
    """Of a window's result, what is kept."""
    return slice(scale * (span.start - span.window), scale * (span.stop - span.window))


def _once(notice: Callable[[str], None]) -> Callable[[str], None]:
    """Pass each sentence on the first time only: what befalls one tile of a picture mostly befalls many."""
    told: set[str] = set()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            notice(text)

    return tell
