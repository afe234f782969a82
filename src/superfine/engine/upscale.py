"""A model that enlarges pictures: pixels in, pixels out, in strips from top to bottom."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine import zoo
from superfine.engine import alpha, tiles
from superfine.engine.backends import OVERFLOW, Backend, open_backend
from superfine.errors import UserError
from superfine.images.write import Strip, round_to_bytes
from superfine.modelfile import Card, open_model

Progress = Callable[[int, int], None]
"""Called with the pixels of the input that are done, and with all of them."""

STRIP_BYTES = 2**28
"""Bound on one strip of output. A few are alive at once: one computed, one waiting, one encoded."""


class Model:
    """A network with its weights, ready on a device. Made by :func:`load`; it serves one caller at a time.

    Attributes
    ----------
    card
        What the model is: name, scale, licence, training, measured numbers.
    scale
        Output pixels for each input pixel, along one side.
    dial
        The position between ``fidelity`` (0) and ``texture`` (1), or the variant's name.
    backend
        The library, device and precision that compute it.
    """

    def __init__(self, card: Card, backend: Backend, dial: float | str = 0.0) -> None:
        self.card = card
        self.scale = card.scale
        self.dial = dial
        self.backend = backend
        self._exact: Backend | None = None

    def __repr__(self) -> str:
        backend = self.backend
        return f"<{self.card.name}, dial {self.dial}, {backend.name} {backend.device} {backend.precision}>"

    def upscale(
        self, pixels: NDArray[np.float32], *, tile: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Enlarge a picture.

        Parameters
        ----------
        pixels
            H×W×3 RGB or H×W×4 RGBA (alpha not multiplied in), float32 in [0,1]. Any size, 1×1 included.
        tile
            Side of a tile in input pixels, without the halo; chosen if left out. It changes memory and time; the
            result only by rounding.
        progress
            Called after each tile with the input's pixels done, and all.

        Returns
        -------
        NDArray
            sH×sW×3 or ×4, float32 in [0,1].

        Raises
        ------
        UserError
            Pixels of another shape or type; a tile that is too small; results that are not finite even in float32, or not of
            the size that the card promises.
        """
        strips = self.strips(pixels, tile=tile, progress=progress)
        height, width, channels = pixels.shape
        output = np.empty((self.scale * height, self.scale * width, channels), np.float32)
        top = 0
        for strip in strips:
            output[top : top + len(strip)] = strip
            top += len(strip)
        return output

    def strips(
        self,
        pixels: NDArray[np.float32],
        *,
        tile: int | None = None,
        progress: Progress | None = None,
        notice: Callable[[str], None] = warnings.warn,
        rounded: bool = False,
    ) -> Iterator[Strip]:
        """Enlarge a picture strip by strip, so that the whole output is never held.

        Parameters
        ----------
        pixels, tile, progress
            As in :meth:`upscale`.
        notice
            Called with a sentence when a tile overflowed in half precision and was computed again in float32.
        rounded
            Give the levels of 8 bits, rounded to the nearest: a quarter of the memory, and in less time, as touching fresh
            memory takes longer than rounding.

        Yields
        ------
        NDArray
            h×sW×3 or ×4, float32 in [0,1] or, if ``rounded``, uint8, from top to bottom; the heights add up to sH. Each
            is a new array.

        Raises
        ------
        UserError
            As :meth:`upscale`; bad arguments at once, not at the first strip.
        """
        _check(pixels)
        height, width, channels = pixels.shape
        rows = STRIP_BYTES // (4 * channels * self.scale**2 * width)
        plan = tiles.plan(height, width, self.card.radius, tile=tile, area=self.backend.area, rows=rows)
        dtype = np.uint8 if rounded else np.float32
        return self._strips(pixels, plan, dtype, progress or (lambda done, total: None), notice)

    def _strips(
        self,
        pixels: NDArray[np.float32],
        plan: tiles.Plan,
        dtype: type[np.uint8 | np.float32],
        progress: Progress,
        notice: Callable[[str], None],
    ) -> Iterator[Strip]:
        s, channels = self.scale, pixels.shape[2]
        colours = pixels[..., :3]
        if channels == 4:
            colours = alpha.bleed(colours, pixels[..., 3])
        done = 0
        for row in plan.rows:
            strip = np.empty((s * (row.stop - row.first), s * plan.width, channels), dtype)
            for column in plan.columns:
                kept = _kept(row, plan.radius, s), _kept(column, plan.radius, s)
                target = strip[:, s * column.first : s * column.stop]
                window = plan.cut(colours, row, column)
                _store(self._run(window, notice)[kept], target[..., :3])
                if channels == 4:
                    opacity = plan.cut(pixels[..., 3:], row, column)
                    _store(self._enlarged_opacity(opacity, kept, notice), target[..., 3:])
                done += (row.stop - row.first) * (column.stop - column.first)
                progress(done, plan.height * plan.width)
            yield strip

    def _enlarged_opacity(
        self, opacity: NDArray[np.float32], kept: tuple[slice, slice], notice: Callable[[str], None]
    ) -> NDArray[np.float32]:
        """Alpha goes through the network as a grey picture; where it is constant, it stays exactly that."""
        if (opacity == opacity[0, 0]).all():
            return opacity[:1, :1]
        grey: NDArray[np.float32] = self._run(np.repeat(opacity, 3, axis=2), notice)[kept].mean(axis=2, keepdims=True)
        return grey

    def _run(self, window: NDArray[np.float32], notice: Callable[[str], None]) -> NDArray[np.float32]:
        output = self.backend.run(window[None])
        height, width, _ = window.shape
        if output.shape[1:3] != (self.scale * height, self.scale * width):
            raise UserError(
                f"model {self.card.name}: makes {output.shape[2]} × {output.shape[1]} pixels of {width} × {height}, which is "
                f"not {self.scale} times as large, as its model.json says; copy the model again"
            )
        if not _sound(output) and self.backend.precision != "f32":
            notice(f"a tile overflowed in {self.backend.precision} and was computed again in float32")
            self._exact = self._exact or self.backend.in_float32()
            output = self._exact.run(window[None])
        if not _sound(output):
            raise UserError(
                f"model {self.card.name}: its results are not finite, even in float32; check the picture and the model"
            )
        first: NDArray[np.float32] = output[0]
        return first


