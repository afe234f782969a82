"""torch on CUDA, MPS or the CPU: runs the model folder's ONNX graph, one function for each operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from superfine.errors import UserError

Attributes = Mapping[str, Any]

AREAS = {"cuda": 1024**2, "mps": 512**2, "cpu": 560**2}
"""Input pixels of one run: enough to fill a GPU, little enough for its memory."""


def gpu() -> str | None:
    """The GPU that torch has: ``cuda``, ``mps`` or none."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


class Torch:
    """A network as a list of operations on tensors.

    Convolutions run in half precision where the device has it; everything between, and the picture itself, keeps the
    precision it comes in, so a picture that is added at the end is not rounded.
    """

    name = "torch"
    callers = 1

    def __init__(self, graph: Path, device: str) -> None:
        """``device`` is ``cuda``, ``mps``, ``torch:cpu``, or ``torch`` for the best of these.

        Raises
        ------
        UserError
            The machine lacks the device; the graph holds an operation that is not in ``OPERATIONS``.
        """
        kind = {"torch": gpu() or "cpu", "torch:cpu": "cpu"}.get(device, device)
        if kind == "cuda" and not torch.cuda.is_available():
            raise UserError(f"device {device}: torch finds no CUDA GPU here; use `cpu`, or install a torch with CUDA")
        if kind == "mps" and not torch.backends.mps.is_available():
            raise UserError(f"device {device}: torch finds no Apple GPU here; use `cpu`")
        self._kind = kind
        self.device = torch.cuda.get_device_name() if kind == "cuda" else kind.upper()
        self.area = AREAS[kind]
        self._graph = _read(graph)
        self._set_precision(_half(kind))

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`superfine.engine.backends.Backend`."""
        try:
            return self._run(windows)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
        # Outside the block above, where the error's traceback would keep all that had been computed alive.
        if self._kind != "cpu":
            torch.get_device_module(self._kind).empty_cache()
        raise MemoryError(f"{self.device}: no memory for windows of {windows.shape[2]} × {windows.shape[1]} pixels")

    def _run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        # What is to be float32 is not rounded to TF32, as cuDNN's convolutions are by default.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            # N×H×W×3 seen as N×3×H×W is what torch calls channels_last, so nothing is moved.
            picture = torch.from_numpy(np.ascontiguousarray(windows)).to(self._kind).permute(0, 3, 1, 2)
            result = self._compute(picture)
            output: NDArray[np.float32] = result.permute(0, 2, 3, 1).float().contiguous().cpu().numpy()
        return output

    def in_float32(self) -> "Torch":
        """See :class:`superfine.engine.backends.Backend`."""
        other = object.__new__(Torch)
        other.__dict__ |= self.__dict__
        other._set_precision(torch.float32)
        return other

    def _set_precision(self, dtype: torch.dtype) -> None:
        self.precision = {torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32"}[dtype]
        self._constants: dict[str, Tensor] = {}
        for name, value in self._graph.constants.items():
            if name in self._graph.filters:
                self._constants[name] = value.to(self._kind, dtype).contiguous(memory_format=torch.channels_last)
            else:
                # Numbers that steer an operation are read by Python, so they stay where it reads them at no cost.
                self._constants[name] = (
                    value if name in self._graph.settings or not value.ndim else value.to(self._kind)
                )

    def _compute(self, picture: Tensor) -> Tensor:
        values = self._constants | {self._graph.input: picture}
        for step in self._graph.steps:
            values[step.output] = step.operation(step.attributes, *(values[n] if n else None for n in step.inputs))
            for name in step.done:
                del values[name]
        return values[self._graph.output]


_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED", "Invalid buffer size")
"""In the messages of MPS, of the CPU's allocator (Windows, others), of cuBLAS and cuDNN, and of MPS for a single tensor."""


