"""Weights in a safetensors file of fixed layout, and the lerp between two of them.

The format: eight bytes, little endian, that say how long the header is; the header, JSON padded with spaces; the
tensors. Ours are float16 and lie in the order of their names without gaps, so files of the same tensors have the same
header byte for byte. A graph that names offsets in one variant's file therefore fits every variant.

OpenVINO 2026.4 and ONNX Runtime 1.31 read tensors at any offset, odd ones included, so nothing is padded but the
header, to the eight bytes that the format asks for.
"""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError

Weights = dict[str, NDArray[np.float16]]
"""Tensors by name."""


def half(weights: Mapping[str, NDArray[np.floating]]) -> Weights:
    """Round to float16, to the nearest.

    Raises
    ------
    UserError
        A value that is not finite, or becomes so because float16 ends at 65504.
    """
    rounded: Weights = {}
    for name, values in weights.items():
        with np.errstate(over="ignore"):
            rounded[name] = np.asarray(values).astype(np.float16)
        if not np.isfinite(rounded[name]).all():
            raise UserError(f"weights {name}: not finite in float16; train again with a lower learning rate")
    return rounded


def offsets(weights: Weights) -> dict[str, tuple[int, int]]:
    """Where :func:`encode` puts each tensor: the first byte, counted from the file's start, and the number of bytes."""
    start = len(_header(weights))
    where: dict[str, tuple[int, int]] = {}
    for name in sorted(weights):
        where[name] = (start, weights[name].nbytes)
        start += weights[name].nbytes
    return where


def encode(weights: Weights) -> bytes:
    """The bytes of the safetensors file: the same tensors always give the same bytes, however the dict is ordered."""
    return _header(weights) + b"".join(weights[name].astype("<f2", copy=False).tobytes() for name in sorted(weights))


def header(data: bytes) -> bytes:
    """The header of a safetensors file, its length included; only of data that :func:`decode` accepts."""
    return data[: 8 + struct.unpack("<Q", data[:8])[0]]


def decode(data: bytes, file: Path) -> Weights:
    """Read the bytes of a safetensors file; ``file`` is named in errors.

    Returns
    -------
    Weights
        Read-only views into ``data``, in the file's order.

    Raises
    ------
    UserError
        Not a safetensors file, truncated or longer than its header says, or tensors that are not float16.
    """
    damaged = f"{file}: damaged or truncated weights"
    if len(data) < 8 or (length := struct.unpack("<Q", data[:8])[0]) > len(data) - 8:
        raise UserError(f"{damaged} (the file ends inside its header); copy the model again")
    try:
        entries = json.loads(data[8 : 8 + length])
        entries.pop("__metadata__", None)
        tensors = [(name, e["dtype"], tuple(e["shape"]), *e["data_offsets"]) for name, e in entries.items()]
        if any(type(number) is not int for _, _, shape, *span in tensors for number in (*shape, *span)):
            raise TypeError
        tensors.sort(key=lambda tensor: (tensor[3], tensor[4]))
        sizes = [2 * math.prod(shape) for _, _, shape, _, _ in tensors]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise UserError(f"{damaged} (the header is not that of a safetensors file); copy the model again") from None
    weights: Weights = {}
    at = 8 + length
    for (name, dtype, shape, begin, end), size in zip(tensors, sizes, strict=True):
        if dtype != "F16":
            raise UserError(f"{file}: {name} is {dtype}, a model's weights are F16; publish the model again")
        if (begin, end) != (at - 8 - length, at - 8 - length + size) or any(side < 0 for side in shape):
            raise UserError(f"{damaged} (the header places {name} wrongly); copy the model again")
        if at + size > len(data):
            raise UserError(f"{damaged} (the file ends inside {name}); copy the model again")
        weights[name] = np.frombuffer(data, "<f2", size // 2, at).reshape(shape)
        at += size
    if at != len(data):
        raise UserError(f"{damaged} ({len(data) - at} bytes too long); copy the model again")
    return weights


def lerp(a: Weights, b: Weights, alpha: float) -> Weights:
    """Interpolate between two networks: (1 − α)·a + α·b for each tensor.

    Source: Wang et al. 2018 (ESRGAN), §3.4, Eq. 4. Computed in float32, stored in float16. At 0 and at 1 the result is
    ``a`` and ``b`` bit for bit.

    Parameters
    ----------
    a, b
        The same names and shapes.
    alpha
        In [0,1].

    Raises
    ------
    UserError
        Tensors that differ in name or shape; α outside [0,1].
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"dial {alpha}: outside 0 to 1; give a number between")
    if {name: values.shape for name, values in a.items()} != {name: values.shape for name, values in b.items()}:
        raise UserError("dial: the two variants hold different tensors; publish both from the same network")
    if alpha in (0, 1):
        # −0 · 1 + 0 would turn into +0, so the ends are not computed.
        return dict(b if alpha else a)
    t = np.float32(alpha)
    return {
        name: ((1 - t) * values.astype(np.float32) + t * b[name].astype(np.float32)).astype(np.float16)
        for name, values in a.items()
    }


def _header(weights: Weights) -> bytes:
    assert "__metadata__" not in weights, "safetensors keeps this name for itself"
    entries = {}
    end = 0
    for name in sorted(weights):
        begin, end = end, end + weights[name].nbytes
        entries[name] = {"dtype": "F16", "shape": list(weights[name].shape), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
