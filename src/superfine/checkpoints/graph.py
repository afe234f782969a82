"""A network as an ONNX graph without weights: every tensor is external data inside a safetensors file.

Written from the network's own trace, operation by operation, so that the graph stays small and the same from one version
of torch to the next, and its tensors keep the names they have in the network.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from onnx import NodeProto, TensorProto, helper
from torch import fx, nn

from superfine.errors import UserError
from superfine.networks.rrdb import crop_to_double, pad_even
from superfine.networks.srcnn import Bicubic

_OPSET = 18
_IR_VERSION = 8


def export_graph(network: nn.Module, location: str, offsets: Mapping[str, tuple[int, int]]) -> bytes:
    """The ONNX graph of a network, with dynamic batch, height and width.

    The input is called ``input``, N×3×H×W; the output ``output``, N×3×sH×sW; both float32. Each tensor of the network is
    an initializer of its name, float16, and is cast to float32 in the graph.

    Parameters
    ----------
    network
        In evaluation mode, batch norm folded.
    location
        Plain name of the file of weights, which lies beside the graph.
    offsets
        For each tensor its first byte in that file and its number of bytes (:func:`superfine.modelfile.offsets`).

    Raises
    ------
    UserError
        An operation that is not in the tables below.
    """
    traced = fx.GraphModule(network, _Tracer().trace(network))
    build = _Graph(network, location, offsets)
    values: dict[fx.Node, str] = {}
    for node in traced.graph.nodes:
        arguments = fx.map_arg(node.args, values.__getitem__)
        if node.op == "placeholder":
            values[node] = "input"
        elif node.op == "output":
            assert build.nodes[-1].output[:] == [*arguments], "the last operation gives the output"
            build.nodes[-1].output[:] = ["output"]
        elif node.op == "call_module" and type(module := traced.get_submodule(str(node.target))) in _MODULES:
            values[node] = _MODULES[type(module)](build, node.name, str(node.target), module, *arguments)
        elif node.op == "call_function" and node.target in _FUNCTIONS:
            values[node] = _FUNCTIONS[node.target](build, node.name, *arguments, **node.kwargs)
        else:
            what = type(traced.get_submodule(str(node.target))) if node.op == "call_module" else node.target
            raise UserError(f"{type(network).__name__}: no ONNX form for {what}; add it to {__name__}")
    graph = helper.make_graph(
        build.nodes,
        type(network).__name__,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3, "out_height", "out_width"])],
        build.initializers,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="superfine")
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Tracer(fx.Tracer):
    """Looks into every module that has no form of its own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _MODULES or super().is_leaf_module(m, module_qualified_name)