def _out_of_memory(error: RuntimeError) -> bool:
    """CUDA's allocator has its own exception, a RuntimeError too; all others only say it."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _NO_MEMORY)


def _half(kind: str) -> torch.dtype:
    if kind != "cpu":
        # Three bits more than bfloat16; a tile that overflows is computed again.
        return torch.float16
    fast = any(there for name, there in torch.cpu.get_capabilities().items() if "bf16" in name)
    return torch.bfloat16 if fast else torch.float32


@dataclass(frozen=True)
class _Step:
    operation: Callable[..., Tensor]
    attributes: Attributes
    inputs: tuple[str, ...]
    output: str
    done: tuple[str, ...]
    """Values that no later step needs."""


@dataclass(frozen=True)
class _Graph:
    steps: list[_Step]
    constants: dict[str, Tensor]
    filters: set[str]
    settings: set[str]
    input: str
    output: str


def _read(path: Path) -> _Graph:
    """Read an ONNX graph; what depends on constants alone is computed at once."""
    graph = onnx.load(path).graph
    constants = {tensor.name: _tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    for name in constants:
        if constants[name].dtype == torch.float16:
            constants[name] = constants[name].float()
    nodes = []
    for node in graph.node:
        if node.op_type not in OPERATIONS:
            raise UserError(
                f"{path}: operation {node.op_type} is unknown to the torch backend, which knows "
                f"{', '.join(OPERATIONS)}; use `--device cpu`"
            )
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if all(name in constants for name in node.input):
            constants[node.output[0]] = OPERATIONS[node.op_type](attributes, *(constants[n] for n in node.input))
        else:
            nodes.append((node, attributes))
    inputs = [value.name for value in graph.input if value.name not in constants]
    output = graph.output[0].name

    needed_until = {name: i for i, (node, _) in enumerate(nodes) for name in node.input if name}
    steps = []
    for i, (node, attributes) in enumerate(nodes):
        done = {n for n in node.input if n and needed_until[n] == i and n not in constants and n != output}
        name = node.output[0]
        steps.append(_Step(OPERATIONS[node.op_type], attributes, tuple(node.input), name, tuple(sorted(done))))
    return _Graph(
        steps,
        {name: constants[name] for name in needed_until if name in constants},
        {node.input[1] for node, _ in nodes if node.op_type in ("Conv", "ConvTranspose")},
        {name for name, value in constants.items() if not value.is_floating_point()}
        | {name for node, _ in nodes if node.op_type in ("Resize", "Clip") for name in node.input[1:]},
        inputs[0],
        output,
    )


def _tensor(array: NDArray[Any]) -> Tensor:
    # A copy: torch warns of arrays that cannot be written to.
    return torch.from_numpy(np.array(array))


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise UserError(
            f"Conv: auto_pad {attributes['auto_pad']!r} is unknown to the torch backend; use `--device cpu`"
        )
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(
        x.to(weight.dtype),
        weight,
        None if bias is None else bias.to(weight.dtype),
        attributes.get("strides", (1, 1)),
        (top, left),
        attributes.get("dilations", (1, 1)),
        attributes.get("group", 1),
    )


def _conv_transpose(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    plain = attributes.get("auto_pad", b"NOTSET") == b"NOTSET" and not any(attributes.get("output_padding", ()))
    if not plain or (top, left) != (bottom, right) or "output_shape" in attributes:
        raise UserError(f"ConvTranspose: {attributes} is unknown to the torch backend; use `--device cpu`")
    return F.conv_transpose2d(
        x.to(weight.dtype),
        weight,
        None if bias is None else bias.to(weight.dtype),
        attributes.get("strides", (1, 1)),
        (top, left),
        groups=attributes.get("group", 1),
        dilation=attributes.get("dilations", (1, 1)),
    )


def _depth_to_space(attributes: Attributes, x: Tensor) -> Tensor:
    block = attributes["blocksize"]
    if attributes.get("mode", b"DCR") == b"CRD":
        return F.pixel_shuffle(x, block)
    n, depth, height, width = x.shape
    channels = depth // block**2
    blocks = x.reshape(n, block, block, channels, height, width).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, channels, height * block, width * block)


def _space_to_depth(attributes: Attributes, x: Tensor) -> Tensor:
    block = attributes["blocksize"]
    n, depth, height, width = x.shape
    cells = x.reshape(n, depth, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    return cells.reshape(n, depth * block**2, height // block, width // block)


def _shape(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[attributes.get("start", 0) : attributes.get("end")])


def _slice(_: Attributes, x: Tensor, *spans: Tensor) -> Tensor:
    starts, ends, *rest = (span.tolist() for span in spans)
    axes, steps = [*rest, [], []][:2]
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if steps and steps[i] != 1:
            raise UserError("Slice: steps are unknown to the torch backend; use `--device cpu`")
        axis = axes[i] if axes else i
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end),)]
    return x


PADS = {b"constant": "constant", b"edge": "replicate", b"reflect": "reflect"}
"""Modes of ONNX's Pad, each with its name in torch."""


