"""MATLAB's ``imresize``: one description of the resampling, applied to NumPy arrays, to strips of them and to torch tensors.

The description is a matrix per axis. It is banded, so it is kept as small dense blocks, each a slice of the outputs, the
slice of the inputs they look at and their weights; an axis is then resized by a few matrix products.

Source: the behaviour of MATLAB's ``imresize`` (R2020), which the low-resolution pictures of every table in the
super-resolution literature are made with. Cubic kernel: R. Keys, "Cubic convolution interpolation for digital image
processing", 1981, Eq. 15, a = −0.5.

Two facts, measured on the published ×4 low-resolution pictures of Set5, Set14 and BSD100, which :func:`imresize` makes
again bit for bit: 8-bit pictures are rounded after *each* axis (rows first), and beyond its edge a picture goes on with its
edge pixel. Later versions of MATLAB mirror there instead (``padding="symmetric"``), which changes 1.4% of those samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Pixel = TypeVar("Pixel", np.uint8, np.uint16, np.float32, np.float64)
Doubles = NDArray[np.float64]

OUTPUTS_PER_BLOCK = 64
PADDINGS = ("edge", "symmetric")


def _box(x: Doubles) -> Doubles:
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


def _triangle(x: Doubles) -> Doubles:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(x: Doubles) -> Doubles:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x <= 1.0, near, np.where(x <= 2.0, far, 0.0))


class Kernel(NamedTuple):
    """An interpolation kernel and its support, in pixels."""

    function: Callable[[Doubles], Doubles]
    width: float


KERNELS = {"nearest": Kernel(_box, 1.0), "bilinear": Kernel(_triangle, 2.0), "bicubic": Kernel(_cubic, 4.0)}


class Block(NamedTuple):
    """``outputs = weights @ inputs`` for one run of output pixels; ``weights`` is float64, outputs × inputs."""

    outputs: slice
    inputs: slice
    weights: Doubles


@lru_cache(maxsize=64)
def axis_blocks(length: int, size: int, scale: float, kernel: str, antialias: bool, padding: str) -> tuple[Block, ...]:
    """Describe the resizing of one axis of ``length`` pixels to ``size`` pixels by the factor ``scale``.

    Pixel centres: output x (from 0) looks at input ``(x + 0.5) / scale − 0.5``. When shrinking with ``antialias`` the kernel
    is widened by 1/scale. Weights are normalised to sum 1. Positions outside stand for the edge pixel (``padding`` "edge") or
    are mirrored, the edge pixel repeated ("symmetric").
    """
    function, width = KERNELS[kernel]
    stretch = scale if antialias and scale < 1.0 else 1.0
    width /= stretch
    centres = (np.arange(size) + 0.5) / scale - 0.5
    taps = np.floor(centres - width / 2)[:, None] + np.arange(ceil(width) + 2)
    weights = function((centres[:, None] - taps) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    indices = taps.astype(np.int64)
    if padding == "symmetric":
        indices %= 2 * length
        indices = np.where(indices < length, indices, 2 * length - 1 - indices)
    indices = indices.clip(0, length - 1)

    blocks = []
    for start in range(0, size, OUTPUTS_PER_BLOCK):
        stop = min(start + OUTPUTS_PER_BLOCK, size)
        used = indices[start:stop][weights[start:stop] != 0.0]
        low, high = int(used.min()), int(used.max()) + 1
        dense = np.zeros((stop - start, high - low))
        rows, columns = np.nonzero(weights[start:stop])
        np.add.at(dense, (rows, indices[start + rows, columns] - low), weights[start + rows, columns])
        blocks.append(Block(slice(start, stop), slice(low, high), dense))
    return tuple(blocks)


def imresize(
    image: NDArray[Pixel],
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: str = "bicubic",
    antialias: bool | None = None,
    padding: str = "edge",
) -> NDArray[Pixel]:
    """Resize a picture as MATLAB's ``imresize`` does.

    Parameters
    ----------
    image : H×W or H×W×C of float32, float64, uint8 or uint16
        Floats are computed in their own dtype, in any range. Integers are computed in float32, rounded (halves up) and
        clipped after each axis, as MATLAB does.
    scale : factor of both axes; the output has ``ceil(scale × length)`` pixels. Either this or ``size``.
    size : (height, width) of the output; each axis' factor is then ``size / length``.
    kernel : "nearest", "bilinear" or "bicubic" (a = −0.5).
    antialias : widen the kernel when shrinking. As in MATLAB all kernels but "nearest" are, if left out.
    padding : "edge" or "symmetric", what a picture is taken to be beyond its edge.

    Returns
    -------
    Array of the same dtype, h×w or h×w×C. Cubic weights are negative in places: floats can leave the input's range.

    Raises
    ------
    ValueError
        Neither or both of scale and size, a scale or size that is not positive, an unknown kernel or padding, a shape other
        than H×W or H×W×C, an empty picture.
    TypeError
        Another dtype.
    """
    if image.dtype not in (np.float32, np.float64, np.uint8, np.uint16):
        raise TypeError(f"imresize takes float32, float64, uint8 or uint16, not {image.dtype}")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"imresize takes a picture H×W or H×W×C, not an array of shape {image.shape}")
    targets = _targets(image.shape[:2], scale, size, kernel, padding)
    widened = kernel != "nearest" if antialias is None else antialias
    largest = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(image.dtype)
    working: NDArray[Any] = image if largest is None else image.astype(np.float32)
    for axis in _order(targets):
        length, (out, factor) = working.shape[axis], targets[axis]
        if out == length and factor == 1.0:
            continue
        rows = np.ascontiguousarray(np.swapaxes(working, 0, axis))
        flat = rows.reshape(length, -1)
        resized = np.empty((out, flat.shape[1]), working.dtype)
        for block in axis_blocks(length, out, factor, kernel, widened, padding):
            np.matmul(block.weights.astype(working.dtype), flat[block.inputs], out=resized[block.outputs])
        if largest is not None:
            np.floor(resized + np.float32(0.5), out=resized)
            resized.clip(0, largest, out=resized)
        working = np.swapaxes(resized.reshape(out, *rows.shape[1:]), 0, axis)
    return np.ascontiguousarray(working.astype(image.dtype, copy=False))


def imresize_strips(
    strips: Iterable[NDArray[np.float32]], *, height: int, width: int, size: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """:func:`imresize` for a picture that comes in strips from top to bottom, of which only a few rows are ever held.

    Parameters
    ----------
    strips : h×``width``×C, float32, in any range; their heights add up to ``height``.
    height, width : of the whole picture.
    size : (height, width) of the result.

    Yields
    ------
    Strips of the result, at most :data:`OUTPUTS_PER_BLOCK` rows each, of the same dtype. Bicubic, widened when shrinking,
    edges repeated. They differ from :func:`imresize`'s by rounding alone.

    Raises
    ------
    ValueError
        Strips of another width, or that do not add up to ``height``; a size below 1.
    """
    (rows, factor), _ = _targets((height, width), None, size, "bicubic", "edge")
    blocks = iter(axis_blocks(height, rows, factor, "bicubic", True, "edge"))
    block: Block | None = next(blocks)
    held = np.empty((0, size[1], 0), np.float32)  # the input's rows from ``first`` to ``taken``, resized across
    first = taken = 0
    for strip in strips:
        if strip.shape[1] != width or taken + len(strip) > height:
            raise ValueError(f"a strip of shape {strip.shape} does not fit {height} × {width} after {taken} rows")
        for top in range(0, len(strip), OUTPUTS_PER_BLOCK):
            piece = strip[top : top + OUTPUTS_PER_BLOCK]
            taken += len(piece)
            across = imresize(piece, size=(len(piece), size[1]))
            held = np.concatenate((held, across)) if len(held) else across
            while block is not None and block.inputs.stop <= taken:
                inputs = held[block.inputs.start - first : block.inputs.stop - first]
                resized = block.weights.astype(np.float32) @ inputs.reshape(len(inputs), -1)
                yield resized.reshape(-1, *inputs.shape[1:])
                block = next(blocks, None)
            unused = taken if block is None else min(block.inputs.start, taken)
            held, first = held[unused - first :], unused
    if taken != height:
        raise ValueError(f"the strips make up {taken} rows of {height}")


def imresize_tensor(
    image: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: str = "bicubic",
    antialias: bool | None = None,
    padding: str = "edge",
) -> Tensor:
    """:func:`imresize` for a floating-point torch tensor …×H×W (channels first), on its device, in its dtype.

    The same description and the same parameters; differentiable. This module does not import torch.

    Raises
    ------
    ValueError
        As :func:`imresize`.
    TypeError
        The dtype is not a floating-point one.
    """
    if not image.is_floating_point():
        raise TypeError(f"imresize_tensor takes a floating-point tensor, not {image.dtype}")
    if image.ndim < 2 or 0 in image.shape[-2:]:
        raise ValueError(f"imresize_tensor takes pictures …×H×W, not a tensor of shape {tuple(image.shape)}")
    height, width = image.shape[-2:]
    targets = _targets((height, width), scale, size, kernel, padding)
    widened = kernel != "nearest" if antialias is None else antialias
    for axis in _order(targets):
        length, (out, factor) = image.shape[axis - 2], targets[axis]
        if out == length and factor == 1.0:
            continue
        shape = list(image.shape)
        shape[axis - 2] = out
        resized = image.new_empty(shape)
        for block in axis_blocks(length, out, factor, kernel, widened, padding):
            weights = image.new_tensor(block.weights)
            if axis == 0:
                resized[..., block.outputs, :] = weights @ image[..., block.inputs, :]
            else:
                resized[..., block.outputs] = image[..., block.inputs] @ weights.T
        image = resized
    return image


def _targets(
    shape: tuple[int, ...], scale: float | None, size: tuple[int, int] | None, kernel: str, padding: str
) -> list[tuple[int, float]]:
    """Output pixels and factor of each axis, as MATLAB derives one from the other."""
    if kernel not in KERNELS:
        raise ValueError(f"unknown kernel {kernel!r}; choose one of {', '.join(KERNELS)}")
    if padding not in PADDINGS:
        raise ValueError(f"unknown padding {padding!r}; choose one of {', '.join(PADDINGS)}")
    if size is not None and scale is None:
        if min(size) < 1:
            raise ValueError(f"size {size} must be at least 1 pixel on each axis")
        return [(out, out / length) for out, length in zip(size, shape, strict=True)]
    if scale is None or size is not None:
        raise ValueError("give either scale or size")
    if not 0.0 < scale < float("inf"):
        raise ValueError(f"scale {scale} must be positive and finite")
    # The product is rounded first: 0.07 × 100 is a hair above 7 in floating point, and would give 8 pixels.
    return [(max(1, ceil(round(scale * length, 9))), float(scale)) for length in shape]


def _order(targets: list[tuple[int, float]]) -> tuple[int, int]:
    """The axis with the smaller factor goes first, rows where they are equal, as in MATLAB."""
    return (0, 1) if targets[0][1] <= targets[1][1] else (1, 0)
