"""Tables: ours, the differences, the published rows, the protocol, the notes, in each format."""

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path

import pytest

from superfine.evaluation import table
from superfine.evaluation.score import Evaluation, Score
from superfine.metrics import PROTOCOLS


def score(method: str, set: str, count: int, psnr: float, ssim: float, **changes: object) -> Score:
    pictures = {f"{number:03}": {"psnr_y": psnr, "ssim_y": ssim} for number in range(count)}
    plain = Score(method, set, 4, "standard", ("psnr_y", "ssim_y"), pictures)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def evaluation(*scores: Score, **recipes: str) -> Evaluation:
    return Evaluation(scores, "superfine evaluate", {}, {}, Path("pictures"), recipes)


@pytest.fixture
def usual() -> Evaluation:
    """A baseline and a model on a set that papers have and on one that they have not."""
    return evaluation(
        score("bicubic", "Set5", 5, 28.431, 0.8113),
        score("bicubic", "mine", 2, 25.0, 0.7),
        score("compact|x4", "Set5", 5, 31.0591, 0.87681),
        score("compact|x4", "mine", 2, 24.0, 0.75),
        bicubic="bicubic",
    )


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_markdown_has_ours_the_differences_and_the_published_rows(usual: Evaluation) -> None:
    text = lines(table.markdown(usual))
    assert text[:6] == [
        "| PSNR-Y / SSIM-Y | Set5 | mine |",
        "|---|---:|---:|",
        "| bicubic | 28.43 / .8113 | 25.00 / .7000 |",
        "| *difference to bicubic (M)* | +0.01 / +.0011 | – |",
        r"| compact\|x4 | 31.06 / .8768 | 24.00 / .7500 |",
        "| nearest (M) | 26.25 / .7372 | – |",
    ]
    assert "| published: SRCNN | 30.48 / .8628 | – |" in text
    assert "| published: ESRGAN (R) | 30.45 / – | – |" in text
    assert "| published: SRGAN, retrained by others (R) | 29.17 / – | – |" in text
    assert not any("SRGAN-VGG54" in line for line in text)


def test_markdown_has_its_protocol_and_sources(usual: Evaluation) -> None:
    text = lines(table.markdown(usual))
    assert PROTOCOLS["standard"].line(("psnr_y", "ssim_y"), scale=4) in text
    (sources,) = [line for line in text if line.startswith("Published: ")]
    assert "SRCNN, EDSR, RRDB: Wang et al. 2018" in sources
    assert "(M) measured on the same pictures" in sources
    assert "(R) recalled" in sources


def test_each_protocol_is_told() -> None:
    one, other = (score(name, "mine", 1, 25.0, 0.7, protocol=name) for name in PROTOCOLS)
    told = table.protocol_line(evaluation(one, other))
    assert [f"Protocol {name}, ×4: " in told for name in PROTOCOLS] == [True, True]


def test_markdown_escapes_what_ends_a_cell() -> None:
    text = lines(table.markdown(evaluation(score("a\\|b", "mine", 1, 25.0, 0.7))))
    assert text[2] == r"| a\\\|b | 25.00 / .7000 |"


def test_another_protocol_has_other_rows() -> None:
    other = evaluation(
        score("gan", "Set5", 5, 29.5, 0.8470, protocol="srgan2017"),
        gan="srgan-vgg54",
    )
    text = lines(table.markdown(other))
    assert text[2:4] == ["| gan | 29.50 / .8470 |", "| *difference to SRGAN-VGG54* | +0.10 / −.0002 |"]
    assert "| published: SRGAN-VGG54 | 29.40 / .8472 |" in text
    assert not any("retrained" in line or "EDSR" in line for line in text)


@pytest.mark.parametrize(
    "changes", [{"scale": 2}, {"set": "Set6"}, {"pictures": {"a": {"psnr_y": 28.0, "ssim_y": 0.8}}}, {"failed": ("x",)}]
)
def test_only_the_same_pictures_are_compared_with_papers(changes: dict[str, object]) -> None:
    other = evaluation(dataclasses.replace(score("bicubic", "Set5", 5, 28.4, 0.81), **changes), bicubic="bicubic")  # type: ignore[arg-type]
    assert [row.kind for row in table.rows(other)] == ["ours"]
    assert {record["counterpart"] for record in table.records(other)} == {None}
    assert "Published" not in table.markdown(other)


