"""``superfine models``: what it prints, and its exit status."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from superfine import networks, zoo
from superfine.cli.models import app
from superfine.errors import UserError
from superfine.modelfile import Card, Variant, open_model, record, write_model


def models(*arguments: object) -> int:
    status = app([str(argument) for argument in arguments], result_action="return_value")
    assert isinstance(status, int)
    return status


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundled models are one tiny one."""
    card = Card(
        name="tiny-x4",
        architecture="compact",
        config={"channels": 4, "convs": 1, "scale": 4},
        scale=4,
        radius=3,
        variants={"fidelity": Variant("fidelity.safetensors", "smooth", {"seed": 7, "command": "superfine train x"})},
        licence="CC0-1.0",
    )
    weights = {"a": np.ones((10, 20), np.float16), "b": np.ones(5, np.float16)}
    folder = write_model(tmp_path / "tiny-x4", card, b"graph", {"fidelity": weights}).path
    monkeypatch.setattr(zoo, "MODELS", ("tiny-x4",))
    monkeypatch.setattr(zoo, "catalogue", lambda: {"tiny-x4": folder})
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = {"channels": 4, "convs": 1, "scale": 4}
    network = networks.build("compact", config)
    description = {
        "name": "compact-fidelity",
        "architecture": "compact",
        "config": config,
        "recipe": {"batch": 16},
        "command": "superfine train compact-fidelity --data photos.pack",
        "seed": 1,
        "steps": 10,
        "data": {"name": "photos", "sha256": "ab" * 32},
        "versions": {"torch": "2"},
        "finished": True,
    }
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(description), encoding="utf-8")
    safetensors.torch.save_file(network.state_dict(), folder / "weights.safetensors")
    return folder


