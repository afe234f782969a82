"""PI is made of NIQE and given scores; what is wrong with these is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from superfine.errors import UserError
from superfine.evaluation.perceptual import Ma, read_ma, unused, with_pi
from superfine.evaluation.score import Evaluation, Score
from superfine.evaluation.table import markdown

HEAD = "set,method,picture,ma\n"
SCORE = Score("ours", "Set5", 4, "standard", ("psnr_y", "niqe"), {"baby": {"psnr_y": 30.0, "niqe": 4.5}})
EVALUATION = Evaluation((SCORE,), "", {}, {}, Path("pictures"))


def test_half_of_what_both_lack_of_the_best(tmp_path: Path) -> None:
    file = tmp_path / "ma.csv"
    file.write_text(
        "\ufeff" + HEAD + "Set5,ours,baby,8.25\nSet5,theirs,baby,0\nSet5,theirs,bird,10\n", encoding="utf-8"
    )
    evaluation = with_pi(EVALUATION, read_ma(file))
    assert evaluation.scores[0].metrics == ("psnr_y", "niqe", "pi")
    assert evaluation.scores[0].pictures == {"baby": {"psnr_y": 30.0, "niqe": 4.5, "pi": 3.125}}
    assert "| PSNR-Y / NIQE / PI |" in markdown(evaluation)
    assert "PI: half of 10 − Ma + NIQE, Ma's scores from ma.csv;" in markdown(evaluation)
    assert unused(EVALUATION, read_ma(file)) == ["baby in Set5 by theirs", "bird in Set5 by theirs"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"set,method,ma\n", r"lacks one of the columns set, method, picture, ma"),
        (b"", r"lacks one of the columns"),
        (HEAD.encode() + b"Set5,ours,baby,good\n", r"line 2: 'good' is no score of 0 to 10"),
        (HEAD.encode() + b"Set5,ours,baby,nan\n", r"line 2: 'nan' is no score"),
        (HEAD.encode() + b"Set5,ours,baby,-1\n", r"line 2: '-1' is no score"),
        (HEAD.encode() + b"Set5,ours,baby,11\n", r"line 2: '11' is no score"),
        (HEAD.encode() + b"Set5,ours,baby\n", r"line 2: None is no score"),
        (HEAD.encode() + b"Set5,ours,baby,8\n" * 2, r"line 3: another score of baby in Set5 by ours"),
        (b"\xff\xfe\x00", r"no CSV file in UTF-8"),
    ],
)
def test_a_file_that_is_no_good_is_told(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "ma.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"ma\.csv: .*{reason}"):
        read_ma(tmp_path / "ma.csv")
    with pytest.raises(UserError, match=r"missing\.csv: cannot be read"):
        read_ma(tmp_path / "missing.csv")


def test_a_picture_without_a_score_is_noted_and_the_others_are_whole() -> None:
    two = {"baby": {"psnr_y": 30.0, "niqe": 4.5}, "bird": {"psnr_y": 20.0, "niqe": 3.0}}
    evaluation = replace(EVALUATION, scores=(replace(SCORE, pictures=two),))
    (score,) = with_pi(evaluation, Ma(Path("ma.csv"), {("Set5", "ours", "bird"): 9.0})).scores
    assert score.pictures == {"bird": {"psnr_y": 20.0, "niqe": 3.0, "pi": 2.0}}
    assert score.failed == ("baby",)
    assert score.notes == {"baby": "no score of Ma's; add a line with it, or leave the method out"}


def test_without_niqe_there_is_no_pi() -> None:
    with pytest.raises(ValueError, match="NIQE, which was not measured"):
        with_pi(replace(EVALUATION, scores=(replace(SCORE, metrics=("psnr_y",)),)), Ma(Path("ma.csv"), {}))
