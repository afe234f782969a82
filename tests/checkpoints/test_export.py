"""Models for other tools: one ONNX file, and the weights under the names that they know."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from superfine.checkpoints import export as export_module
from superfine.checkpoints.export import export
from superfine.checkpoints.importing import import_checkpoint
from superfine.checkpoints.publish import publish
from superfine.errors import UserError
from superfine.modelfile import ModelFolder

Run = Callable[..., Path]
RRDB = {"channels": 6, "growth": 4, "blocks": 1, "scale": 4}
rng = np.random.default_rng(3)
PICTURES = [rng.random((1, 3, 7, 11), np.float32), rng.random((2, 3, 13, 5), np.float32)]


@pytest.fixture(scope="module")
def models(write_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModelFolder]:
    """A model folder of an architecture, with a fidelity and a texture variant; to be read only."""
    folder = tmp_path_factory.mktemp("models")

    @cache
    def make(architecture: str) -> ModelFolder:
        config = RRDB if architecture == "rrdb" else None
        out = folder / f"{architecture}-model"
        publish(
            write_run(folder, architecture, seed=1, name=f"{architecture}-1", config=config), out, licence="CC0-1.0"
        )
        run = write_run(folder, architecture, seed=2, name=f"{architecture}-2", config=config)
        return publish(run, out, variant="texture")

    return make


def by_onnxruntime(graph: Path, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"input": picture})[0]


@pytest.mark.parametrize("architecture", ["compact", "srresnet", "rrdb"])
@pytest.mark.parametrize("half", [False, True])
def test_one_onnx_file(models: Callable[[str], ModelFolder], tmp_path: Path, architecture: str, half: bool) -> None:
    model = models(architecture)
    file = export(model, tmp_path / "alone" / "model.onnx", dial=0.4, half=half)
    assert [p.name for p in file.parent.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(file, full_check=True)
    loaded = onnx.load(file)
    kinds = {
        t.data_type for t in loaded.graph.initializer if len(t.dims) in (1, 4) and t.name in model.weights("fidelity")
    }
    assert kinds == {onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT}
    assert ("Cast" in {node.op_type for node in loaded.graph.node}) == half
    folder = model.materialise(tmp_path / "folder", 0.4)
    for picture in PICTURES:
        np.testing.assert_allclose(by_onnxruntime(file, picture), by_onnxruntime(folder, picture), rtol=0, atol=1e-5)
    facts = {entry.key: entry.value for entry in loaded.metadata_props}
    assert facts == {
        "superfine.name": f"{architecture}-model",
        "superfine.dial": "0.4",
        "superfine.scale": "4",
        "superfine.licence": "CC0-1.0",
    }


def test_half_is_half_the_size(models: Callable[[str], ModelFolder], tmp_path: Path) -> None:
    model = models("srresnet")
    full = export(model, tmp_path / "full.onnx").stat().st_size
    half = export(model, tmp_path / "half.onnx", half=True).stat().st_size
    weights = sum(values.nbytes for values in model.weights("fidelity").values())
    assert abs((full - half) - weights) < 5000


def test_a_wrong_file_never_appears(
    models: Callable[[str], ModelFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = export_module._in_float32

    def wrong(whole: onnx.ModelProto) -> None:
        right(whole)
        tensor = next(t for t in whole.graph.initializer if t.name == "body.0.bias")
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 0.5, tensor.name))

    monkeypatch.setattr(export_module, "_in_float32", wrong)
    with pytest.raises(UserError, match="OpenVINO differs by"):
        export(models("compact"), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("architecture", ["compact", "srresnet", "rrdb"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_there_and_back(models: Callable[[str], ModelFolder], tmp_path: Path, architecture: str, suffix: str) -> None:
    model = models(architecture)
    file = export(model, tmp_path / f"model.{suffix}", dial="texture", half=suffix == "safetensors")
    back = import_checkpoint(file, tmp_path / "back")
    assert (back.card.architecture, back.card.config) == (architecture, model.card.config)
    weights, expected = back.weights("fidelity"), model.weights("texture")
    assert weights.keys() == expected.keys()
    for key, values in weights.items():
        np.testing.assert_array_equal(values, expected[key])
    assert back.card.files["graph.onnx"] == model.card.files["graph.onnx"]


def test_the_names_are_basicsrs(models: Callable[[str], ModelFolder], tmp_path: Path) -> None:
    state = torch.load(export(models("rrdb"), tmp_path / "r.pth"), weights_only=True)["params"]
    names = {f"body.0.rdb{d}.conv{c}" for d in (1, 2, 3) for c in (1, 2, 3, 4, 5)}
    names |= {"conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"}
    assert {key.rpartition(".")[0] for key in state} == names
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    compact = safetensors.torch.load_file(export(models("compact"), tmp_path / "c.safetensors", half=True))
    assert set(compact) == {f"body.{i}.{kind}" for i in (0, 2, 4, 6) for kind in ("weight", "bias")} | {
        f"body.{i}.weight" for i in (1, 3, 5)
    }
    assert {tensor.dtype for tensor in compact.values()} == {torch.float16}


def test_a_model_whose_name_is_no_text(make_run: Run, tmp_path: Path) -> None:
    model = publish(make_run(), tmp_path / "model", name="m\udcff")
    loaded = onnx.load(export(model, tmp_path / "model.onnx"))
    assert {entry.key: entry.value for entry in loaded.metadata_props}["superfine.name"] == "m\\udcff"


def test_what_appears_meanwhile_is_not_replaced(
    models: Callable[[str], ModelFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.pth"

    def meanwhile(*_: object) -> bytes:
        file.write_bytes(b"another's")
        return b"ours"

    monkeypatch.setitem(export_module.FORMATS, "pth", meanwhile)
    with pytest.raises(UserError, match=r"model\.pth: File exists; give another file"):
        export(models("compact"), file)
    assert file.read_bytes() == b"another's"


def test_format_and_suffix(models: Callable[[str], ModelFolder], tmp_path: Path) -> None:
    model = models("compact")
    file = export(model, tmp_path / "weights.bin", format="pth")
    assert set(torch.load(file, weights_only=True)) == {"params"}
    for name, words in (("model.pkl", "format pkl"), ("model", "no suffix")):
        with pytest.raises(UserError, match=rf"{words}; give one of onnx, pth, safetensors"):
            export(model, tmp_path / name)
    with pytest.raises(UserError, match="there already"):
        export(model, file, format="pth")
    with pytest.raises(UserError, match="there already"):
        export(model, model.path / "graph.onnx")
    with pytest.raises(UserError, match="has only fidelity, texture"):
        export(model, tmp_path / "x.onnx", dial="oil")
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(UserError, match="give another file") as error:
        export(model, tmp_path / "taken" / "x.onnx")
    assert "\n" not in str(error.value)
