"""Every backend computes what the network itself computes, and says clearly what it lacks."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

import superfine
from superfine import modelfile, networks
from superfine.engine import backends
from superfine.engine.backends import open_backend
from superfine.engine.backends.openvino import OpenVino
from superfine.engine.backends.torch import Torch
from superfine.errors import UserError
from superfine.networks.fold import fold

DEVICES = ("cpu", "torch:cpu")


def materialised(folder: Path, directory: Path, dial: float = 0.0) -> Path:
    return modelfile.open_model(folder).materialise(directory, dial)


def expected(folder: Path, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    model = modelfile.open_model(folder)
    network = fold(networks.build(model.card.architecture, model.card.config)).eval()
    network.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in model.weights("fidelity").items()})
    with torch.inference_mode():
        return network(torch.from_numpy(windows).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("architecture", ["compact", "srresnet"])
def test_equals_the_network(
    device: str, architecture: str, tmp_path: Path, noise: np.random.Generator, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(architecture)
    backend = open_backend(materialised(folder, tmp_path), device)
    windows = noise.random((2, 13, 21, 3), dtype=np.float32)
    truth = expected(folder, windows)
    assert truth.std() > 0.05
    half = backend.run(windows).copy()
    assert half.dtype == np.float32
    assert half.shape == (2, 52, 84, 3)
    assert np.sqrt(np.mean((half - truth) ** 2)) < 0.02 * truth.std()
    exact = backend.in_float32()
    assert exact.precision == "f32"
    np.testing.assert_allclose(exact.run(windows), truth, atol=3e-5)
    np.testing.assert_array_equal(backend.run(windows), half)


def test_half_precision_is_used_where_the_cpu_has_it(compact: Path, tmp_path: Path) -> None:
    graph = materialised(compact, tmp_path)
    backend = OpenVino(graph)
    if backend.precision == "f32":
        pytest.skip("needs a CPU with bfloat16")
    windows = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    assert np.abs(backend.run(windows) - backend.in_float32().run(windows)).max() > 1e-5


@pytest.mark.parametrize("device", DEVICES)
def test_the_picture_itself_is_not_rounded(device: str, compact: Path, tmp_path: Path) -> None:
    """With a residual of nothing, the compact network repeats pixels: in bfloat16 that would be 1e-3 off."""
    folder = modelfile.open_model(compact)
    weights = {k: np.zeros_like(v) for k, v in folder.weights("fidelity").items()}
    zero = modelfile.write_model(
        tmp_path / "zero", folder.card, folder.read(modelfile.GRAPH), {"fidelity": weights, "texture": weights}
    )
    backend = open_backend(zero.materialise(tmp_path / "graph"), device)
    windows = np.random.default_rng(0).random((1, 16, 16, 3), dtype=np.float32)
    np.testing.assert_allclose(backend.run(windows), windows.repeat(4, 1).repeat(4, 2), atol=1e-6)


def test_files_may_go_once_it_is_open(compact: Path, tmp_path: Path) -> None:
    for device in DEVICES:
        graph = materialised(compact, tmp_path)
        backend = open_backend(graph, device)
        for file in tmp_path.iterdir():
            file.unlink()
        assert np.isfinite(backend.run(np.ones((1, 8, 8, 3), np.float32))).all()


def test_unknown_device_lists_the_devices() -> None:
    with pytest.raises(UserError, match="device gpu: unknown; choose one of auto, cpu, torch, torch:cpu, cuda, mps"):
        open_backend(Path("none"), "gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_no_cuda_says_the_way_out(compact: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="finds no CUDA GPU here; use `cpu`"):
        open_backend(materialised(compact, tmp_path), "cuda")


def test_float32_on_a_gpu_is_not_tf32(compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN rounds float32 to TF32, of 10 bits, unless it is told not to; what it is told outside stays as it is."""
    seen: list[tuple[bool, bool]] = []
    conv = torch.nn.functional.conv2d

    def observed(*arguments: object) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled))
        return conv(*arguments)  # type: ignore[arg-type]

    backend = open_backend(materialised(compact, tmp_path), "torch:cpu").in_float32()
    monkeypatch.setattr("superfine.engine.backends.torch.F.conv2d", observed)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    backend.run(np.ones((1, 8, 8, 3), np.float32))
    assert set(seen) == {(False, True)}
    assert torch.backends.cudnn.allow_tf32


def test_no_torch_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"device torch: needs the package torch; run `pip install .superfine\[train\]"):
        open_backend(Path("none"), "torch")