class _Graph:
    """The nodes and initializers of a graph that grows."""

    def __init__(self, network: nn.Module, location: str, offsets: Mapping[str, tuple[int, int]]) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._state = network.state_dict()
        self._location = location
        self._offsets = offsets

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Append an operation of one output, which has the operation's name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str, shape: tuple[int, ...] | None = None) -> str:
        """A tensor of the network, cast to float32; ``shape`` shows the same bytes differently."""
        offset, length = self._offsets[name]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, data_location=TensorProto.EXTERNAL)
        tensor.dims.extend(shape or self._state[name].shape)
        for key, value in (("location", self._location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return self.node("Cast", [name], f"{name}/float32", to=TensorProto.FLOAT)

    def constant(self, name: str, values: list[float], shape: list[int]) -> str:
        self.initializers.append(helper.make_tensor(name, TensorProto.FLOAT, shape, values))
        return name

    def integers(self, name: str, values: list[int] | int) -> str:
        """A vector, or a single number, that steers an operation."""
        shape, flat = ([], [values]) if isinstance(values, int) else ([len(values)], values)
        self.initializers.append(helper.make_tensor(name, TensorProto.INT64, shape, flat))
        return name


def _convolution(
    build: _Graph,
    kind: str,
    name: str,
    target: str,
    module: nn.Conv2d | nn.ConvTranspose2d,
    padding: tuple[int, ...],
    x: str,
) -> str:
    tensors = [build.weight(f"{target}.weight")]
    if module.bias is not None:
        tensors.append(build.weight(f"{target}.bias"))
    return build.node(
        kind,
        [x, *tensors],
        name,
        kernel_shape=list(module.kernel_size),
        pads=[*padding, *padding],
        strides=list(module.stride),
        dilations=list(module.dilation),
        group=module.groups,
    )


def _conv(build: _Graph, name: str, target: str, module: nn.Conv2d, x: str) -> str:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise UserError(f"{target}: padding {module.padding_mode} {module.padding} has no ONNX form; pad with zeros")
    return _convolution(build, "Conv", name, target, module, module.padding, x)


def _conv_transpose(build: _Graph, name: str, target: str, module: nn.ConvTranspose2d, x: str) -> str:
    if any(module.output_padding):
        raise UserError(f"{target}: output padding {module.output_padding} has no ONNX form; leave it out")
    assert not isinstance(module.padding, str), "torch refuses it"
    return _convolution(build, "ConvTranspose", name, target, module, module.padding, x)


def _bicubic(build: _Graph, name: str, target: str, module: Bicubic, x: str) -> str:
    scales = build.constant(f"{name}/scales", [1.0, 1.0, float(module.scale), float(module.scale)], [4])
    return build.node("Resize", [x, "", scales], name, **_RESIZES["matlab"])


def _prelu(build: _Graph, name: str, target: str, module: nn.PReLU, x: str) -> str:
    return build.node("PRelu", [x, build.weight(f"{target}.weight", (module.num_parameters, 1, 1))], name)


def _pixel_shuffle(build: _Graph, name: str, x: str, upscale_factor: int) -> str:
    return build.node("DepthToSpace", [x], name, blocksize=upscale_factor, mode="CRD")


def _pixel_shuffle_module(build: _Graph, name: str, target: str, module: nn.PixelShuffle, x: str) -> str:
    return _pixel_shuffle(build, name, x, module.upscale_factor)


def _pixel_unshuffle(build: _Graph, name: str, x: str, downscale_factor: int) -> str:
    """Of RGB, colour by colour: ONNX puts the place in a cell before the channel, torch behind it.

    (A Gather that orders the channels afterwards would do, but OpenVINO 2026.4 merges it into a convolution behind it in the
    wrong direction.)
    """
    parts = []
    for channel in range(3):
        colour = _slice(build, f"{name}/colour{channel}", x, (slice(None), slice(channel, channel + 1)))
        cells = build.node("SpaceToDepth", [colour], f"{name}/cells{channel}", blocksize=downscale_factor)
        parts.append(cells)
    return build.node("Concat", parts, name, axis=1)


def _interpolate(
    build: _Graph,
    name: str,
    x: str,
    *,
    scale_factor: float,
    mode: str,
    align_corners: bool | None = None,
    **others: object,
) -> str:
    if (
        mode not in ("nearest", "bilinear")
        or align_corners
        or any(value not in (None, False) for value in others.values())
    ):
        what = f"interpolation {mode} {others | {'align_corners': align_corners}}"
        raise UserError(f"{name}: {what} has no ONNX form; use nearest or bilinear, by a factor")
    scales = build.constant(f"{name}/scales", [1.0, 1.0, scale_factor, scale_factor], [4])
    return build.node("Resize", [x, "", scales], name, **_RESIZES[mode])


def _upsample_module(build: _Graph, name: str, target: str, module: nn.Upsample, x: str) -> str:
    if not isinstance(module.scale_factor, float):
        raise UserError(f"{target}: enlarging to {module.size} has no ONNX form; enlarge by one factor")
    return _interpolate(
        build, name, x, scale_factor=module.scale_factor, mode=module.mode, align_corners=module.align_corners
    )


def _leaky_relu(build: _Graph, name: str, x: str, negative_slope: float = 0.01, inplace: bool = False) -> str:
    return build.node("LeakyRelu", [x], name, alpha=negative_slope)


def _leaky_relu_module(build: _Graph, name: str, target: str, module: nn.LeakyReLU, x: str) -> str:
    return _leaky_relu(build, name, x, module.negative_slope)


def _relu(build: _Graph, name: str, x: str, inplace: bool = False) -> str:
    return build.node("Relu", [x], name)


def _relu_module(build: _Graph, name: str, target: str, module: nn.ReLU, x: str) -> str:
    return _relu(build, name, x)


def _concatenate(build: _Graph, name: str, parts: list[str], dim: int) -> str:
    return build.node("Concat", parts, name, axis=dim) if len(parts) > 1 else build.node("Identity", parts, name)


def _pad(
    build: _Graph, name: str, x: str, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> str:
    if mode != "replicate" or len(pad) != 4:
        raise UserError(f"{name}: padding {mode} by {pad} has no ONNX form; repeat the edge of height and width")
    left, right, top, bottom = pad
    pads = build.integers(f"{name}/pads", [0, 0, top, left, 0, 0, bottom, right])
    return build.node("Pad", [x, pads], name, mode="edge")


def _slice(build: _Graph, name: str, x: str, index: object) -> str:
    """``x[:, 0:1]`` and the like: plain slices from the first axis on."""
    entries = index if isinstance(index, tuple) else (index,)
    spans = [(axis, span) for axis, span in enumerate(entries) if isinstance(span, slice) and span != slice(None)]
    if any(not isinstance(entry, slice) or entry.step is not None for entry in entries):
        raise UserError(f"{name}: the index {index} has no ONNX form; use slices without a step")
    starts = build.integers(f"{name}/starts", [span.start or 0 for _, span in spans])
    ends = build.integers(f"{name}/ends", [2**31 if span.stop is None else span.stop for _, span in spans])
    axes = build.integers(f"{name}/axes", [axis for axis, _ in spans])
    return build.node("Slice", [x, starts, ends, axes], name)


def _pad_even(build: _Graph, name: str, x: str) -> str:
    size = build.node("Shape", [x], f"{name}/size", start=2)
    lacking = build.node("Mod", [size, build.integers(f"{name}/two", 2)], f"{name}/lacking")
    pads = build.node("Concat", [build.integers(f"{name}/none", [0] * 6), lacking], f"{name}/pads", axis=0)
    return build.node("Pad", [x, pads], name, mode="edge")


def _crop_to_double(build: _Graph, name: str, y: str, x: str) -> str:
    size = build.node("Shape", [x], f"{name}/size", start=2)
    ends = build.node("Mul", [size, build.integers(f"{name}/two", 2)], f"{name}/ends")
    starts, axes = build.integers(f"{name}/starts", [0, 0]), build.integers(f"{name}/axes", [2, 3])
    return build.node("Slice", [y, starts, ends, axes], name)


def _binary(kind: str) -> Callable[..., str]:
    def write(build: _Graph, name: str, *operands: str | float) -> str:
        names = [o if isinstance(o, str) else build.constant(f"{name}/operand", [float(o)], []) for o in operands]
        return build.node(kind, names, name)

    return write


_RESIZES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "matlab": {"mode": "cubic", "cubic_coeff_a": -0.5, "coordinate_transformation_mode": "half_pixel"},
}
"""Interpolation in ONNX's words: torch's nearest and bilinear (``align_corners=False``), MATLAB's bicubic enlargement."""

_MODULES: dict[type[nn.Module], Callable[..., str]] = {
    Bicubic: _bicubic,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.LeakyReLU: _leaky_relu_module,
    nn.PReLU: _prelu,
    nn.PixelShuffle: _pixel_shuffle_module,
    nn.ReLU: _relu_module,
    nn.Upsample: _upsample_module,
}

_FUNCTIONS: dict[Any, Callable[..., str]] = {
    operator.add: _binary("Add"),
    operator.getitem: _slice,
    operator.mul: _binary("Mul"),
    operator.sub: _binary("Sub"),
    torch.cat: _concatenate,
    F.interpolate: _interpolate,
    F.leaky_relu: _leaky_relu,
    F.pad: _pad,
    F.pixel_shuffle: _pixel_shuffle,
    F.pixel_unshuffle: _pixel_unshuffle,
    F.relu: _relu,
    crop_to_double: _crop_to_double,
    pad_even: _pad_even,
}
