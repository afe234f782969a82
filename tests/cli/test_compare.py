"""``superfine compare`` as people type it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from superfine import zoo
from superfine.cli.main import main
from superfine.images import read
from superfine.modelfile import open_model


@pytest.fixture
def photo(tmp_path: Path, write_noise: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "photo.png", 40, 60, 1)
    return tmp_path / "photo.png"


def test_a_sheet_beside_the_photograph(
    photo: Path, write_noise: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_noise(photo, 20, 24, 2)
    quick = {name: zoo.find(name) for name in ("srcnn-x4", "compact-x4")}  # the others take seconds
    monkeypatch.setattr(zoo, "catalogue", lambda: quick)
    arguments = ["compare", "photo.png", "--crop", "4,6,16,12", "--device", "cpu"]
    assert main(arguments) == 0
    told = re.fullmatch(r"photo-compare\.png: crop 4,6,16,12 of photo\.png, results: (\d+)\n", capsys.readouterr().out)
    assert told
    assert int(told[1]) >= sum(len(open_model(folder).card.variants) for folder in quick.values())
    sheet = read("photo-compare.png").pixels
    assert (sheet == 1).all(axis=2).mean() > 0.1
    first = Path("photo-compare.png").read_bytes()

    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "superfine: photo-compare.png: exists already; give --overwrite to replace it, or another -o\n"
    )
    assert main([*arguments[:2], "--overwrite", "--models", "srcnn-x4", "--device", "cpu"]) == 0
    assert Path("photo-compare.png").read_bytes() != first


def test_the_output_and_the_models_are_chosen(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ["compare", "photo.png", "--models", "compact-x4", "--dial", "0,1", "-o", "sheet.webp", "--device", "cpu"]
    assert main(done) == 0
    assert read("sheet.webp").pixels.shape[1] > 700
    assert not Path("photo-compare.png").exists()


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["missing.jpg"], r"missing\.jpg: does not exist; check the name"),
        (["."], r"\.: is a folder; give a picture in it"),
        (["photo.png", "--crop", "1,2,3"], r"crop 1,2,3: not X,Y,W,H in whole pixels; .*"),
        (["photo.png", "--crop", "50,0,20,20"], r"crop 50,0,20,20: reaches beyond photo\.png, which is 60×40; .*"),
        (["photo.png", "--dial", "0;1"], r"dial 0;1: not numbers with commas between; give it as 0,0\.5,1"),
        (["photo.png", "--dial", "2"], r"dial 2: outside 0 to 1; .*"),
        (["photo.png", "--models", "wonder"], r"wonder: no bundled model .*"),
        (
            ["photo.png", "-o", "photo.png", "--overwrite"],
            r"photo\.png: would replace the photograph itself; give another -o",
        ),
        (["photo.png", "-o", f"{'n' * 300}/sheet.png"], r"n+: is not a folder; make it first, or give another -o"),
        (["photo.png", "-o", "sheet.bmp"], r"sheet\.bmp: cannot write the format '\.bmp'; .*"),
        (["photo.png", "-o", "nowhere/sheet.png"], r"nowhere: is not a folder; make it first, or give another -o"),
        (["text.png"], r"text\.png: .*; .*"),
    ],
)
def test_what_is_refused(photo: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], pattern: str) -> None:
    Path("text.png").write_text("no picture")
    assert main(["compare", *arguments, "--device", "cpu"]) == 1
    assert re.fullmatch(rf"superfine: {pattern}\n", capsys.readouterr().err)
    assert {path.name for path in photo.parent.iterdir()} == {"photo.png", "text.png"}


def test_another_case_is_the_photograph_itself_on_a_disk_without_case(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("superfine.files._is_caseless", lambda folder: True)
    assert main(["compare", "photo.png", "-o", "Photo.PNG", "--device", "cpu"]) == 1
    assert capsys.readouterr().err == "superfine: Photo.PNG: would replace the photograph itself; give another -o\n"


def test_it_needs_neither_torch_nor_matplotlib(photo: Path) -> None:
    code = (
        "import sys; from superfine.cli.main import main; status = main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "compare", "photo.png", "--models", "srcnn-x4", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "openvino._pyopenvino" in done.stderr.split()
    assert not {"torch", "onnx", "matplotlib", "scipy", "rich"} & set(done.stderr.split())
