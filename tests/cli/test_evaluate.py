"""``superfine evaluate``, as it is typed."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superfine import zoo
from superfine.cli.main import main
from superfine.evaluation import read_evaluation
from superfine.images import Picture, write
from superfine.metrics import PROTOCOLS
from superfine.modelfile import open_model

WriteNoise = Callable[..., None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, so that nothing is known yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the bundled model, to write to."""
    return Path(shutil.copytree(zoo.find("compact-x4"), tmp_path / "model"))


def test_the_table_and_its_protocol(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "nearest", "bicubic", "--sets", str(photos), str(photos / "more")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| PSNR-Y / SSIM-Y | photos | more |"
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| nearest", "| bicubic"]
    assert lines[-1] == PROTOCOLS["standard"].line(("psnr_y", "ssim_y"), scale=4)


@pytest.mark.parametrize("metrics", [["psnr_rgb,psnr_y"], ["psnr_rgb", "psnr_y"], ["psnr_rgb,", "psnr_y"]])
def test_metrics_and_protocol_are_chosen(metrics: list[str], photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "bicubic", "--sets", str(photos), "--metrics", *metrics, "--protocol", "srgan2017"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| PSNR-RGB / PSNR-Y | photos |"
    assert lines[-1] == PROTOCOLS["srgan2017"].line(("psnr_rgb", "psnr_y"), scale=4)


def test_the_perceptual_index_stands_beside_the_papers(
    tmp_path: Path, write_noise: WriteNoise, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("superfine.evaluation.figures.draw_all", lambda *given, **options: None)  # takes seconds
    names = [f"{place}" for place in range(5)]
    for place, name in enumerate(names):
        write_noise(tmp_path / "Set5" / f"{name}.png", 112, 208, place)
    lines = [f"Set5,bicubic,{name},5" for name in names]
    (tmp_path / "ma.csv").write_text("\n".join(["set,method,picture,ma", *lines]))
    command = [
        "evaluate",
        "bicubic",
        "--sets",
        str(tmp_path / "Set5"),
        "--metrics",
        "psnr_y",
        "--ma",
        str(tmp_path / "ma.csv"),
    ]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| PSNR-Y / NIQE / PI | Set5 |")
    assert "| published: ESRGAN (R) | 30.45 / – / 3.75 |" in printed
    with_one_less = (tmp_path / "ma.csv").read_text().rsplit("\n", 1)[0]
    (tmp_path / "ma.csv").write_text(with_one_less)
    assert main([*command, "-o", str(tmp_path / "out")]) == 1
    assert "- Set5 4 (all methods) not scored: no score of Ma's; add a line with it" in capsys.readouterr().out
    evaluation = read_evaluation(tmp_path / "out")
    values = evaluation.score("bicubic", "Set5").pictures["0"]
    assert values["pi"] == pytest.approx((5 + values["niqe"]) / 2)
    (tmp_path / "ma.csv").write_text("\n".join(["set,method,picture,ma", *lines, "Set5,bicubix,0,5"]))
    assert main(command) == 1
    captured = capsys.readouterr()
    assert "| bicubic |" in captured.out
    assert "ma.csv: has scores of what is not in this evaluation: 0 in Set5 by bicubix; correct" in captured.err


@pytest.mark.parametrize(
    ("metrics", "head"),
    [("pi", "NIQE / PI"), ("pi,psnr_y,niqe", "PSNR-Y / NIQE / PI"), ("pi psnr_y", "PSNR-Y / NIQE / PI")],
)
def test_the_perceptual_index_may_be_asked_for(
    metrics: str, head: str, tmp_path: Path, write_noise: WriteNoise, capsys: pytest.CaptureFixture[str]
) -> None:
    write_noise(tmp_path / "set" / "a.png", 112, 208, 0)
    (tmp_path / "ma.csv").write_text("set,method,picture,ma\nset,bicubic,a,5\n")
    command = ["evaluate", "bicubic", "--sets", str(tmp_path / "set"), "--metrics", *metrics.split()]
    assert main([*command, "--ma", str(tmp_path / "ma.csv")]) == 0
    assert capsys.readouterr().out.startswith(f"| {head} | set |")


def test_a_model_is_called_by_its_own_name(photos: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(model), "compact-x4:fidelity", "--sets", str(photos)]) == 0
    first, second = capsys.readouterr().out.splitlines()[2:4]
    assert first.startswith("| compact-x4 | ")
    assert first.replace("compact-x4", "compact-x4:fidelity") == second


def test_what_cannot_be_done_is_one_line(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ma = tmp_path / "ma.csv"
    ma.write_text("set,method,picture,ma\n")
    for arguments, reason in (
        (["bicubic", "--sets", str(photos / "missing")], "missing: is not a folder"),
        (["no-such-model", "--sets", str(photos)], "no-such-model: no bundled model"),
        (["bicubic", "--sets", str(photos), "--metrics", "beauty"], "metric beauty: unknown"),
        (["bicubic", "--sets", str(photos), "--protocol", "mine"], "protocol mine: unknown"),
        (["bicubic", "--sets", str(photos), "--device", "abacus"], "device abacus: unknown"),
        (["bicubic", "--sets", str(photos), "--jobs", "0"], "--jobs 0: must be 1 or more"),
        (["bicubic", "--sets", str(photos), "--scale", "0"], "--scale 0: must be 1 or more"),
        (["bicubic", "--sets", str(photos), "--weights", "niqe"], "not of the form METRIC=FILE"),
        (["compact-x4", "--sets", str(photos), "--record"], "is a bundled model"),
        ([f"{model}+", "--sets", str(photos), "--record"], "is a self-ensemble, which has no card to record scores in"),
        (["bicubic", "--sets", str(photos), "--record"], "--record: no model folder is among the models"),
        (
            [str(model), "--sets", str(photos), "--record", "--weights", "vgg_distance=vgg19.safetensors"],
            "--record: a card tells of no file that --weights gives; leave --weights out, or record nothing",
        ),
        (
            [str(model), "--sets", str(photos), "--record", "--ma", str(ma)],
            "--record: a card tells of no file that --ma gives; leave --ma out, or record nothing",
        ),
        (
            ["bicubic", "--sets", str(photos), "--weights", "niqe=a.npz", "niqe=b.npz"],
            "--weights niqe=b.npz: another file of this metric is given; give one for each metric",
        ),
        (
            ["bicubic", "--sets", str(photos), "--metrics", "pi"],
            "metric pi: is made of NIQE and the scores of Ma et al.; give these with --ma FILE",
        ),
        (["bicubic", "--sets", str(photos), "--crops", "photos/2:0,0,8,8"], "--crops: are for the comparison sheets"),
        (["bicubic", "--sets"], "nothing to score: give at least one model, and at least one folder after --sets"),
        (["bicubic", "--sets", str(photos), "--weights", "psnr_y=x"], "weights of psnr_y: it has none; leave them out"),
        (
            ["bicubic", "--sets", str(photos), "--crops", "1:0,0,8,8"],
            "crop 1:0,0,8,8: not SET/NAME:X,Y,W,H; give it as",
        ),
        (["bicubic", "--sets", str(photos), "--crops", "photos/x:0,0,8,8"], "crop photos/x:0,0,8,8: no such picture"),
        (["bicubic", "--sets", str(photos), "--crops", "photos/2:0,0,8,33"], "reaches beyond photos/2, which is 44×32"),
    ):
        assert main(["evaluate", *arguments]) == 1
        captured = capsys.readouterr()
        assert reason in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out == ""


def test_a_picture_that_fails_is_noted_and_the_status_says_so(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "1.png").write_bytes(b"no picture")
    assert main(["evaluate", "bicubic", "--sets", str(photos)]) == 1
    captured = capsys.readouterr()
    assert "(3 of 4) |" in captured.out
    assert "- photos 1 (all methods) not scored: " in captured.out
    assert "1 of the results could not be scored" in captured.err


def test_an_original_that_cannot_be_opened_is_a_failure(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "4.bmp").write_bytes(b"a picture")
    (photos / "5.png").symlink_to("nowhere.png")
    os.mkfifo(photos / "6.png")
    assert main(["evaluate", "bicubic", "--sets", str(photos)]) == 1
    captured = capsys.readouterr()
    assert "(4 of 7) |" in captured.out
    for name, reason in (
        ("4", "4.bmp: is of a format that"),
        ("5", "5.png: is a link"),
        ("6", "6.png: is no ordinary"),
    ):
        assert f"- photos {name} (all methods) not scored: {photos}/{reason}" in captured.out
    assert "3 of the results could not be scored" in captured.err


def test_a_set_is_called_by_its_own_name_whatever_its_case(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set5").symlink_to(shared / "data" / "benchmarks" / "Set5")
    (tmp_path / "MySet").symlink_to(shared / "data" / "benchmarks" / "Set5")
    assert main(["evaluate", "nearest", "--sets", str(tmp_path / "set5"), str(tmp_path / "MySet")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| PSNR-Y / SSIM-Y | set5 | MySet |"
    assert lines[3] == "| *difference to nearest (M)* | +0.00 / +.0000 | – |"


def test_another_tools_pictures_are_scored(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in photos.glob("*.png"):
        shutil.copy(file, (tmp_path / "tool").with_name(f"{file.stem}x4.png"))
    tool = tmp_path / "tool"
    tool.mkdir()
    for file in tmp_path.glob("*x4.png"):
        file.rename(tool / file.name)
    assert main(["evaluate", str(tool), "--sets", str(photos), "--scale", "1"]) == 0
    out = capsys.readouterr().out
    assert "| tool | ∞ / 1.0000 |" in out
    assert "no error that PSNR-Y sees" in out


def test_everything_is_written_where_asked(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "out"
    crops = ["--crops", "photos/1:8,4,32,20"]
    arguments = ["evaluate", "bicubic", "compact-x4", "--sets", str(photos), "-o", str(out), *crops]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert (out / "table.md").read_text(encoding="utf-8") == printed
    assert {"scores.json", "table.tex", "table.csv", "table.json", "report.html", "figures", "pictures"} <= {
        path.name for path in out.iterdir()
    }
    evaluation = read_evaluation(out)
    assert shlex.split(evaluation.command) == ["superfine", *arguments]
    assert evaluation.picture("photos", "compact-x4", "1").is_file()
    assert {file.name for file in (out / "figures").iterdir()} == {
        name + suffix
        for name in ("sheet-photos-1", "quality-speed", "distribution-psnr_y", "distribution-ssim_y")
        for suffix in (".png", ".pdf")
    }
    report = (out / "report.html").read_text("utf-8")
    assert report.count(evaluation.command) == 2
    assert report.count('<figure class="chart">') == 4
    assert report.count('<figure class="viewer"') == 3
    assert not list(out.rglob("*.part"))


def measured(model: Path, variant: str = "fidelity") -> list[dict[str, object]]:
    return open_model(model).card.variants[variant].measured


def test_scores_are_recorded_in_the_card(photos: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = measured(model)
    assert main(["evaluate", "bicubic", str(model), "--sets", str(photos), "--record"]) == 0
    *others, mine = measured(model)
    assert others == before
    assert list(mine) == ["set", "psnr_y", "ssim_y", "pictures", "protocol"]
    assert (mine["set"], mine["pictures"], mine["protocol"]) == ("photos", 4, "standard")
    row = capsys.readouterr().out.splitlines()[3]
    assert isinstance(mine["psnr_y"], float)
    assert f"{mine['psnr_y']:.2f}" in row
    # The card is no part of the model's hash: all is known.
    assert main(["evaluate", str(model), "--sets", str(photos), "--record"]) == 0
    assert measured(model) == [*before, mine]


def test_a_score_that_is_not_whole_is_not_recorded(
    photos: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = measured(model)
    (photos / "1.png").write_bytes(b"no picture")
    assert main(["evaluate", str(model), "--sets", str(photos), str(photos / "more"), "--record"]) == 1
    assert [entry["set"] for entry in measured(model)[len(before) :]] == ["more"]
    assert "its score on photos is not whole, and is not recorded" in capsys.readouterr().err


def test_a_mean_of_fewer_pictures_is_not_recorded(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A black picture comes out black: its PSNR is infinite, and in no mean."""
    before = json.loads((model / "model.json").read_text())
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, level in (("black", 0.0), ("waves", 0.5)):
        pixels = np.broadcast_to(level * (1 + np.sin(np.arange(64))), (3, 64, 64)).T
        write(Picture(np.ascontiguousarray(pixels, np.float32)), pictures / f"{name}.png")
    assert main(["evaluate", f"{model}:photo-fidelity", "--sets", str(pictures), "--record"]) == 0
    said = capsys.readouterr()
    assert "(1 of 2)" in said.out
    assert "its score on pictures is not whole, and is not recorded" in said.err
    assert json.loads((model / "model.json").read_text()) == before


def test_a_killed_run_leaves_whole_files_and_goes_on(tmp_path: Path, cache: Path, write_noise: WriteNoise) -> None:
    for number in range(40):
        write_noise(tmp_path / "set" / f"{number:02}.png", 128, 128, number)
    command = [sys.executable, "-m", "superfine", "evaluate", "bicubic", "--sets", str(tmp_path / "set")]
    command += ["-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=os.environ | {"XDG_CACHE_HOME": str(cache)})
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("pictures/set/bicubic/*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = list(cache.rglob("*.json"))
    assert known
    assert main(["evaluate", "bicubic", "--sets", str(tmp_path / "set")]) == 0
    assert set(known) <= set(cache.rglob("*.json"))