def _pad(attributes: Attributes, x: Tensor, pads: Tensor, value: Tensor | None = None) -> Tensor:
    mode, sides = attributes.get("mode", b"constant"), pads.tolist()
    before, after = sides[: x.ndim], sides[x.ndim :]
    if mode not in PADS or any((*before[:-2], *after[:-2])) or len(after) != x.ndim:
        raise UserError(f"Pad: {mode!r} by {sides} is unknown to the torch backend; use `--device cpu`")
    return F.pad(
        x,
        (before[-1], after[-1], before[-2], after[-2]),
        PADS[mode],
        float(value) if mode == b"constant" and value is not None else None,
    )


RESIZES: dict[tuple[bytes, bytes], dict[str, Any]] = {
    (b"nearest", b"asymmetric"): {"mode": "nearest"},
    (b"linear", b"half_pixel"): {"mode": "bilinear", "align_corners": False},
    (b"linear", b"pytorch_half_pixel"): {"mode": "bilinear", "align_corners": False},
    (b"linear", b"align_corners"): {"mode": "bilinear", "align_corners": True},
    (b"cubic", b"half_pixel"): {"mode": "bicubic", "align_corners": False},
    (b"cubic", b"pytorch_half_pixel"): {"mode": "bicubic", "align_corners": False},
    (b"cubic", b"align_corners"): {"mode": "bicubic", "align_corners": True},
}
"""Modes of ONNX's Resize, each with what it is in torch. Nearest rounds down, cubic has a = −0.75, or −0.5: MATLAB's."""


def _resize(attributes: Attributes, x: Tensor, _roi: Tensor | None = None, *sizes: Tensor | None) -> Tensor:
    mode = attributes.get("mode", b"nearest"), attributes.get("coordinate_transformation_mode", b"half_pixel")
    matlab = mode == (b"cubic", b"half_pixel") and attributes.get("cubic_coeff_a") == -0.5
    known = (
        mode in RESIZES
        and (mode[0] != b"nearest" or attributes.get("nearest_mode") == b"floor")
        and (mode[0] != b"cubic" or attributes.get("cubic_coeff_a", -0.75) == -0.75 or matlab)
        and not attributes.get("antialias", 0)
        and not attributes.get("exclude_outside", 0)
        and len(sizes) == 1
        and sizes[0] is not None
    )
    if not known:
        raise UserError(f"Resize: {mode} with {attributes} is unknown to the torch backend; use `--device cpu`")
    assert sizes[0] is not None
    factors = sizes[0].tolist()[-2:]
    if not matlab:
        return F.interpolate(x, scale_factor=factors, **RESIZES[mode])
    return _enlarge_as_matlab(x, *factors)


def _enlarge_as_matlab(x: Tensor, vertical: float, horizontal: float) -> Tensor:
    """In torch a = −0.5 comes with antialiasing only, which changes nothing else when enlarging but at the edge."""
    if not all(factor >= 1 and factor.is_integer() for factor in (vertical, horizontal)):
        raise UserError(f"Resize: cubic by {vertical}×{horizontal} is unknown to the torch backend; use `--device cpu`")
    fine = F.interpolate(
        F.pad(x, (2, 2, 2, 2), mode="replicate"), scale_factor=[vertical, horizontal], mode="bicubic", antialias=True
    )
    top, left = 2 * int(vertical), 2 * int(horizontal)
    return fine[..., top:-top, left:-left]


def _clip(_: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return x.clamp(None if low is None else float(low), None if high is None else float(high))


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    # The precision is the backend's choice; a whole number must become a fraction, and no graph of ours needs more.
    return x if x.is_floating_point() else x.to(torch.float32)


def _constant(attributes: Attributes) -> Tensor:
    if "value" in attributes:
        return _tensor(numpy_helper.to_array(attributes["value"]))
    (value,) = attributes.values()
    return torch.tensor(value)


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, a, b: a + b,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
    "Constant": _constant,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Div": lambda _, a, b: a / b,
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda attributes, x: F.leaky_relu(x, attributes.get("alpha", 0.01)),
    "Mod": lambda _, a, b: a % b,
    "Mul": lambda _, a, b: a * b,
    "Pad": _pad,
    "PRelu": lambda _, x, slope: F.prelu(x, slope.to(x.dtype).flatten()),
    "Relu": lambda _, x: F.relu(x),
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": lambda _, x: torch.sigmoid(x),
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Sub": lambda _, a, b: a - b,
    "Tanh": lambda _, x: torch.tanh(x),
}
"""ONNX's operations by name, each a function of the node's attributes and its inputs."""
