"""Scores: their means, and their way into a file and back."""

import dataclasses
import errno
import json
import math
from pathlib import Path

import pytest

from superfine.errors import UserError
from superfine.evaluation.score import Evaluation, Score, read_evaluation

SCORE = Score(
    method="compact-x4:0.6",
    set="Set5",
    scale=4,
    protocol="standard",
    metrics=("psnr_y", "ssim_y"),
    pictures={
        "baby": {"psnr_y": 30.0, "ssim_y": 0.8},
        "bird": {"psnr_y": 33.0, "ssim_y": 0.9},
        "head": {"psnr_y": math.inf, "ssim_y": 1.0},
    },
    notes={"head": "identical", "woman": "damaged"},
    failed=("woman",),
    seconds_per_megapixel=1.5,
)


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    return Evaluation(
        scores=(SCORE, dataclasses.replace(SCORE, method="bicubic", seconds_per_megapixel=None)),
        command="superfine evaluate compact-x4:0.6 --sets Set5",
        versions={"superfine": "0.1.0"},
        hashes={"compact-x4:0.6": "abc"},
        pictures=tmp_path / "pictures",
        recipes={"bicubic": "bicubic"},
    )


def test_infinite_values_are_left_out_of_the_mean() -> None:
    assert SCORE.mean("psnr_y") == 31.5
    assert SCORE.mean("ssim_y") == pytest.approx(0.9)


def test_the_mean_of_nothing() -> None:
    assert math.isnan(dataclasses.replace(SCORE, pictures={}).mean("psnr_y"))
    assert dataclasses.replace(SCORE, pictures={"head": SCORE.pictures["head"]}).mean("psnr_y") == math.inf
    with pytest.raises(ValueError, match="'niqe' was not measured"):
        SCORE.mean("niqe")


def test_what_is_saved_is_read_again(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path)
    assert read_evaluation(tmp_path) == evaluation
    assert json.loads((tmp_path / "scores.json").read_text())["scores"][0]["pictures"]["head"]["psnr_y"] == "inf"


def test_names_that_are_no_text_are_saved_too(evaluation: Evaluation, tmp_path: Path) -> None:
    odd = dataclasses.replace(SCORE, pictures={"\udcff": {"psnr_y": 30.0, "ssim_y": 0.8}}, notes={}, failed=())
    odd_evaluation = dataclasses.replace(evaluation, scores=(odd,), command="superfine evaluate \udcff")
    odd_evaluation.save(tmp_path)
    assert read_evaluation(tmp_path) == odd_evaluation


def test_a_full_disk_leaves_what_was_saved_before(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(self: Path, data: bytes) -> None:
        with self.open("wb") as opened:
            opened.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    evaluation.save(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", cut)
        with pytest.raises(OSError, match="No space left"):
            dataclasses.replace(evaluation, command="another").save(tmp_path)
    assert read_evaluation(tmp_path) == evaluation


def test_the_pictures_move_with_the_folder(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path)
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "scores.json").rename(moved / "scores.json")
    assert read_evaluation(moved).pictures == moved / "pictures"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 1}', "damaged"),
        ('{"format": 1, "scores": [{}]}', "damaged"),
        ('{"format": 1, "scores": [], "command": "", "versions": {}, "hashes": {}, "colour": 1}', "damaged"),
        ('{"format": 99, "scores": []}', "another version"),
    ],
)
def test_a_damaged_file_is_told(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(UserError, match=rf"scores\.json: .*{reason}"):
        read_evaluation(tmp_path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"scores\.json: No such file.*superfine evaluate"):
        read_evaluation(tmp_path)


def test_names_in_order_and_scores_by_name(evaluation: Evaluation) -> None:
    assert evaluation.methods == ("compact-x4:0.6", "bicubic")
    assert evaluation.sets == ("Set5",)
    assert evaluation.score("bicubic", "Set5").method == "bicubic"
    with pytest.raises(KeyError):
        evaluation.score("bicubic", "Set14")


def test_pictures_lie_in_folders_that_every_system_can_hold(evaluation: Evaluation) -> None:
    assert evaluation.picture("Set5", "compact-x4:0.6", "baby") == evaluation.pictures / "Set5/compact-x4_0.6/baby.png"
    assert evaluation.picture("Set5", "HR", "baby") == evaluation.pictures / "Set5/HR/baby.png"