def test_papers_sets_are_found_whatever_their_case() -> None:
    other = evaluation(score("bicubic", "set5", 5, 28.431, 0.8113), bicubic="bicubic")
    text = lines(table.markdown(other))
    assert text[0] == "| PSNR-Y / SSIM-Y | set5 |"
    assert text[3] == "| *difference to bicubic (M)* | +0.01 / +.0011 |"
    assert "| published: SRCNN | 30.48 / .8628 |" in text
    records = table.records(other)
    assert {record["set"] for record in records} == {"set5"}
    assert {record["pictures"] for record in records} == {5}
    assert records[0]["counterpart"] == "bicubic (M)"


def test_only_measured_metrics_are_compared() -> None:
    one = score("bicubic", "Set5", 5, 28.43, 0.8)
    one = dataclasses.replace(
        one, metrics=("psnr_rgb", "psnr_y"), pictures={name: v | {"psnr_rgb": 26.7} for name, v in one.pictures.items()}
    )
    text = lines(table.markdown(evaluation(one, bicubic="bicubic")))
    assert text[0] == "| PSNR-RGB / PSNR-Y | Set5 |"
    assert text[3] == "| *difference to bicubic (M)* | – / +0.01 |"


@pytest.fixture
def troubled() -> Evaluation:
    """A picture that all methods fail at, one that one fails at, and an infinite PSNR."""
    hr = "HR/001.png: is damaged"
    one = score("bicubic", "Set5", 4, 28.0, 0.8, notes={"001": hr}, failed=("001",))
    two = score(
        "tool_a",
        "Set5",
        3,
        30.0,
        0.8,
        notes={"001": hr, "004": "no\npicture", "000": "identical"},
        failed=("001", "004"),
    )
    two.pictures["000"]["psnr_y"] = math.inf
    return evaluation(one, two)


def test_pictures_that_are_missing_show_in_their_cell_and_in_the_notes(troubled: Evaluation) -> None:
    text = lines(table.markdown(troubled))
    assert "| bicubic | 28.00 / .8000 (4 of 5) |" in text
    assert "| tool_a | 30.00 (2 of 5) / .8000 (3 of 5) |" in text
    assert table.notes(troubled) == [
        "Set5 001 (all methods) not scored: HR/001.png: is damaged",
        "Set5 004 (tool_a) not scored: no\\npicture",
        "Set5 000 (tool_a): identical",
    ]
    assert text[-3:] == ["- " + note.replace("\\", "\\\\") for note in table.notes(troubled)]


def test_a_set_of_which_nothing_could_be_scored() -> None:
    failed = score("bicubic", "mine", 0, 0, 0, notes={"a": "damaged"}, failed=("a",))
    text = table.markdown(evaluation(failed))
    assert "| bicubic | – (0 of 1) |" in text
    assert table.records(evaluation(failed))[0]["mean"] is None
    assert r"bicubic & -- (0 of 1) & -- (0 of 1) \\" in table.latex(evaluation(failed))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]


def test_latex_is_a_table_for_booktabs(usual: Evaluation) -> None:
    text = [line.strip() for line in lines(table.latex(usual))]
    begun = [line.split("}")[0] for line in text if line.startswith(r"\begin")]
    ended = [line.split("}")[0] for line in text if line.startswith(r"\end")]
    assert [line.removeprefix(r"\begin") for line in begun] == [line.removeprefix(r"\end") for line in reversed(ended)]
    assert r"\begin{tabular}{lrrrr}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert rf"\{rule}" in text
    assert text.count(r"\midrule") == 2
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}" in text
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [cells(line) for line in body if line.endswith(r"\\")]
    assert rows[0] == ["", r"\multicolumn{2}{c}{Set5}", r"\multicolumn{2}{c}{mine}"]
    assert all(len(row) == 5 for row in rows[1:])
    assert rows[2] == ["bicubic", "28.43", ".8113", r"\textbf{25.00}", ".7000"]
    assert rows[3] == [r"\emph{difference to bicubic (M)}", "+0.01", "+.0011", "--", "--"]
    assert rows[4] == [r"compact\textbar{}x4", r"\textbf{31.06}", r"\textbf{.8768}", "24.00", r"\textbf{.7500}"]
    assert "".join(text).count("{") == "".join(text).count("}")
    assert "BT.601" in "".join(text)


