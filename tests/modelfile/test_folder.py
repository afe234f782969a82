"""The model folder on the disk: written whole, opened only when every byte is right."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import safetensors.numpy

from superfine.errors import UserError
from superfine.modelfile import Card, ModelFolder, Variant, Weights, encode, lerp, open_model, record, write_model

GRAPH = b"a graph: nothing here looks inside"


def tensors(seed: int, width: int = 4) -> Weights:
    rng = np.random.default_rng(seed)
    shapes = {"body.0.weight": (width, 3, 3, 3), "body.0.bias": (width,)}
    return {name: rng.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}


def card(*variants: str) -> Card:
    return Card(
        name="tiny-x4",
        architecture="compact",
        config={"channels": 4, "convs": 1, "scale": 4},
        scale=4,
        radius=3,
        variants={name: Variant(f"{name}.safetensors", f"the {name}", {"seed": 1}) for name in variants},
        licence="CC0-1.0",
    )


@pytest.fixture
def both(tmp_path: Path) -> ModelFolder:
    weights = {"fidelity": tensors(1), "texture": tensors(2)}
    return write_model(tmp_path / "tiny-x4", card("fidelity", "texture"), GRAPH, weights)


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "; " in text, "the way out is missing"
    return text


def test_what_is_written_is_opened(both: ModelFolder) -> None:
    opened = open_model(both.path)
    assert opened.card == both.card
    assert sorted(p.name for p in both.path.iterdir()) == sorted([*both.card.files, "model.json"])
    for variant, seed in (("fidelity", 1), ("texture", 2)):
        for name, values in tensors(seed).items():
            np.testing.assert_array_equal(opened.weights(variant)[name], values)


def test_nothing_else_is_left_beside_it(both: ModelFolder) -> None:
    assert [p.name for p in both.path.parent.iterdir()] == ["tiny-x4"]


def test_the_card_on_the_disk_keeps_its_order(both: ModelFolder) -> None:
    text = (both.path / "model.json").read_text(encoding="utf-8")
    data = json.loads(text)
    assert list(data) == ["format", "name", "architecture", "config", "scale", "radius", "variants", "licence", "files"]
    assert list(data["variants"]) == ["fidelity", "texture"]
    assert text == Card.from_json(text, both.path).to_json()


def test_a_command_that_is_no_text(tmp_path: Path) -> None:
    odd = replace(
        card("fidelity"), variants={"fidelity": Variant("fidelity.safetensors", "é 猫", {"command": "x caf\udce9"})}
    )
    written = write_model(tmp_path / "odd", odd, GRAPH, {"fidelity": tensors(1)})
    assert open_model(tmp_path / "odd").card == written.card
    assert written.card.variants == odd.variants
    assert "é 猫" in (tmp_path / "odd" / "model.json").read_text(encoding="utf-8")


def test_what_a_card_need_not_hold_is_there_only_where_it_says_something(both: ModelFolder, tmp_path: Path) -> None:
    """So that cards of before stay valid, and cards that need neither can be read by the version before."""
    text = (both.path / "model.json").read_text(encoding="utf-8")
    assert not {"halo", "multiple", "precision", "dial"} & set(json.loads(text))
    assert (both.card.halo, both.card.multiple, both.card.margin) == (None, 1, 3)
    assert (both.card.precision, both.card.dial) == ("auto", "0")
    weights = {"fidelity": tensors(1)}
    for halo, multiple, margin in ((2, 4, 2), (0, 1, 0), (None, 2, 3), (3, 1, 3)):
        there = replace(card("fidelity"), halo=halo, multiple=multiple)
        written = write_model(tmp_path / "model", there, GRAPH, weights)
        opened = open_model(written.path).card
        assert opened == written.card
        assert (opened.halo, opened.multiple, opened.margin) == (halo, multiple, margin)
    written = write_model(
        tmp_path / "other", replace(card("fidelity"), precision="f32", dial="fidelity"), GRAPH, weights
    )
    opened = open_model(written.path).card
    assert (opened.precision, opened.dial) == ("f32", "fidelity")


@pytest.mark.parametrize(("dial", "expected"), [(0.0, 1), (0, 1), ("fidelity", 1), (1.0, 2), (1, 2), ("texture", 2)])
def test_materialising_a_variant(both: ModelFolder, tmp_path: Path, dial: float | str, expected: int) -> None:
    graph = both.materialise(tmp_path / "new" / "run", dial)
    assert graph.read_bytes() == GRAPH
    # Whichever variant it is, it has the name that the graph's external data gives.
    assert sorted(p.name for p in graph.parent.iterdir()) == ["fidelity.safetensors", graph.name]
    assert (graph.parent / "fidelity.safetensors").read_bytes() == encode(tensors(expected))


def test_materialising_between_the_variants(both: ModelFolder, tmp_path: Path) -> None:
    graph = both.materialise(tmp_path / "run", 0.25)
    assert (graph.parent / "fidelity.safetensors").read_bytes() == encode(lerp(tensors(1), tensors(2), 0.25))


@pytest.mark.parametrize("dial", [-0.5, 1.5, float("nan"), "oil", "1.5"])
def test_a_dial_that_is_not_there(both: ModelFolder, tmp_path: Path, dial: float | str) -> None:
    with pytest.raises(UserError, match=r"^dial ") as error:
        both.materialise(tmp_path / "run", dial)
    one_line(error)


def test_materialising_between_another_pair(tmp_path: Path) -> None:
    names = ("fidelity", "photo-fidelity", "photo-texture")
    weights = {name: tensors(seed) for seed, name in enumerate(names)}
    model = write_model(tmp_path / "photos", card(*names), GRAPH, weights)
    graph = model.materialise(tmp_path / "run", "photo-0.25")
    assert (graph.parent / "fidelity.safetensors").read_bytes() == encode(lerp(tensors(1), tensors(2), 0.25))


def test_one_variant_has_no_dial_but_zero(tmp_path: Path) -> None:
    for name in ("fidelity", "texture"):
        model = write_model(tmp_path / name, card(name), GRAPH, {name: tensors(3)})
        graph = model.materialise(tmp_path / "run" / name)
        assert (graph.parent / f"{name}.safetensors").read_bytes() == encode(tensors(3))
        with pytest.raises(UserError, match=f"has only {name}"):
            model.materialise(tmp_path / "run", 0.5)


def damage(edit: Callable[[bytearray], object]) -> Callable[[Path], object]:
    def apply(file: Path) -> None:
        data = bytearray(file.read_bytes())
        edit(data)
        file.write_bytes(data)

    return apply


def flip(position: float) -> Callable[[Path], object]:
    def edit(data: bytearray) -> None:
        data[int(position * (len(data) - 1))] ^= 1

    return damage(edit)


def cut(keep: float) -> Callable[[Path], object]:
    return damage(lambda data: data.__delitem__(slice(int(keep * len(data)), None)))


DAMAGES = {
    "first bit": flip(0),
    "middle bit": flip(0.5),
    "last bit": flip(1),
    "empty": cut(0),
    "truncated in the header": cut(0.1),
    "truncated in the middle": cut(0.6),
    "last byte lost": damage(lambda data: data.pop()),
    "a byte more": damage(lambda data: data.append(0)),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("file", ["graph.onnx", "fidelity.safetensors", "texture.safetensors"])
@pytest.mark.parametrize("apply", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_named(both: ModelFolder, tmp_path: Path, file: str, apply: Callable[[Path], object]) -> None:
    apply(both.path / file)
    with pytest.raises(UserError) as error:
        open_model(both.path)
    assert one_line(error).startswith(f"{both.path / file}: ")
    assert "copy the model again" in str(error.value)


def test_damage_after_opening_is_seen_too(both: ModelFolder, tmp_path: Path) -> None:
    flip(0.9)(both.path / "texture.safetensors")
    with pytest.raises(UserError, match=r"texture\.safetensors: damaged"):
        both.materialise(tmp_path / "run", 0.5)
    assert not (tmp_path / "run").exists()


def test_swapped_files(both: ModelFolder) -> None:
    a, b = both.path / "fidelity.safetensors", both.path / "texture.safetensors"
    one, two = a.read_bytes(), b.read_bytes()
    a.write_bytes(two)
    b.write_bytes(one)
    with pytest.raises(UserError, match=r"fidelity\.safetensors: damaged"):
        open_model(both.path)


def edit_card(folder: Path, edit: Callable[[dict], object]) -> None:
    data = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    edit(data)
    (folder / "model.json").write_text(json.dumps(data), encoding="utf-8")


def test_weights_of_another_network_with_the_right_hash(both: ModelFolder, tmp_path: Path) -> None:
    # Somebody edited the card by hand: the hashes are right, but the graph's offsets do not fit.
    other = write_model(tmp_path / "wide", card("texture"), GRAPH, {"texture": tensors(2, width=5)})
    shutil.copy(other.path / "texture.safetensors", both.path)
    edit_card(both.path, lambda data: data["files"].update(other.card.files))
    with pytest.raises(UserError, match=r"texture\.safetensors: tensors laid out unlike") as error:
        open_model(both.path)
    one_line(error)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'"model"', b"\xff\xfe", b"{}", b"[" * 100_000])
def test_a_card_that_is_no_card(both: ModelFolder, text: bytes) -> None:
    (both.path / "model.json").write_bytes(text)
    with pytest.raises(UserError, match=r"model\.json: (damaged|not a model's card)") as error:
        open_model(both.path)
    one_line(error)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_card_of_another_version(both: ModelFolder, version: object) -> None:
    edit_card(both.path, lambda data: data.update(format=version, something_new=1))
    with pytest.raises(UserError, match=r"model\.json: format .*update superfine"):
        open_model(both.path)


EDITS = {
    "unknown key": (lambda d: d.update(colour="red"), "colour"),
    "missing key": (lambda d: d.pop("scale"), "scale"),
    "text for a number": (lambda d: d.update(scale="4"), "scale"),
    "truth for a number": (lambda d: d.update(scale=True), "scale"),
    "impossible scale": (lambda d: d.update(scale=0), "scale"),
    "unknown precision": (lambda d: d.update(precision="f8"), "precision 'f8': is not auto or f32"),
    "a dial that is not there": (
        lambda d: d.update(dial="photo-0.5"),
        "dial .photo-0.5.: it has only fidelity, texture",
    ),
    "wrong kind of precision": (lambda d: d.update(precision=32), "precision"),
    "a halo beyond the radius": (lambda d: d.update(halo=4), "halo 4"),
    "a halo below nothing": (lambda d: d.update(halo=-1), "halo -1"),
    "no halo said twice": (lambda d: d.update(halo=None), "halo"),
    "text for a halo": (lambda d: d.update(halo="2"), "halo"),
    "cells of no pixels": (lambda d: d.update(multiple=0), "multiple 0"),
    "cells larger than the radius": (lambda d: d.update(multiple=5), "multiple 5"),
    "no variants": (lambda d: d.update(variants={}), "variant"),
    "variants as a list": (lambda d: d.update(variants=[]), "variants"),
    "a variant that is text": (lambda d: d["variants"].update(fidelity="x"), "fidelity"),
    "unknown key in a variant": (lambda d: d["variants"]["texture"].update(weight=1), "weight"),
    "a number of no set": (
        lambda d: d["variants"]["texture"].update(measured=[{"psnr_y": 30.0}]),
        "set and a protocol",
    ),
    "a number alone": (lambda d: d["variants"]["texture"].update(measured=[30.0]), "set and a protocol"),
    "text for a measured number": (
        lambda d: d["variants"]["texture"].update(measured=[{"set": "Set5", "protocol": "standard", "psnr_y": "30"}]),
        "'psnr_y': '30'., not numbers with a set",
    ),
    "a hash too few": (lambda d: d["files"].pop("graph.onnx"), "files"),
    "a hash too many": (lambda d: d["files"].update({"x.onnx": "0" * 64}), "files"),
    "not a hash": (lambda d: d["files"].update({"graph.onnx": "0" * 63}), "graph.onnx"),
    "one file for two": (lambda d: d["variants"]["texture"].update(file="fidelity.safetensors"), "share"),
}


@pytest.mark.parametrize(("edit", "word"), EDITS.values(), ids=EDITS.keys())
def test_a_card_with_something_wrong(both: ModelFolder, edit: Callable[[dict], object], word: str) -> None:
    edit_card(both.path, edit)
    with pytest.raises(UserError, match=rf"model\.json: .*{word}") as error:
        open_model(both.path)
    one_line(error)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "C:x", "a\0b", "model.json", "\\\\host\\share"]
)
def test_a_file_name_that_leaves_the_folder(both: ModelFolder, name: str) -> None:
    def edit(data: dict) -> None:
        data["files"][name] = data["files"].pop("texture.safetensors")
        data["variants"]["texture"]["file"] = name

    edit_card(both.path, edit)
    with pytest.raises(UserError, match="leaves the folder") as error:
        open_model(both.path)
    one_line(error)


def test_things_that_are_no_model_folder(both: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / "old.pth").write_bytes(b"PK\3\4")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    expected = {
        tmp_path
        / "old.pth": f"a PyTorch checkpoint, not a model folder; make one of it with `superfine models import {tmp_path}",
        tmp_path / "absent": "no such model",
        tmp_path / "empty": "missing, so this is not a model folder",
        tmp_path / "run": "superfine models publish",
        both.path / "graph.onnx": f"an ONNX graph, not a model folder; give the folder {both.path}",
        both.path / "fidelity.safetensors": f"give the folder {both.path}",
        both.path / "model.json": f"give the folder {both.path}",
    }
    for path, words in expected.items():
        with pytest.raises(UserError) as error:
            open_model(path)
        assert words in one_line(error)
        assert str(path) in str(error.value)


def test_a_card_that_is_a_folder(both: ModelFolder) -> None:
    (both.path / "model.json").unlink()
    (both.path / "model.json").mkdir()
    with pytest.raises(UserError, match=r"model\.json: ") as error:
        open_model(both.path)
    one_line(error)


def test_writing_replaces_the_whole_model(both: ModelFolder) -> None:
    write_model(both.path, card("fidelity"), b"another graph", {"fidelity": tensors(7)})
    opened = open_model(both.path)
    assert list(opened.card.variants) == ["fidelity"]
    assert not (both.path / "texture.safetensors").exists()
    assert [p.name for p in both.path.parent.iterdir()] == ["tiny-x4"]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_writing_refuses_what_it_would_destroy(both: ModelFolder, tmp_path: Path) -> None:
    (both.path / "notes.txt").write_text("mine")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    before = contents(both.path)
    for folder, word in ((both.path, "notes.txt"), (tmp_path / "photos", "photos"), (tmp_path / "file", "file")):
        with pytest.raises(UserError, match=word) as error:
            write_model(folder, card("fidelity"), GRAPH, {"fidelity": tensors(1)})
        one_line(error)
    assert contents(both.path) == before
    assert (tmp_path / "photos" / "a.jpg").exists()


def test_a_failure_while_writing_leaves_the_old_model(both: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(both.path)
    synced = 0

    def full(_: int) -> None:
        nonlocal synced
        synced += 1
        if synced == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"tiny-x4: No space left on device") as error:
        write_model(both.path, card("fidelity"), GRAPH, {"fidelity": tensors(1)})
    one_line(error)
    assert contents(both.path) == before
    assert [p.name for p in both.path.parent.iterdir()] == ["tiny-x4"]


@pytest.mark.parametrize("failure", [PermissionError(13, "Permission denied"), KeyboardInterrupt()])
def test_a_failure_of_the_last_rename_brings_the_old_model_back(
    both: ModelFolder, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    before = contents(both.path)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise failure
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises((UserError, KeyboardInterrupt), match=r"Permission denied|^$"):
        write_model(both.path, card("fidelity"), GRAPH, {"fidelity": tensors(1)})
    assert contents(both.path) == before
    assert [p.name for p in both.path.parent.iterdir()] == ["tiny-x4"]


def test_variants_of_different_networks_are_not_written(tmp_path: Path) -> None:
    weights = {"fidelity": tensors(1), "texture": tensors(2, width=5)}
    with pytest.raises(UserError, match="laid out unlike"):
        write_model(tmp_path / "mixed", card("fidelity", "texture"), GRAPH, weights)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_other_pictures_are_not_mixed(both: ModelFolder) -> None:
    place = {"set": "Set5", "protocol": "standard"}
    record(both.path, "fidelity", [place | {"psnr_y": 31.0, "pictures": 5}])
    record(both.path, "fidelity", [place | {"ssim_y": 0.9, "pictures": 5}])
    folder = record(both.path, "fidelity", [place | {"niqe": 4.0, "pictures": 2}])
    assert list(folder.card.variants["fidelity"].measured) == [place | {"niqe": 4.0, "pictures": 2}]


def test_recording_measurements(both: ModelFolder) -> None:
    before = contents(both.path)
    first = [
        {"set": "Set5", "protocol": "standard", "psnr": 30.5},
        {"set": "Set14", "protocol": "standard", "psnr": 27.5},
    ]
    changed = record(both.path, "fidelity", first)
    changed = record(changed.path, "fidelity", [{"set": "Set5", "protocol": "standard", "psnr": 31.0}])
    changed = record(changed.path, "fidelity", [{"set": "Set5", "protocol": "standard", "niqe": 4.0}])
    opened = open_model(both.path)
    assert opened.card == changed.card
    assert [(m["set"], m["psnr"]) for m in opened.card.variants["fidelity"].measured] == [
        ("Set5", 31.0),
        ("Set14", 27.5),
    ]
    assert opened.card.variants["fidelity"].measured[0]["niqe"] == 4.0
    assert opened.card.variants["texture"].measured == []
    after = contents(both.path)
    assert {name for name in after if after[name] != before[name]} == {"model.json"}


@pytest.mark.parametrize("entry", [{"psnr": 30.0}, {"set": "Set5", "protocol": "standard", "psnr": float("inf")}])
def test_measurements_that_are_refused(both: ModelFolder, entry: dict) -> None:
    before = contents(both.path)
    with pytest.raises(UserError, match=r"model\.json: a measured number") as error:
        record(both.path, "fidelity", [entry])
    one_line(error)
    with pytest.raises(UserError, match="no variant 'oil'"):
        record(both.path, "oil", [])
    assert contents(both.path) == before


def test_other_tools_read_the_weights(both: ModelFolder) -> None:
    read = safetensors.numpy.load_file(both.path / "texture.safetensors")
    assert {name: values.tolist() for name, values in read.items()} == {
        name: values.tolist() for name, values in tensors(2).items()
    }


def test_a_folder_that_may_not_be_searched_is_one_line(both: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists

    def locked(self: Path) -> bool:
        if self.parent == both.path:
            raise PermissionError(13, "Permission denied")
        return exists(self)

    monkeypatch.setattr(Path, "exists", locked)
    with pytest.raises(UserError, match=r"tiny-x4: Permission denied; check the permissions") as error:
        open_model(both.path)
    one_line(error)


def test_numbers_recorded_at_once_are_all_kept(both: ModelFolder) -> None:
    """By two threads, whose locks exclude each other as those of two processes do."""

    def ten(protocol: str) -> None:
        for i in range(10):
            record(both.path, "fidelity", [{"set": f"set {i}", "protocol": protocol, "psnr_y": 30.0 + i}])

    threads = [Thread(target=ten, args=(protocol,)) for protocol in ("standard", "srgan2017")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_model(both.path).card.variants["fidelity"].measured) == 20