def test_auto_is_openvino_without_a_gpu(compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    assert open_backend(materialised(compact, tmp_path), "auto").name == "OpenVINO"


def test_auto_is_torch_with_a_gpu(compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU is pretended: what torch offers here stands for it."""
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: True)
    monkeypatch.setattr("superfine.engine.backends.torch.gpu", lambda: "torch:cpu")
    assert open_backend(materialised(compact, tmp_path), "auto").name == "torch"


def save(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, NDArray[np.generic]]) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "H", "W"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


SCALES = {"scales": np.array([1, 1, 2, 2], np.float32)}
SINGLE = {
    "Add": ([helper.make_node("Add", ["x", "c"], ["y"])], {"c": np.full((3, 1, 1), 0.3, np.float32)}),
    "Cast": ([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], {}),
    "Clip": (
        [helper.make_node("Clip", ["x", "low", "high"], ["y"])],
        {"low": np.float32(0.2), "high": np.float32(0.7)},
    ),
    "Constant": (
        [helper.make_node("Constant", [], ["c"], value_float=0.7), helper.make_node("Sub", ["c", "x"], ["y"])],
        {},
    ),
    "Concat": (
        [
            helper.make_node("Concat", ["x", "x"], ["xx"], axis=2),
            helper.make_node("Concat", ["xx", "xx"], ["y"], axis=3),
        ],
        {},
    ),
    "Conv": (
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 0, 2, 1], strides=[2, 1])],
        {"w": np.random.default_rng(0).random((3, 3, 3, 3), dtype=np.float32) / 9},
    ),
    "DepthToSpace": (
        [
            helper.make_node("Conv", ["x", "w"], ["d"]),
            helper.make_node("DepthToSpace", ["d"], ["y"], blocksize=2, mode="DCR"),
        ],
        {"w": np.random.default_rng(0).random((12, 3, 1, 1), dtype=np.float32) / 3},
    ),
    "Div": ([helper.make_node("Div", ["x", "c"], ["y"])], {"c": np.float32(3)}),
    "LeakyRelu": (
        [helper.make_node("Sub", ["x", "c"], ["d"]), helper.make_node("LeakyRelu", ["d"], ["y"], alpha=0.3)],
        {"c": np.float32(0.5)},
    ),
    "Relu": (
        [helper.make_node("Sub", ["x", "c"], ["d"]), helper.make_node("Relu", ["d"], ["y"])],
        {"c": np.float32(0.5)},
    ),
    "ConvTranspose": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])],
        {"w": np.random.default_rng(0).random((3, 3, 4, 4), dtype=np.float32) / 9},
    ),
    "Pad edge": (
        [helper.make_node("Pad", ["x", "pads"], ["y"], mode="edge")],
        {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 4])},
    ),
    "Pad constant": (
        [helper.make_node("Pad", ["x", "pads", "c"], ["y"])],
        {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]), "c": np.float32(0.4)},
    ),
    "Shape, Mod, Slice": (
        [
            helper.make_node("Shape", ["x"], ["size"], start=2),
            helper.make_node("Mod", ["size", "c"], ["ends"]),
            helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["y"]),
        ],
        {"c": np.int64(7), "starts": np.array([1, 0]), "axes": np.array([2, 3])},
    ),
    "SpaceToDepth": (
        [
            helper.make_node("SpaceToDepth", ["x"], ["d"], blocksize=2),
            helper.make_node("DepthToSpace", ["d"], ["y"], blocksize=2, mode="CRD"),
        ],
        {},
    ),
    "Resize cubic MATLAB": (
        [
            helper.make_node(
                "Resize",
                ["x", "", "scales"],
                ["y"],
                mode="cubic",
                cubic_coeff_a=-0.5,
                coordinate_transformation_mode="half_pixel",
            )
        ],
        {"scales": np.array([1, 1, 3, 3], np.float32)},
    ),
    "Sigmoid": ([helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])], {}),
    "Tanh": ([helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Identity", ["t"], ["y"])], {}),
} | {
    f"Resize {mode} {grid}": (
        [
            helper.make_node(
                "Resize",
                ["x", "", "scales"],
                ["y"],
                mode=mode,
                coordinate_transformation_mode=grid,
                **({"nearest_mode": "floor"} if mode == "nearest" else {}),
            )
        ],
        SCALES,
    )
    for mode, grid in (
        ("nearest", "asymmetric"),
        ("linear", "half_pixel"),
        ("linear", "align_corners"),
        ("cubic", "half_pixel"),
    )
}


@pytest.mark.parametrize("name", SINGLE)
def test_torch_operations_equal_openvinos(name: str, tmp_path: Path, noise: np.random.Generator) -> None:
    """Two readers of the same standard, written by different people, agree."""
    graph = save(tmp_path / "graph.onnx", *SINGLE[name])
    windows = noise.random((1, 10, 12, 3), dtype=np.float32)
    theirs = OpenVino(graph, "f32").run(windows)
    ours = Torch(graph, "torch:cpu").in_float32().run(windows)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Softmax", ["x"], ["y"]), "operation Softmax is unknown to the torch backend"),
        (
            helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", nearest_mode="ceil"),
            "Resize: .* is unknown",
        ),
        (
            helper.make_node(
                "Resize",
                ["x", "", "scales"],
                ["y"],
                mode="cubic",
                cubic_coeff_a=-0.6,
                coordinate_transformation_mode="half_pixel",
            ),
            "Resize: .* is unknown",
        ),
    ],
)
def test_unknown_operation_names_it(node: onnx.NodeProto, message: str, tmp_path: Path) -> None:
    graph = save(tmp_path / "graph.onnx", [node], SCALES if node.op_type == "Resize" else {})
    with pytest.raises(UserError, match=message):
        Torch(graph, "torch:cpu").run(np.ones((1, 4, 4, 3), np.float32))


def test_damaged_graph_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"not a graph")
    with pytest.raises(UserError, match="OpenVINO cannot read it") as caught:
        OpenVino(tmp_path / "graph.onnx")
    assert "\n" not in str(caught.value)


def test_shapes_are_compiled_once_and_few_are_kept(compact: Path, tmp_path: Path) -> None:
    backend = OpenVino(materialised(compact, tmp_path))
    compiled: list[tuple[int, ...]] = []
    compile_once = backend._compile
    backend._compile = lambda shape: compiled.append(shape) or compile_once(shape)  # type: ignore[method-assign]
    for side in (8, 9, 8, 10, 11, 12, 8):
        backend.run(np.ones((1, side, side, 3), np.float32))
    assert [shape[1] for shape in compiled] == [8, 9, 10, 11, 12]


def test_a_window_fits_the_memory(srresnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SRResNet's greatest operation enlarges 8 channels of 4×4: in and out 256 values, of 2 or 4 bytes."""
    graph = materialised(srresnet, tmp_path)
    monkeypatch.setattr("superfine.engine.backends.openvino.MEMORY", 10**6)
    for precision, size in (("bf16", 2), ("f32", 4)):
        assert OpenVino(graph, precision).area == pytest.approx(10**6 / (size * 256), rel=0.3)
    assert OpenVino(graph, "bf16").in_float32().area == OpenVino(graph, "f32").area


NO_MEMORY = {
    "CUDA": torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 1 GiB"
    ),
    "MPS": RuntimeError(
        "MPS backend out of memory (MPS allocated: 5.56 GB, other allocations: 1.10 GB, max allowed: 6.80 GB). "
        "Tried to allocate 768.00 MB on private pool."
    ),
    "MPS, one tensor": RuntimeError("Invalid buffer size: 9.75 GB"),
    "CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
    ),
    "cuDNN": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
}