def test_latex_escapes_what_steers_it(troubled: Evaluation) -> None:
    odd = dataclasses.replace(troubled.scores[1], method="[50%]_of $a&b#{\\x}~^<*")
    text = table.latex(evaluation(odd))
    assert r"{[}50\%]\_of \$a\&b\#\{\textbackslash{}x\}\textasciitilde{}\textasciicircum{}\textless{}{*} & " in text
    assert not set(text) & set("−–×∞")


def test_latex_keeps_hyphens_apart() -> None:
    odd = evaluation(score("model--v2---x", "a-b", 1, 30.0, 0.8))
    text = table.latex(odd)
    assert r"model-{}-v2-{}-{}-x & " in text
    assert "{a-b}" in text


def test_the_name_of_a_file_is_no_mark_in_the_protocol() -> None:
    pictures = {"a": {"vgg_distance": 0.5}}
    one = Score("gan", "mine", 4, "standard", ("vgg_distance",), pictures)
    odd = dataclasses.replace(evaluation(one), weights={"vgg_distance": "weights/my*own*<b>\n.safetensors"})
    (line,) = [line for line in lines(table.markdown(odd)) if line.startswith("Protocol")]
    assert r"weights my\*own\*\<b>\\n.safetensors" in line


def test_latex_tells_how_many_pictures_a_mean_is_of(troubled: Evaluation) -> None:
    text = table.latex(troubled)
    assert r"bicubic & 28.00 (4 of 5) & .8000 (4 of 5) \\" in text
    assert r"tool\_a & 30.00 (2 of 5) & .8000 (3 of 5) \\" in text


def test_names_are_no_marks_and_no_html_in_markdown() -> None:
    odd = score("<b>`a` *b*|c\\", "<i>", 1, 30.0, 0.8, notes={"000": "<script> in *a*"})
    text = table.markdown(evaluation(odd))
    assert r"| \<b>\`a\` \*b\*\|c\\ | 30.00 / .8000 |" in text
    assert r"| \<i> |" in text
    assert r"\<script> in \*a\*" in text


def test_pi_with_our_own_model_of_niqe_has_no_difference() -> None:
    """Papers' PI is of the original model; ours compares only where a file of that is given."""
    pictures = {f"{number}": {"psnr_y": 30.0, "niqe": 4.0, "pi": 4.0} for number in range(5)}
    one = Score("gan", "Set5", 4, "standard", ("psnr_y", "niqe", "pi"), pictures)
    ours = evaluation(one, gan="esrgan")
    assert "| *difference to ESRGAN (R)* | −0.45 / – / – |" in table.markdown(ours)
    assert [record["difference"] for record in table.records(ours)[:3]] == [-0.45, None, None]
    theirs = dataclasses.replace(ours, weights={"niqe": "original.npz"})
    assert "| *difference to ESRGAN (R)* | −0.45 / – / +.25 |" in table.markdown(theirs)
    assert [record["difference"] for record in table.records(theirs)[:3]] == [-0.45, None, 0.25]


def test_csv_has_one_mean_on_a_line(usual: Evaluation) -> None:
    entries = list(csv.DictReader(io.StringIO(table.csv(usual))))
    first = entries[0]
    assert {key: first[key] for key in ("method", "kind", "set", "metric", "mean", "pictures", "counterpart")} == {
        "method": "bicubic",
        "kind": "ours",
        "set": "Set5",
        "metric": "psnr_y",
        "mean": "28.431",
        "pictures": "5",
        "counterpart": "bicubic (M)",
    }
    assert float(first["difference"]) == pytest.approx(0.01)
    assert first["protocol_line"] == PROTOCOLS["standard"].line(("psnr_y", "ssim_y"), scale=4)
    (edsr,) = [e for e in entries if e["method"] == "EDSR" and e["metric"] == "ssim_y"]
    assert edsr["kind"] == "published"
    assert edsr["mean"] == "0.8968"
    assert edsr["source"].startswith("Wang et al. 2018")
    assert len([e for e in entries if e["kind"] == "ours"]) == 8


def test_json_has_protocol_rows_and_notes(troubled: Evaluation) -> None:
    data = json.loads(table.json(troubled))
    assert data["protocol"] == PROTOCOLS["standard"].line(("psnr_y", "ssim_y"), scale=4)
    assert data["rows"] == table.records(troubled)
    assert data["notes"] == table.notes(troubled)


