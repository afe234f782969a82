"""What OpenVINO's graph is turned into computes the same; it is turned only where that pays."""

from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from superfine.engine.backends.openvino_graph import rewritten
from superfine.openvino_core import core


def network(
    kernel: int, outputs: int, activation: str, attributes: dict[str, object] | None = None, mode: str = "CRD"
) -> onnx.ModelProto:
    """Convolution 3 → 4·5, pixel shuffle, activation, convolution by ``kernel`` to ``outputs`` channels."""
    rng = np.random.default_rng(kernel)
    constants = {
        "first": rng.normal(size=(20, 3, 3, 3)),
        "last": rng.normal(size=(outputs, 5, kernel, kernel)),
        "bias": rng.normal(size=outputs),
        "slopes": rng.normal(size=(5, 1, 1)),
        "slope": rng.normal(size=1),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["a"], ["b"], blocksize=2, mode=mode),
    ]
    if activation == "LeakyRelu":
        nodes += [helper.make_node("LeakyRelu", ["b"], ["c"], alpha=0.3)]
    elif not activation:
        nodes[-1].output[0] = "c"
    elif activation in constants:
        nodes += [helper.make_node("PRelu", ["b", activation], ["c"])]
    else:
        nodes += [helper.make_node(activation, ["b"], ["c"])]
    options = {"pads": [kernel // 2] * 4} | (attributes or {})
    nodes += [helper.make_node("Conv", ["c", "last", "bias"], ["y"], **options)]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs, None, None])],
        [numpy_helper.from_array(value.astype(np.float32) * 0.1, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def read(model: onnx.ModelProto, directory: Path) -> ov.Model:
    onnx.save(model, directory / "graph.onnx")
    return core().read_model(directory / "graph.onnx")


def kernels(model: ov.Model) -> list[int]:
    return [op.input_value(1).shape[2] for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]


def run(model: ov.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    return result


@given(
    side=st.sampled_from([1, 3, 5, 7, 9, 13]),
    outputs=st.integers(1, 5),
    activation=st.sampled_from(["slopes", "slope", "LeakyRelu", ""]),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
)
@settings(max_examples=30)
def test_the_last_convolution_before_the_shuffle_is_the_same(
    side: int, outputs: int, activation: str, height: int, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain = read(network(side, outputs, activation), tmp_path_factory.mktemp("graph"))
    x = np.random.default_rng(0).random((2, height, width, 3), dtype=np.float32)
    expected = run(plain, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    assert np.abs(expected).max() < 16
    changed = rewritten(plain)
    assert kernels(changed) == [3, (side + 1) // 2 if side in (5, 9, 13) and outputs <= 4 else side]
    np.testing.assert_allclose(run(changed, x).transpose(0, 3, 1, 2), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("activation", "attributes", "mode"),
    [
        ("Sigmoid", {}, "CRD"),
        ("slopes", {}, "DCR"),
        ("slopes", {"strides": [2, 2]}, "CRD"),
        ("slopes", {"dilations": [2, 2], "pads": [8, 8, 8, 8]}, "CRD"),
        ("slopes", {"pads": [0, 0, 0, 0]}, "CRD"),
        ("slopes", {"pads": [4, 4, 4, 3]}, "CRD"),
    ],
)
def test_others_stay_as_they_are(activation: str, attributes: dict[str, object], mode: str, tmp_path: Path) -> None:
    plain = read(network(9, 3, activation, attributes, mode), tmp_path)
    x = np.random.default_rng(0).random((1, 8, 9, 3), dtype=np.float32)
    expected = run(plain, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    changed = rewritten(plain)
    assert kernels(changed) == [3, 9]
    np.testing.assert_allclose(run(changed, x).transpose(0, 3, 1, 2), expected, atol=2e-6)
