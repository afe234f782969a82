"""``superfine evaluate``, as it is typed."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from superfine.cli.main import main
from superfine.evaluation import Interpolation


def test_the_table_and_its_protocol(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "nearest", "bicubic", "--sets", str(photos), str(photos / "more")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| | photos | more |"
    assert lines[2].startswith("| nearest | ")
    assert lines[3].startswith("| bicubic | ")
    assert lines[-1].startswith("PSNR-Y: 8-bit pictures, Y of BT.601")


def test_a_model_is_called_by_its_own_name(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cubic = Interpolation("bicubic")
    model = SimpleNamespace(card=SimpleNamespace(name="card-name"), scale=4, upscale=cubic.upscale)
    monkeypatch.setattr("superfine.load", lambda *_, **__: model, raising=False)
    assert main(["evaluate", "some/folder", "other/folder", "--sets", str(photos)]) == 0
    rows = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()[2:4]]
    assert rows == ["| card-name", "| other/folder"]


def test_what_cannot_be_done_is_one_line(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "bicubic", "--sets", str(photos / "missing")]) == 1
    assert "missing: is not a folder" in capsys.readouterr().err
    assert main(["evaluate", "no-such-model", "--sets", str(photos)]) == 1
    error = capsys.readouterr().err
    assert "no-such-model" in error
    assert error.count("\n") == 1