def test_the_list(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(
        tiny,
        "fidelity",
        [{"set": s, "psnr_y": p, "protocol": "standard"} for s, p in (("Set5", 30.123), ("Set14", 27.4))],
    )
    assert models() == 0
    output = capsys.readouterr()
    header, line = output.out.splitlines()
    assert header.split() == ["name", "scale", "architecture", "parameters", "size", "variants", "measured"]
    assert line.split(maxsplit=7) == [
        *("tiny-x4", "×4", "compact", "205", "0.0", "MB", "fidelity"),
        "Set5 30.12, Set14 27.40 (PSNR-Y, standard)",
    ]
    assert output.err == ""


def test_a_damaged_model_does_not_hide_the_others(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    shutil.copytree(tiny, broken)
    shutil.copytree(tiny, whole)
    data = bytearray((broken / "fidelity.safetensors").read_bytes())
    data[-1] ^= 1
    (broken / "fidelity.safetensors").write_bytes(data)
    assert models("list", broken, tmp_path / "absent", whole) == 1
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 3
    assert [line.split(":")[1].strip() for line in output.err.splitlines()] == [
        str(broken / "fidelity.safetensors"),
        str(tmp_path / "absent"),
    ]


def test_showing_a_card(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tiny, "fidelity", [{"set": "Set5", "psnr_y": 30.123, "pictures": 5, "protocol": "standard"}])
    assert models("show", "tiny-x4") == 0
    by_name = capsys.readouterr().out
    assert models("show", tiny) == 0
    assert capsys.readouterr().out == by_name
    digest = open_model(tiny).card.files["fidelity.safetensors"]
    for words in (
        "channels 4, convs 1, scale 4",
        "CC0-1.0",
        "3 low-resolution pixels",
        "smooth",
        "superfine train x",
        "psnr_y 30.123, pictures 5, protocol standard",
        digest,
    ):
        assert words in by_name
    with pytest.raises(UserError, match="oil: no bundled model"):
        models("show", "oil")


def test_publishing(run: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    assert models("publish", run, "-o", out, "--licence", "CC-BY-4.0", "--name", "mine", "--description", "true") == 0
    assert capsys.readouterr().out.startswith(f"{out}: mine, variant fidelity; OpenVINO differs from torch by at most ")
    assert models("publish", run, "--out", out, "--variant", "texture") == 0
    card = open_model(out).card
    assert (card.name, card.licence, list(card.variants)) == ("mine", "CC-BY-4.0", ["fidelity", "texture"])
    assert card.variants["fidelity"].description == "true"
    assert models("list", out) == 0
    assert "fidelity, texture" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"run\.json: missing"):
        models("publish", tmp_path / "absent", "-o", tmp_path / "other")


def test_publishing_without_torch_says_what_to_install(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("superfine.checkpoints.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r'needs torch, which is not installed; pip install "superfine\[train\]"'):
        models("publish", run, "-o", tmp_path / "model")


def test_importing_mixing_and_exporting(
    run: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, mixed = tmp_path / "a", tmp_path / "b", tmp_path / "mixed"
    assert models("publish", run, "-o", a) == 0
    # Back as a third party's file, with other weights, as another variant.
    state = {key: tensor * 0.5 for key, tensor in safetensors.torch.load_file(run / "weights.safetensors").items()}
    torch.save({"params_ema": state}, tmp_path / "theirs.pth")
    capsys.readouterr()
    options = ("--variant", "texture", "--name", "theirs", "--licence", "MIT", "--description", "from afar")
    assert models("import", tmp_path / "theirs.pth", "-o", b, *options) == 0
    assert capsys.readouterr().out.startswith(f"{b}: theirs, variant texture; OpenVINO differs from torch by at most ")
    assert models("show", b) == 0
    assert "layout compact (SRVGGNet)" in capsys.readouterr().out

    assert models("interpolate", a, f"{b}:texture", "--alpha", "0.8", "-o", mixed, "--licence", "MIT") == 0
    assert capsys.readouterr().out == f"{mixed}: mixed, 0.2 of a, fidelity and 0.8 of theirs, texture\n"
    full = open_model(a).weights("fidelity")["body.0.weight"].astype(np.float32)
    half = open_model(mixed).weights("fidelity")["body.0.weight"].astype(np.float32)
    np.testing.assert_allclose(half, full * 0.6, atol=1e-3)

    assert models("carry", f"{b}:texture", "--from", a, "--to", mixed, "-o", tmp_path / "carried") == 0
    told = "mixed, fidelity, with what theirs, texture learnt from a, fidelity"
    assert capsys.readouterr().out == f"{tmp_path / 'carried'}: carried, {told}\n"
    none_left = open_model(tmp_path / "carried").weights("fidelity")["body.0.weight"].astype(np.float32)
    np.testing.assert_allclose(none_left, full * 0.1, atol=1e-3)

    for name, options in (("m.onnx", ("--half",)), ("m.pth", ("--dial", "fidelity")), ("m.bin", ("--format", "pth"))):
        assert models("export", mixed, "-o", tmp_path / name, *options) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}: {(tmp_path / name).stat().st_size / 1e6:.1f} MB\n"
    assert models("export", "tiny-x4", "-o", tmp_path / "bundled.safetensors") == 0


def test_the_dial_stands_where_the_model_says(run: Path, tiny: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    safetensors.torch.save_file(
        {key: tensor * 0.5 for key, tensor in safetensors.torch.load_file(run / "weights.safetensors").items()}, half
    )
    pair = tmp_path / "pair"
    assert models("publish", run, "-o", pair) == 0
    assert models("import", half, "-o", pair, "--variant", "texture", "--dial", "1") == 0
    assert open_model(pair).card.dial == "1"
    exported = {}
    for name, options in {"own": (), "one": ("--dial", "1"), "zero": ("--dial", "0")}.items():
        assert models("export", pair, "-o", tmp_path / f"{name}.pth", *options) == 0
        exported[name] = torch.load(tmp_path / f"{name}.pth")["params"]["body.0.weight"]
    assert torch.equal(exported["own"], exported["one"])
    assert not torch.equal(exported["own"], exported["zero"])


def test_a_colon_in_a_path_is_no_variant(run: Path, tiny: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a:b"
    assert models("publish", run, "-o", odd) == 0
    with pytest.raises(UserError, match=r"the same weights"):
        models("interpolate", odd, f"{odd}:fidelity", "--alpha", "0.5", "-o", tmp_path / "mixed")
    with pytest.raises(UserError, match=r"has only fidelity; choose"):
        models("interpolate", odd, "tiny-x4:oil", "--alpha", "0.5", "-o", tmp_path / "mixed")


@pytest.mark.parametrize(("command", "package"), [("import", "torch"), ("export", "onnx")])
def test_what_to_install(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, package: str
) -> None:
    for module in [name for name in sys.modules if name.startswith("superfine.checkpoints.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf'needs {package}, which is not installed; pip install "superfine\[train\]"'):
        models(command, tiny, "-o", tmp_path / "model.onnx")


def test_interpolating_needs_neither_torch_nor_onnx(run: Path, tiny: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    assert models("publish", run, "-o", a) == 0
    state = {key: -tensor for key, tensor in safetensors.torch.load_file(run / "weights.safetensors").items()}
    safetensors.torch.save_file(state, run / "weights.safetensors")
    assert models("publish", run, "-o", b) == 0
    code = f"""
import sys
from superfine.cli.models import app
app(["interpolate", {str(a)!r}, {str(b)!r}, "--alpha", "0.5", "-o", {str(tmp_path / "m")!r}], result_action="return_value")
print(sorted({{"torch", "onnx", "openvino", "superfine.networks"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_listing_needs_neither_torch_nor_onnx(tiny: Path) -> None:
    code = f"""
import sys
from superfine.cli.models import app
for command in ("list", "show"):
    app([command, {str(tiny)!r}], result_action="return_value")
print(sorted({{"torch", "onnx", "openvino", "superfine.networks"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