def load(model: str | Path = zoo.DEFAULT, *, device: str = "auto", dial: float | str = 0.0) -> Model:
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
        From 0 (``fidelity``) to 1 (``texture``), or the name of a variant.

    Raises
    ------
    UserError
        Unknown model, device or dial; a damaged model folder; a device that this machine lacks.
    """
    folder = open_model(zoo.find(model))
    with tempfile.TemporaryDirectory(prefix="superfine-") as directory:
        graph = folder.materialise(Path(directory), dial)
        return Model(folder.card, open_backend(graph, device), dial)


def _check(pixels: NDArray[np.float32]) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.float32:
        kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise UserError(f"pixels: {kind}, not float32 in [0,1]; for 8 bits, divide by np.float32(255)")
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise UserError(f"pixels: shape {pixels.shape}, not height × width × 3 or 4; repeat a grey picture three times")


def _store(values: NDArray[np.float32], target: Strip) -> None:
    values = np.broadcast_to(values, target.shape)
    if target.dtype == np.uint8:
        round_to_bytes(values, target)
    else:
        np.clip(values, 0, 1, out=target)


def _kept(span: tiles.Span, radius: int, scale: int) -> slice:
    start = scale * (span.first - span.start + radius)
    return slice(start, start + scale * (span.stop - span.first))


def _sound(output: NDArray[np.float32]) -> bool:
    # A comparison with NaN is false, and NaN passes through min and max.
    return bool(output.min() > -OVERFLOW and output.max() < OVERFLOW)