@pytest.mark.parametrize("error", NO_MEMORY.values(), ids=NO_MEMORY.keys())
def test_torch_without_memory(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    """One exception for all that allocators raise; and the picture is enlarged in smaller tiles."""
    model = superfine.load(compact, device="torch:cpu")
    pixels = np.random.default_rng(0).random((60, 60, 3), dtype=np.float32)
    truth = model.upscale(pixels)
    compute = Torch._compute

    def scarce(self: Torch, picture: torch.Tensor) -> torch.Tensor:
        if picture.shape[2] > 40:
            raise error
        return compute(self, picture)

    monkeypatch.setattr(Torch, "_compute", scarce)
    with pytest.raises(MemoryError, match="no memory for windows of 50 × 60 pixels"):
        model.backend.run(np.ones((1, 60, 50, 3), np.float32))
    with pytest.warns(UserWarning, match="has no memory for 60 × 60 pixels at once"):
        np.testing.assert_allclose(model.upscale(pixels, tile=60), truth, atol=1 / 255)


def test_other_errors_of_torch_are_not_about_memory(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Torch(materialised(compact, tmp_path), "torch:cpu")

    def fail(self: Torch, picture: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Torch, "_compute", fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        backend.run(np.ones((1, 8, 8, 3), np.float32))


def test_openvino_without_memory(compact: Path, tmp_path: Path) -> None:
    """A window of four terabytes; nothing is compiled or filled before the memory is asked for."""
    backend = OpenVino(materialised(compact, tmp_path))
    huge = np.broadcast_to(np.float32(0), (1, 600_000, 600_000, 3))
    with pytest.raises(MemoryError, match="no memory for windows of 600000 × 600000 pixels"):
        backend.run(huge)
    assert np.isfinite(backend.run(np.ones((1, 8, 8, 3), np.float32))).all()


MODELS_COME_AND_GO = """
import gc, os, signal, sys
import numpy as np, superfine
signal.signal(signal.SIGINT, lambda number, frame: print("caught"))
small = np.zeros((20, 20, 3), np.float32)
first = superfine.load(device="cpu")
first.upscale(small)
second = superfine.load(device="cpu")
second.upscale(small)
del first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
"""


def test_ctrl_c_after_models_have_come_and_gone() -> None:
    """With a core for each model, OpenVINO left a signal stack behind that was no longer there: a segmentation fault."""
    # Faulthandler, as pytest and many programs enable it, gives the main thread a signal stack to begin with.
    command = [sys.executable, "-X", "faulthandler", "-c", MODELS_COME_AND_GO]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "caught\n"), done.stderr
