"""OpenVINO on the CPU: bfloat16 where the CPU has it, one compiled network for each window shape."""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from superfine.cores import cores
from superfine.engine.backends.openvino_graph import rewritten
from superfine.errors import UserError
from superfine.openvino_core import core

KEPT_SHAPES = 4
"""Compiled shapes that are kept. Compiling takes some 50 ms for compact, a second for RRDB with 23 blocks; each holds the
memory of its activations."""

MEMORY = 2**30
"""Bytes that the activations of one window may take."""

LARGEST_AREA = 560**2
"""Larger windows than this save little halo, and delay the first strip."""

_NO_MEMORY = ("std::bad_alloc", "Failed to allocate")
"""What OpenVINO says where the host has no memory: its allocator, and the CPU plugin's."""


class OpenVino:
    """A network on the CPU. For one caller a run uses all cores; for several, each run has its share of them.

    Small pictures, side by side, take a tenth less time than one after the other (compact, BSD100, two cores); large ones gain
    nothing, and each run holds the memory of its activations.
    """

    name = "OpenVINO"
    device = "CPU"

    def __init__(self, graph: Path, precision: str | None = None, *, callers: int = 1) -> None:
        try:
            model = core().read_model(graph)
        except RuntimeError as error:
            raise UserError(
                f"{graph}: OpenVINO cannot read it ({_first_line(error)}); publish the model again"
            ) from None
        if precision is None:
            precision = "bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        self.precision = precision
        self.callers = callers
        self._model = rewritten(model)
        self.area = self._area()
        self._networks: OrderedDict[tuple[int, ...], _Compiled] = OrderedDict()
        self._lock = Lock()

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`superfine.engine.backends.Backend`."""
        try:
            network = self._compiled(windows.shape)
            # One that another caller is not using at this moment.
            with self._lock:
                request = network.idle.pop() if network.idle else network.model.create_infer_request()
            result = request.infer([np.ascontiguousarray(windows)], share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            if not any(sign in str(error) for sign in _NO_MEMORY):
                raise
            with self._lock:
                self._networks.clear()
            height, width = windows.shape[1:3]
            raise MemoryError(f"{self.device}: no memory for windows of {width} × {height} pixels") from None
        output: NDArray[np.float32] = result[0] if self.callers == 1 else result[0].copy()
        network.idle.append(request)
        return output

    def _compiled(self, shape: tuple[int, ...]) -> "_Compiled":
        with self._lock:
            if shape not in self._networks:
                self._networks[shape] = _Compiled(self._compile(shape))
                if len(self._networks) > KEPT_SHAPES:
                    self._networks.popitem(last=False)
            self._networks.move_to_end(shape)
            return self._networks[shape]

    def in_float32(self) -> "OpenVino":
        """See :class:`superfine.engine.backends.Backend`."""
        other = object.__new__(OpenVino)
        other.__dict__ |= self.__dict__ | {"precision": "f32", "_networks": OrderedDict(), "_lock": Lock()}
        other.area = other._area()
        return other

    def _area(self) -> int:
        return min(LARGEST_AREA, int(MEMORY / _bytes_per_pixel(self._model, 2 if self.precision == "bf16" else 4)))

    def _compile(self, shape: tuple[int, ...]) -> ov.CompiledModel:
        model = self._model.clone()
        model.reshape(list(shape))
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self.precision}
        if self.callers > 1:
            hints["NUM_STREAMS"] = str(min(self.callers, cores()))
        return core().compile_model(model, "CPU", hints)


@dataclass(frozen=True)
class _Compiled:
    """A network for one shape of windows, and its requests that nobody waits for; each holds its activations."""

    model: ov.CompiledModel
    idle: list[ov.InferRequest] = field(default_factory=list)


def _bytes_per_pixel(model: ov.Model, size: int) -> float:
    """Activations that are alive at once, for each input pixel: the largest input and output of any operation.

    Measured: SRResNet takes 4.2 KB where this says 4.1.
    """
    probe = model.clone()
    side = 64
    probe.reshape([1, side, side, 3])
    largest = 0
    for operation in probe.get_ordered_ops():
        inputs = [operation.input_value(i) for i in range(operation.get_input_size())]
        outputs = [operation.output(i) for i in range(operation.get_output_size())]
        if operation.get_type_name() not in ("Constant", "Result"):
            elements = [int(np.prod(value.shape)) for value in (*inputs, *outputs) if _is_picture(value)]
            largest = max(largest, sum(elements))
    return size * largest / side**2


def _is_picture(value: ov.Output) -> bool:
    return len(value.shape) == 4 and value.get_node().get_type_name() not in ("Constant", "Convert")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
