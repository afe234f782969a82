"""``superfine metrics``: the list, and the fit of NIQE's model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from superfine.cli.main import main
from superfine.metrics import METRICS, read_pristine


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "label", "better", "compares", "with", "needs"]
    assert [line.split()[0] for line in lines[1:]] == list(METRICS)
    assert "lpips_vgg       LPIPS-VGG      lower   original       torch, weights" in lines
    assert "niqe            NIQE           lower   nothing" in lines
    assert main(["metrics"]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_fitting(tmp_path: Path, write_noise: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        write_noise(tmp_path / "photos" / f"{i}.png", 480, 480, i)
        write_noise(tmp_path / "photos" / ".thumbnails" / f"{i}.png", 480, 480, i)
    model = tmp_path / "model.safetensors"
    arguments = ["metrics", "fit-niqe", str(tmp_path / "photos"), "-o", str(model), "--every", "2"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{model}: 50 sharp blocks of 2 photographs\n"
    assert read_pristine(model).about == {"description": "photos", "photographs": "2", "blocks": "50", "every": "2"}
    assert main([*arguments, "--description", "noise"]) == 0
    assert read_pristine(model).about["description"] == "noise"


def test_what_cannot_be_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "fit-niqe", str(tmp_path), "-o", str(tmp_path / "m.npz")]) == 1
    assert "m.npz: a model is a .safetensors file; give such a name" in capsys.readouterr().err
    assert main(["metrics", "fit-niqe", str(tmp_path), "-o", str(tmp_path / "m.safetensors")]) == 1
    assert "gives 0 sharp blocks of 96×96" in capsys.readouterr().err
    assert not (tmp_path / "m.safetensors").exists()


def test_a_model_that_has_no_place_is_told_before_it_is_fitted(
    tmp_path: Path, write_noise: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_noise(tmp_path / "photos" / "a.png", 700, 700, 1)
    missing = tmp_path / "missing"
    assert main(["metrics", "fit-niqe", str(tmp_path / "photos"), "-o", str(missing / "m.safetensors")]) == 1
    assert f"{missing}: is not a folder; make it first" in capsys.readouterr().err
    for given, place in (
        (tmp_path / "photos", tmp_path / ("n" * 300) / "m.safetensors"),
        (Path("n" * 300), tmp_path / "m.safetensors"),
    ):
        assert main(["metrics", "fit-niqe", str(given), "-o", str(place)]) == 1
        assert "n: is not a folder" in capsys.readouterr().err
