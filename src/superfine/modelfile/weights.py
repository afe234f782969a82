"""Weights in a safetensors file of fixed layout, and the lerp between two of them.

The format: eight bytes, little endian, that say how long the header is; the header, JSON padded with spaces; the
tensors. Ours are float16 and lie in the order of their names without gaps, so files of the same tensors have the same
header byte for byte. A graph that names offsets in one variant's file therefore fits every variant.

OpenVINO 2026.4 and ONNX Runtime 1.31 read tensors at any offset, odd ones included, so nothing is padded but the
header, to the eight bytes that the format asks for.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

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
        In the order of their names.

    Raises
    ------
    UserError
        Not a safetensors file, truncated or longer than its header says, or tensors that are not float16.
    """
    try:
        entries = sorted(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise UserError(f"{file}: damaged or truncated weights ({error}); copy the model again") from None
    for name, entry in entries:
        if entry["dtype"] != "F16":
            raise UserError(f"{file}: {name} is {entry['dtype']}, a model's weights are F16; publish the model again")
    return {name: np.frombuffer(entry["data"], "<f2").reshape(entry["shape"]) for name, entry in entries}


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
