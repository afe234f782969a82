"""``superfine evaluate -o``: the figures and the report that people find in the folder."""

import re
from pathlib import Path

import pytest

from superfine.cli.main import main


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_figures_with_given_crops_and_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "nearest", "bicubic", "--sets", "photos", "-o", "out", "--crops", "photos/1:8,4,32,20"]
    assert main(command) == 0, capsys.readouterr().err
    assert {file.name for file in Path("out/figures").iterdir()} == {
        name + suffix
        for name in ("sheet-photos-1", "quality-speed", "distribution-psnr_y", "distribution-ssim_y")
        for suffix in (".png", ".pdf")
    }
    report = Path("out/report.html").read_text("utf-8")
    assert "--crops photos/1:8,4,32,20" in report
    assert report.count('<figure class="chart">') == 4
    assert report.count('<figure class="viewer"') == 3


@pytest.mark.parametrize(
    ("crop", "pattern"),
    [
        ("1:8,4,32,20", r"crop 1:8,4,32,20: not SET/NAME:X,Y,W,H; .*"),
        ("photos/1:8,4,320,20", r"crop 8,4,320,20: reaches beyond photos/1, which is 64×64; .*"),
        ("photos/x:8,4,32,20", r"crop photos/x:8,4,32,20: no such picture in the sets; .*"),
    ],
)
def test_crops_that_cannot_be(capsys: pytest.CaptureFixture[str], crop: str, pattern: str) -> None:
    assert main(["evaluate", "nearest", "--sets", "photos", "-o", "out", "--crops", crop]) == 1
    assert re.fullmatch(rf"superfine: {pattern}\n", capsys.readouterr().err)
