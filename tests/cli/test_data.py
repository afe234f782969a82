"""``superfine data`` as typed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from superfine.cli.main import main
from superfine.data import fetch
from superfine.data.pages import fonts_are_there
from superfine.images import read

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