def test_records_tell_how_many_pictures_were_scored(troubled: Evaluation) -> None:
    found = [(record["method"], record["pictures"], record["failed"]) for record in table.records(troubled)]
    assert found == [("bicubic", 4, 1)] * 2 + [("tool_a", 2, 2), ("tool_a", 3, 2)]


def test_a_mean_without_infinite_values_is_not_compared() -> None:
    """The better method sees no error in one picture, so that its mean is of the harder ones alone."""
    better, worse = score("better", "Set5", 5, 24.0, 0.9), score("worse", "Set5", 5, 27.0, 0.8)
    better.pictures["000"]["psnr_y"] = math.inf
    found = evaluation(better, worse, better="bicubic")
    assert "| better | 24.00 (4 of 5) / .9000 |" in lines(table.markdown(found))
    assert r"better & 24.00 (4 of 5) & \textbf{.9000} \\" in table.latex(found)
    assert r"worse & 27.00 & .8000 \\" in table.latex(found)
    first, second = [entry for entry in table.records(found) if entry["method"] == "better"]
    assert (first["pictures"], first["difference"], first["counterpart"] is None) == (4, None, False)
    assert (second["pictures"], second["difference"]) == (5, 0.0898)


def test_an_infinite_mean_is_no_number() -> None:
    rows = json.loads(table.json(evaluation(score("same", "mine", 1, math.inf, 1.0))))["rows"]
    assert [row["mean"] for row in rows] == [None, 1.0]


def test_the_protocol_names_the_model_of_niqe() -> None:
    niqe = Score("tool", "mine", 4, "standard", ("niqe",), {"a": {"niqe": 3.5}})
    given = dataclasses.replace(evaluation(niqe), weights={"niqe": "models/theirs.mat"})
    assert "model of pristine pictures theirs.mat" in table.markdown(given)
    assert "superfine's own" in table.markdown(evaluation(niqe))


@pytest.mark.parametrize(
    ("metric", "value", "signed", "text"),
    [
        ("psnr_y", 31.0591, False, "31.06"),
        ("psnr_y", 0.5, False, "0.50"),
        ("psnr_y", -0.004, True, "+0.00"),
        ("psnr_y", -0.01, True, "−0.01"),
        ("psnr_y", math.inf, False, "∞"),
        ("psnr_y", math.nan, False, "–"),
        ("ssim_y", 0.88007, False, ".8801"),
        ("ssim_y", 1.0, False, "1.0000"),
        ("ssim_y", -0.0002, True, "−.0002"),
    ],
)
def test_numbers_as_papers_print_them(metric: str, value: float, signed: bool, text: str) -> None:
    assert table.number(metric, value, signed=signed) == text


def test_latex_compares_whole_means_alone(usual: Evaluation) -> None:
    best = score("partial", "Set5", 4, 40.0, 0.99, failed=("004",), notes={"004": "damaged"})
    same = score("same", "Set5", 5, math.inf, 1.0)
    text = table.latex(dataclasses.replace(usual, scores=(*usual.scores, best)))
    assert r"partial & 40.00 (4 of 5) & .9900 (4 of 5) &" in text
    assert r"\textbf{31.06} & \textbf{.8768}" in text
    text = table.latex(dataclasses.replace(usual, scores=(*usual.scores, same)))
    assert r"same & \textbf{$\infty$} & \textbf{1.0000} &" in text


def test_latex_has_the_best_in_bold_though_less_is_better() -> None:
    metrics = ("psnr_y", "niqe")
    smooth = Score("smooth", "mine", 4, "standard", metrics, {"a": {"psnr_y": 26.0, "niqe": 6.0}})
    sharp = Score("sharp", "mine", 4, "standard", metrics, {"a": {"psnr_y": 24.0, "niqe": 3.5}})
    text = table.latex(evaluation(smooth, sharp))
    assert r"smooth & \textbf{26.00} & 6.00 \\" in text
    assert r"sharp & 24.00 & \textbf{3.50} \\" in text


def test_latex_has_equals_as_printed_in_bold_and_none_alone() -> None:
    one, other = score("one", "mine", 1, 26.001, 0.8), score("other", "mine", 1, 26.004, 0.7)
    text = table.latex(evaluation(one, other))
    assert r"one & \textbf{26.00} & \textbf{.8000} \\" in text
    assert r"other & \textbf{26.00} & .7000 \\" in text
    assert r"\textbf" not in table.latex(evaluation(one))
