"""From a run folder to a model folder that OpenVINO, ONNX Runtime and torch all read, and read alike."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from superfine import networks
from superfine.checkpoints import variant as variant_module
from superfine.checkpoints.publish import publish, read_run
from superfine.errors import UserError
from superfine.modelfile import ModelFolder, lerp, offsets, open_model
from superfine.openvino_core import core

Run = Callable[..., Path]
rng = np.random.default_rng(3)
PICTURES = [rng.random((1, 3, 7, 11), np.float32), rng.random((2, 3, 13, 5), np.float32)]


def by_openvino(graph: Path, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    compiled = core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(picture)[0])


def by_onnxruntime(graph: Path, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"input": picture})[0]


def by_torch(model: ModelFolder, weights: dict[str, NDArray[np.float16]], picture: NDArray[np.float32]) -> Any:
    network = networks.build(model.card.architecture, model.card.config).eval()
    network.load_state_dict({key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()})
    with torch.no_grad():
        return network(torch.from_numpy(picture)).numpy()


@pytest.mark.parametrize("architecture", ["compact", "srresnet"])
def test_all_three_runtimes_agree(make_run: Run, tmp_path: Path, architecture: str) -> None:
    run = make_run(architecture)
    model = publish(run, tmp_path / "model")
    graph = model.materialise(tmp_path / "out")
    trained = read_run(run).network
    for picture in PICTURES:
        ours = by_torch(model, model.weights("fidelity"), picture)
        assert ours.shape == (*picture.shape[:2], picture.shape[2] * 4, picture.shape[3] * 4)
        np.testing.assert_allclose(by_openvino(graph, picture), ours, rtol=0, atol=1e-4)
        np.testing.assert_allclose(by_onnxruntime(graph, picture), ours, rtol=0, atol=1e-4)
        # Against what was trained there is the rounding to float16 as well.
        with torch.no_grad():
            np.testing.assert_allclose(trained(torch.from_numpy(picture)).numpy(), ours, rtol=0, atol=2e-2)


def test_every_position_of_the_dial(make_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "model"
    publish(make_run("srresnet", seed=1, name="a"), out)
    model = publish(make_run("srresnet", seed=2, name="b"), out, variant="texture")
    fidelity, texture = model.weights("fidelity"), model.weights("texture")
    expected = {0.0: fidelity, 1.0: texture, "texture": texture, 0.3: lerp(fidelity, texture, 0.3)}
    results = []
    for dial, weights in expected.items():
        graph = model.materialise(tmp_path / f"out-{dial}", dial)
        ours = by_torch(model, weights, PICTURES[0])
        np.testing.assert_allclose(by_openvino(graph, PICTURES[0]), ours, rtol=0, atol=1e-4)
        np.testing.assert_allclose(by_onnxruntime(graph, PICTURES[0]), ours, rtol=0, atol=1e-4)
        results.append(ours)
    assert np.abs(results[0] - results[1]).max() > 0.01


def test_the_model_folder_itself_is_readable(make_run: Run, tmp_path: Path) -> None:
    # Without materialising: any tool that reads ONNX reads the folder.
    model = publish(make_run(), tmp_path / "model")
    graph = model.path / "graph.onnx"
    onnx.checker.check_model(graph, full_check=True)
    np.testing.assert_allclose(by_onnxruntime(graph, PICTURES[0]), by_openvino(graph, PICTURES[0]), rtol=0, atol=1e-4)


def test_the_graph_is_small_and_holds_no_weights(make_run: Run, tmp_path: Path) -> None:
    model = publish(make_run("srresnet"), tmp_path / "model")
    graph = onnx.load(model.path / "graph.onnx", load_external_data=False).graph
    assert (model.path / "graph.onnx").stat().st_size < 20_000
    weights = model.weights("fidelity")
    where = offsets(weights)
    external = {i.name: {e.key: e.value for e in i.external_data} for i in graph.initializer if i.external_data}
    assert external.keys() == weights.keys()
    for name, entry in external.items():
        assert entry["location"] == "fidelity.safetensors"
        assert (int(entry["offset"]), int(entry["length"])) == where[name]
    assert all(i.external_data or len(i.float_data) <= 4 for i in graph.initializer)
    assert {n.op_type for n in graph.node} == {"Cast", "Conv", "PRelu", "Add", "Mul", "DepthToSpace"}
    assert [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        3,
        "height",
        "width",
    ]


def test_publishing_twice_gives_the_same_bytes(make_run: Run, tmp_path: Path) -> None:
    run = make_run("srresnet")
    a, b = publish(run, tmp_path / "a" / "model"), publish(run, tmp_path / "b" / "model")
    assert a.card.files == b.card.files


def test_the_card(make_run: Run, tmp_path: Path) -> None:
    run = make_run("srresnet")
    card = publish(run, tmp_path / "my-model", description="smooth", licence="CC-BY-4.0").card
    assert (card.name, card.architecture, card.scale, card.licence) == ("my-model", "srresnet", 4, "CC-BY-4.0")
    assert card.config == {"channels": 8, "blocks": 2, "scale": 4, "batch_norm": False, "upsampler": "subpixel"}
    assert card.radius == 12
    variant = card.variants["fidelity"]
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    for key in ("name", "recipe", "command", "seed", "steps", "data", "versions"):
        assert variant.training[key] == record[key]
    assert variant.training["openvino_differs_by"]["f32"] < 1e-4
    assert (variant.description, variant.measured) == ("smooth", [])
    assert open_model(tmp_path / "my-model").card == card


def test_a_variant_is_added_and_replaced(make_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "model"
    publish(make_run(seed=1, name="a"), out, variant="texture", name="first", licence="CC0-1.0")
    alone = open_model(out)
    model = publish(make_run(seed=2, name="b"), out)
    assert list(model.card.variants) == ["fidelity", "texture"]
    assert (model.card.name, model.card.licence) == ("first", "CC0-1.0")
    assert model.card.files["texture.safetensors"] == alone.card.files["texture.safetensors"]
    replaced = publish(make_run(seed=3, name="c"), out, variant="texture")
    assert replaced.card.files["fidelity.safetensors"] == model.card.files["fidelity.safetensors"]
    assert replaced.card.files["texture.safetensors"] != model.card.files["texture.safetensors"]
    assert replaced.card.files["graph.onnx"] == model.card.files["graph.onnx"]
    assert open_model(out).card == replaced.card


@pytest.mark.parametrize("there", [["fidelity"], []])
def test_a_variant_that_another_process_adds_meanwhile_is_not_lost(
    make_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str]
) -> None:
    out = tmp_path / "model"
    for variant in there:
        publish(make_run(seed=1, name="a"), out, variant=variant)
    export = variant_module.export_graph

    def meanwhile(*arguments: Any) -> bytes:
        monkeypatch.undo()
        publish(make_run(seed=2, name="b"), out, variant="sharp")
        return export(*arguments)

    monkeypatch.setattr(variant_module, "export_graph", meanwhile)
    with pytest.raises(UserError, match="model: was changed by another process meanwhile; run the command again"):
        publish(make_run(seed=3, name="c"), out, variant="texture")
    assert list(open_model(out).card.variants) == [*there, "sharp"]
    publish(tmp_path / "c", out, variant="texture")
    assert list(open_model(out).card.variants) == [*there, "sharp", "texture"]


def test_without_room_for_temporary_files_it_says_so(
    make_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"superfine-.*: No space left on device; free some space") as error:
        publish(run, tmp_path / "model")
    one_line(error)
    assert not (tmp_path / "model").exists()


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "; " in text, "the way out is missing"
    return text


def test_another_network_does_not_join(make_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "model"
    publish(make_run(name="a"), out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    wider = make_run(name="b", config={"channels": 9, "convs": 2, "scale": 4})
    for run, words in ((make_run("srresnet", name="c"), "holds compact, this is srresnet"), (wider, "channels 8")):
        with pytest.raises(UserError, match=words) as error:
            publish(run, out, variant="texture")
        assert one_line(error).startswith(f"{out}: ")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_folder_of_other_things_is_refused(make_run: Run, tmp_path: Path) -> None:
    run = make_run()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    for out in (tmp_path / "photos", run, run / "weights.safetensors"):
        with pytest.raises(UserError) as error:
            publish(run, out)
        assert str(out) in one_line(error)
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_weights_that_do_not_agree_are_refused(make_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A graph that is wrong by a little: the tensors' places are shifted by one value.
    right = variant_module.offsets
    monkeypatch.setattr(
        variant_module, "offsets", lambda weights: {k: (o - 2, n) for k, (o, n) in right(weights).items()}
    )
    with pytest.raises(UserError, match="OpenVINO differs by") as error:
        publish(make_run(), tmp_path / "model")
    one_line(error)
    assert not (tmp_path / "model").exists()


def test_weights_too_large_for_float16(make_run: Run, tmp_path: Path) -> None:
    run = make_run()
    retensor(run, lambda state: state["body.0.weight"][0, 0, 0, 0].fill_(1e5))
    with pytest.raises(UserError, match=r"body\.0\.weight: not finite in float16") as error:
        publish(run, tmp_path / "model")
    one_line(error)
    assert not (tmp_path / "model").exists()


def rewrite(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    edit(record)
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")


def retensor(run: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = safetensors.torch.load_file(run / "weights.safetensors")
    edit(state)
    safetensors.torch.save_file(state, run / "weights.safetensors")


RUNS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no record": (lambda run: (run / "run.json").unlink(), r"run\.json: missing"),
    "no weights": (lambda run: (run / "weights.safetensors").unlink(), r"weights\.safetensors: missing"),
    "broken record": (lambda run: (run / "run.json").write_text("{"), r"run\.json: damaged"),
    "a list": (lambda run: (run / "run.json").write_text("[]"), r"run\.json: not the record"),
    "not finished": (lambda run: rewrite(run, lambda r: r.update(finished=False)), "not finished"),
    "no seed": (lambda run: rewrite(run, lambda r: r.pop("seed")), "`seed` is missing"),
    "unknown architecture": (lambda run: rewrite(run, lambda r: r.update(architecture="vdsr")), "vdsr"),
    "unknown setting": (lambda run: rewrite(run, lambda r: r["config"].update(depth=3)), "depth"),
    "another size": (lambda run: rewrite(run, lambda r: r["config"].update(channels=6)), "has the shape"),
    "more layers": (lambda run: rewrite(run, lambda r: r["config"].update(convs=3)), "do not belong to run.json"),
    "a tensor less": (lambda run: retensor(run, lambda s: s.pop("body.0.bias")), r"body\.0\.bias is missing"),
    "a tensor more": (lambda run: retensor(run, lambda s: s.update(x=torch.ones(1))), "x is not in the network"),
    "truncated": (
        lambda run: (run / "weights.safetensors").write_bytes((run / "weights.safetensors").read_bytes()[:-9]),
        r"weights\.safetensors: damaged or truncated",
    ),
}


@pytest.mark.parametrize(("apply", "words"), RUNS.values(), ids=RUNS.keys())
def test_runs_that_cannot_be_published(
    make_run: Run, tmp_path: Path, apply: Callable[[Path], object], words: str
) -> None:
    run = make_run()
    apply(run)
    with pytest.raises(UserError, match=words) as error:
        publish(run, tmp_path / "model")
    one_line(error)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("variant", ["", "../x", "Fidelity", "a b", "-x", "1", "inf", "photo-0"])
def test_names_of_variants_that_are_refused(make_run: Run, tmp_path: Path, variant: str) -> None:
    with pytest.raises(UserError, match=r"^variant "):
        publish(make_run(), tmp_path / "model", variant=variant)
