"""A model for other tools: one ONNX file, or the weights under the names that the network's own project gives them."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from superfine.checkpoints.agreement import agreement, by_openvino
from superfine.errors import UserError
from superfine.files import scratch, whole_file
from superfine.modelfile import ModelFolder

if TYPE_CHECKING:
    from onnx import ModelProto

Tensors = dict[str, NDArray[np.floating]]


def export(
    model: ModelFolder, file: str | Path, *, format: str | None = None, dial: float | str = 0.0, half: bool = False
) -> Path:
    """Write a model to a file; it appears whole, or not at all.

    Parameters
    ----------
    file
        Absent.
    format
        A key of :data:`FORMATS`; by default the file's suffix says it.
    dial
        As in :meth:`~superfine.modelfile.ModelFolder.dialled`.
    half
        Weights in float16, as the model folder has them: half the size, the same numbers. Otherwise float32.

    Raises
    ------
    UserError
        Unknown format; a position that the dial does not have; a file that is there, or cannot be written; an ONNX file
        that computes something else than the folder.
    """
    file = Path(file)
    if os.path.lexists(file):
        raise UserError(f"{file}: there already; give another name")
    kind = format or file.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        what = f"format {kind}" if kind else f"{file}: no suffix"
        raise UserError(f"{what}; give one of {', '.join(FORMATS)}, as the file's suffix or by --format")
    data = FORMATS[kind](model, dial, half)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file, replace=False) as part:
            part.write_bytes(data)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; give another file") from None
    return file


def _onnx(model: ModelFolder, dial: float | str, half: bool) -> bytes:
    """The folder's graph with its weights inside, checked against the folder by OpenVINO.

    Input and output as in the folder: ``input``, N×3×H×W RGB in [0,1], and ``output``, N×3×sH×sW, both float32. With
    ``half`` the weights are cast to float32 in the graph, as they are in the folder.
    """
    import onnx
    from onnx.external_data_helper import load_external_data_for_model

    with scratch() as directory:
        graph = model.materialise(directory / "folder", dial)
        whole = onnx.load(graph, load_external_data=False)
        load_external_data_for_model(whole, str(graph.parent))
        for tensor in whole.graph.initializer:
            tensor.ClearField("external_data")
            tensor.data_location = onnx.TensorProto.DEFAULT
        if not half:
            _in_float32(whole)
        card = model.card
        facts = {"name": card.name, "dial": str(dial), "scale": str(card.scale), "licence": card.licence}
        # A model may be called like a folder whose name is no text.
        plain = {key: value.encode(errors="backslashreplace").decode() for key, value in facts.items()}
        onnx.helper.set_model_props(whole, {f"superfine.{key}": value for key, value in plain.items()})
        onnx.checker.check_model(whole, full_check=True)
        data: bytes = whole.SerializeToString(deterministic=True)
        agreement({"whole.onnx": data}, by_openvino(graph, precision="f32")[1])
    return data


def _in_float32(whole: "ModelProto") -> None:
    """Replace each float16 tensor and the cast that follows it by one float32 tensor."""
    import onnx

    tensors = {t.name: t for t in whole.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    casts = {node.input[0]: node for node in whole.graph.node if node.op_type == "Cast" and node.input[0] in tensors}
    assert casts.keys() == tensors.keys(), "each tensor of a model's graph is cast once"
    plain = {node.output[0]: name for name, node in casts.items()}
    for name, node in casts.items():
        values = onnx.numpy_helper.to_array(tensors[name]).astype(np.float32)
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(values, name))
        whole.graph.node.remove(node)
    for node in whole.graph.node:
        for i, value in enumerate(node.input):
            node.input[i] = plain.get(value, value)


def _pth(model: ModelFolder, dial: float | str, half: bool) -> bytes:
    """A PyTorch checkpoint, the tensors below ``params``, where BasicSR and Real-ESRGAN look for them."""
    import torch

    buffer = io.BytesIO()
    state = {name: torch.from_numpy(values.copy()) for name, values in _tensors(model, dial, half).items()}
    torch.save({"params": state}, buffer)
    return buffer.getvalue()


def _safetensors(model: ModelFolder, dial: float | str, half: bool) -> bytes:
    """A safetensors file, the tensors by their plain names."""
    from safetensors.numpy import save

    return save(_tensors(model, dial, half), metadata={"format": "pt"})


def _tensors(model: ModelFolder, dial: float | str, half: bool) -> Tensors:
    """The weights by the names that other tools know.

    Ours are those names already: SRVGGNet's for ``compact``, BasicSR's for ``rrdb``. SRResNet, whose public layouts all
    have batch norm, which is folded here, keeps our own.
    """
    weights = model.dialled(dial)
    return {name: values if half else values.astype(np.float32) for name, values in weights.items()}


FORMATS: dict[str, Callable[[ModelFolder, float | str, bool], bytes]] = {
    "onnx": _onnx,
    "pth": _pth,
    "safetensors": _safetensors,
}
"""What a model can be exported to."""
