"""``superfine data`` as typed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import superfine
from superfine.cli.main import main
from superfine.data import Pack, fetch
from superfine.data.pages import fonts_are_there
from superfine.images import read
from superfine.modelfile import open_model

torch.set_num_threads(1)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_pack_and_preview(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("data", "pack", photos, "-o", tmp_path / "p.pack") == 0
    assert "5 pictures" in capsys.readouterr().out
    sheet = tmp_path / "sheet.png"
    assert run("data", "preview", tmp_path / "p.pack", "-o", sheet, "--count", 2, "--seed", 3) == 0
    assert capsys.readouterr().out == f"{sheet}: 2 crops, photo\n"
    assert read(sheet).pixels.shape[0] > 60
    assert run("data", "preview", photos, "-o", sheet, "--degradation", "blurry") == 1
    assert capsys.readouterr().err == (
        "superfine: --degradation blurry: is unknown; choose one of bicubic, gaussian, photo, everyday\n"
    )


def test_teach_and_what_is_learnt_of_it(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, taught, trained = tmp_path / "p.pack", tmp_path / "taught.pack", tmp_path / "run"
    for name in ("0.png", "1.png", "2.png"):  # each shape is compiled for
        (photos / name).unlink()
    run("data", "pack", photos, "-o", data)
    capsys.readouterr()
    teach = ("data", "teach", data, "--model", "srcnn-x4", "-o", taught)
    assert run(*teach, "--variant", "sharp") == 1
    assert capsys.readouterr().err.startswith("superfine: dial 'sharp': ")
    assert run("data", "teach", data, "--model", "compact-x4", "-o", taught, "--variant", "photo-0.5") == 1
    assert capsys.readouterr().err == (
        "superfine: --variant photo-0.5: compact-x4 has fidelity, photo-fidelity, texture, photo-texture; choose one of these\n"
    )
    assert run(*teach, "--self-ensemble") == 0
    assert capsys.readouterr().out.startswith(f"{taught}: 2 pictures by srcnn-x4, ")
    made = Pack(taught)
    small = np.divide(made.lr(1), 255, dtype=np.float32)
    expected = superfine.load("srcnn-x4", dial="fidelity", self_ensemble=True).upscale(small)
    np.testing.assert_array_equal(made.hr(1), np.rint(expected * np.float32(255)))

    train = ("train", "compact-fidelity", "--data", data, "-o", trained, "--steps", 2, "--batch", 2, "--patch", 6)
    train += ("--set", "network.channels=8", "--set", "network.convs=1")
    taught_by = ("--teacher", taught, "--set", "teacher_weight=0.8")
    assert run(*train, *taught_by) == 0
    record = json.loads((trained / "run.json").read_text())
    card = superfine.load("srcnn-x4").card
    assert record["teacher"] == {
        "pack": made.sha256,
        "name": "srcnn-x4",
        "variant": "fidelity",
        "sha256": card.files["fidelity.safetensors"],
        "self_ensemble": True,
        "only": "*",
        "of": Pack(data).sha256,
    }
    assert record["recipe"]["teacher_weight"] == 0.8
    capsys.readouterr()
    assert run(*train, "--set", "teacher_weight=0.8") == 1
    assert "teacher_weight: is 0.8, but of no teacher; give its pack as --teacher" in capsys.readouterr().err
    assert run(*train) == 1
    assert "holds a run with another recipe, teacher; name a new folder" in capsys.readouterr().err
    assert run(*train, "--teacher", taught) == 1
    assert f"--teacher {taught}: has no weight; give --set teacher_weight=0.8" in capsys.readouterr().err
    assert run(*train, "--teacher", data, "--set", "teacher_weight=0.8") == 1
    assert f"--teacher {data}: is not made of {data}; make it with superfine data teach" in capsys.readouterr().err
    other = tmp_path / "other.pack"
    assert run("data", "teach", data, "--model", "srcnn-x4", "-o", other, "--only", "more/*") == 0
    capsys.readouterr()
    assert run(*train, "--teacher", other, "--set", "teacher_weight=0.8") == 1
    assert "holds a run with another teacher; name a new folder" in capsys.readouterr().err
    gone = tmp_path / "gone.pack"
    assert run(*train, "--teacher", gone, "--set", "teacher_weight=0.8") == 1
    assert f"--teacher {gone}: is not there; make it with superfine data teach {data}" in capsys.readouterr().err
    assert run("models", "publish", trained, "-o", tmp_path / "model") == 0
    published = open_model(tmp_path / "model").card.variants["fidelity"].training
    assert published["teacher"] == record["teacher"], "the card tells of it"
    assert run("train", "compact-fidelity", "--data", taught, "-o", tmp_path / "other", "--patch", 6) == 1
    assert f"{taught}: holds what a teacher made; give it as --teacher" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    run("data", "pack", photos, "-o", tmp_path / "two.pack", "--scale", 2)
    capsys.readouterr()
    assert run("data", "teach", tmp_path / "two.pack", "--model", "srcnn-x4", "-o", tmp_path / "no") == 1
    assert "two.pack: is packed for ×2, srcnn-x4 is ×4; choose another model" in capsys.readouterr().err


@pytest.mark.skipif(not fonts_are_there(), reason="needs a font on this machine")
def test_pages(tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = tmp_path / "pages"
    assert run("data", "pages", "-o", pages, "--count", 2, "--side", 128, "--fonts", "DejaVu Sans", "serif") == 0
    assert capsys.readouterr().out == f"{pages}: 2 pages of 128×128 pixels\n"
    assert run("data", "pack", photos, pages, "-o", tmp_path / "both.pack") == 0
    assert "7 pictures" in capsys.readouterr().out
    assert run("data", "pages", "-o", pages, "--count", 0) == 1
    assert capsys.readouterr().err.startswith("superfine: 0 pages of 768 pixels: cannot be made; give ")


def test_fetch_says_what_to_place_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("superfine.download.WAIT", 0.0)
    (archive,) = fetch.SOURCES["set5"]
    unreachable = replace(archive, url="http://127.0.0.1:9/Set5_HR.tar.gz")
    monkeypatch.setitem(fetch.SOURCES, "set5", (unreachable,))
    assert run("data", "fetch", "set5", "--to", tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("superfine: http://127.0.0.1:9/Set5_HR.tar.gz: ")
    assert error.endswith(f"put it at {tmp_path / 'Set5_HR.tar.gz'} and run it again\n")
    assert error.count("\n") == 1


def test_fetch_uses_what_was_placed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tarfile

    to = tmp_path / "sets"
    to.mkdir()
    with tarfile.open(to / "Set5_HR.tar.gz", "w:gz") as packed:
        packed.add(photos, "Set5_HR")
    assert run("data", "fetch", "set5", "--to", to) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{to / 'Set5'}: 5 pictures, for academic research; sha256 ")
    assert out.endswith("no hash is published to compare it with\n")
    assert run("data", "fetch", "set5", "--to", to) == 0
    assert "5 pictures (was there)" in capsys.readouterr().out


def test_an_unknown_set_is_refused_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("data", "fetch", "set5", "imagenet", "--to", tmp_path) == 1
    assert capsys.readouterr().err == (
        "superfine: imagenet: is no data set that can be fetched; "
        "choose among div2k, flickr2k, set5, set14, bsd100, urban100\n"
    )
