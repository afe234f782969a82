"""What computes a network: the common interface and the table of devices."""

import platform
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError

OVERFLOW = 16.0
"""Outputs lie near [0,1]. A backend may limit them to ± this, so whatever reaches it, or is no number, has overflowed."""


def sound(output: NDArray[np.float32]) -> bool:
    """Whether nothing in a network's output has overflowed."""
    # A comparison with NaN is false, and NaN passes through min and max.
    return bool(output.min() > -OVERFLOW and output.max() < OVERFLOW)


class Backend(Protocol):
    """A network, ready to run on one device."""

    @property
    def callers(self) -> int:
        """Threads that may call it at once."""

    @property
    def name(self) -> str:
        """Of the library, such as ``OpenVINO``."""

    @property
    def device(self) -> str:
        """Such as ``CPU``, or the GPU's name."""

    @property
    def precision(self) -> str:
        """Of the convolutions: ``bf16``, ``f16`` or ``f32``."""

    @property
    def area(self) -> int:
        """Input pixels that one run may have, for it to be fast and to fit into the memory."""

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map N×H×W×3 RGB in [0,1] to N×sH×sW×3 RGB, near [0,1], not clipped; float32.

        For a single caller the result is valid until the next call, which may overwrite it.

        Raises
        ------
        MemoryError
            The device has no memory for windows of this size; it is ready for smaller ones.
        """

    def in_float32(self) -> "Backend":
        """The same network on the same device, in float32 throughout."""


def _openvino(graph: Path, callers: int) -> Backend:
    from superfine.engine.backends.openvino import OpenVino

    return OpenVino(graph, callers=callers)


def _torch(device: str) -> Callable[[Path, int], Backend]:
    def open_torch(graph: Path, callers: int) -> Backend:
        for package in ("torch", "onnx"):
            if find_spec(package) is None:
                raise UserError(
                    f"device {device}: needs the package {package}; run `pip install 'superfine[train]'`, or use `cpu`"
                )
        from superfine.engine.backends.torch import Torch

        return Torch(graph, device)

    return open_torch


def resolved(device: str) -> str:
    """What ``auto`` is on this machine; any other device as it is. Torch is imported only where there may be a GPU."""
    if device == "auto" and _may_have_gpu() and find_spec("torch") and find_spec("onnx"):
        from superfine.engine.backends.torch import gpu

        return gpu() or "cpu"
    return "cpu" if device == "auto" else device


def _auto(graph: Path, callers: int) -> Backend:
    return BACKENDS[resolved("auto")](graph, callers)


def _may_have_gpu() -> bool:
    """Whether asking torch for a GPU is worth the second that importing it takes."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        from ctypes.util import find_library

        return find_library("nvcuda") is not None
    # NVIDIA's driver, AMD's, and Windows' GPU inside WSL.
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


BACKENDS: dict[str, Callable[[Path, int], Backend]] = {
    "auto": _auto,
    "cpu": _openvino,
    "torch": _torch("torch"),
    "torch:cpu": _torch("torch:cpu"),
    "cuda": _torch("cuda"),
    "mps": _torch("mps"),
}
"""Each device by its name on the command line. ``auto`` is a GPU through torch where there is one, else ``cpu``; ``cpu``
is OpenVINO; ``torch`` is torch's best device."""


def open_backend(graph: Path, device: str, callers: int = 1) -> Backend:
    """Ready a network for a device.

    Parameters
    ----------
    graph
        An ONNX graph with its weights; not needed any more when this returns.
    device
        A key of ``BACKENDS``.
    callers
        Threads that will call it at once. Torch's serve one all the same.

    Raises
    ------
    UserError
        Unknown device; a device or a package that this machine lacks; an operation that the backend does not know.
    """
    if device not in BACKENDS:
        raise UserError(f"device {device}: unknown; choose one of {', '.join(BACKENDS)}")
    return BACKENDS[device](graph, callers)
