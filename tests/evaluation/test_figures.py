"""Each figure holds the labels, panels and data that it is drawn of."""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from superfine.errors import UserError
from superfine.evaluation.figures import draw_all, planned, sheet, style
from superfine.evaluation.figures.charts import distribution, plane, speed
from superfine.evaluation.figures.choice import curves, dial, telling_pictures
from superfine.evaluation.figures.crops import Box
from superfine.evaluation.figures.sheet import FRAME, ROOM, comparison_sheet
from superfine.evaluation.figures.style import DPI, SMALL, looks, save, shortened
from superfine.evaluation.score import Evaluation, Score
from superfine.images import read

METHODS = ("nearest", "bicubic", "small:0", "small:0.5", "small:texture")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def legible(figure: Figure) -> None:
    """Nothing is too small, cut off, or, of what a page's reader must tell apart, laid over another."""
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ticks = {
        tick.label1 for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_major_ticks()
    }
    boxes = []
    for text in shown:
        assert text.get_fontsize() >= SMALL
        box = text.get_window_extent()
        if text not in ticks:  # matplotlib keeps ticks beyond the limits, and does not draw them
            assert box.x0 >= -1, text
            assert box.y0 >= -1, text
            assert box.x1 <= width + 1, text
            assert box.y1 <= height + 1, text
            boxes.append((box, text))
    for i, (box, text) in enumerate(boxes):
        for other, another in boxes[:i]:
            assert not box.overlaps(other), (text, another)


def charts(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title("left"): axes for axes in figure.axes if axes.get_visible()}


def points(axes: Axes) -> dict[str, tuple[float, float]]:
    """The single points of a chart by their label."""
    return {
        str(line.get_label()): (line.get_xdata()[0], line.get_ydata()[0])  # type: ignore[index]
        for line in axes.lines
        if len(np.atleast_1d(line.get_xdata())) == 1
    }


def test_a_comparison_sheet(evaluated: Evaluation) -> None:
    box = Box(8, 12, 32, 24)
    figure = comparison_sheet(evaluated, "Set5", "baby", crop=box)
    legible(figure)
    written = texts(figure)
    assert written[:2] == ["baby", "Set5, ×4"]
    assert written[2:6] == ["HR", "original", "nearest", "31.00 dB / .9000"]
    assert "28.00 dB / .7500" in written
    assert sum("…" in text for text in written) == 1  # the long name, shortened in its middle
    assert next(text for text in written if "…" in text).startswith("<b>$odd$")

    overview, *panels = figure.axes
    assert len(panels) == 7
    for axes, method in zip(panels, ("HR", *METHODS), strict=False):
        pixels = read(evaluated.picture("Set5", method, "baby")).pixels[box.slices]
        shown = np.asarray(axes.images[0].get_array())
        times = ROOM // box.width
        np.testing.assert_array_equal(shown, pixels.repeat(times, 0).repeat(times, 1))
        place = axes.get_window_extent()
        assert (round(place.width), round(place.height)) == (
            times * 32,
            times * 24,
        )  # a pixel is a square of whole dots
        assert axes.images[0].get_interpolation() == "nearest"
    frame = overview.patches[-1]
    factor = overview.images[0].get_array().shape[1] / 80  # type: ignore[union-attr]
    np.testing.assert_allclose(
        [*frame.get_xy(), frame.get_width(), frame.get_height()],  # type: ignore[attr-defined]
        [factor * 8 - 0.5, factor * 12 - 0.5, factor * 32, factor * 24],
    )


def test_the_pixels_of_a_saved_sheet(evaluated: Evaluation, tmp_path: Path) -> None:
    box = Box(8, 12, 32, 24)
    figure = comparison_sheet(evaluated, "Set5", "baby", crop=box)
    png, pdf = save(figure, tmp_path / "new" / "sheet")
    assert pdf.read_bytes().startswith(b"%PDF")
    pixels = read(png).pixels
    place = figure.axes[1].get_window_extent()
    left, top = round(place.x0), round(len(pixels) - place.y1)
    times = ROOM // box.width
    shown = pixels[top : top + times * box.height, left : left + times * box.width]
    hr = read(evaluated.picture("Set5", "HR", "baby")).pixels[box.slices]
    np.testing.assert_allclose(shown, hr.repeat(times, 0).repeat(times, 1), atol=1.1 / 255)
    colour = [int(FRAME[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    assert (np.abs(pixels[:, : place.x0.astype(int)] - colour).max(axis=2) < 0.02).sum() > 200
    assert [file.name for file in png.parent.iterdir() if file.name.endswith(".part")] == []


def test_the_crop_that_is_chosen_is_drawn(evaluated: Evaluation) -> None:
    figure = comparison_sheet(evaluated, "Set5", "baby")
    shown = np.asarray(figure.axes[1].images[0].get_array())
    assert shown.shape[0] in range(ROOM - 8, ROOM + 1)  # it fills its place
    box = sheet.crop_of(evaluated, "Set5", "baby")
    times = shown.shape[0] // box.height
    hr = read(evaluated.picture("Set5", "HR", "baby")).pixels[box.slices]
    np.testing.assert_array_equal(shown, hr.repeat(times, 0).repeat(times, 1))


@pytest.mark.parametrize(("box", "times"), [(Box(0, 0, 1, 80), 2 * ROOM // 80), (Box(0, 0, 80, 1), ROOM // 80)])
def test_a_narrow_crop_makes_no_tower(evaluated: Evaluation, box: Box, times: int) -> None:
    figure = comparison_sheet(evaluated, "Set5", "baby", crop=box)
    assert times > 1
    for panel in figure.axes[1:]:
        assert np.shape(panel.images[0].get_array()) == (times * box.height, times * box.width, 3)
    assert figure.get_size_inches()[1] * DPI < 5 * ROOM


def test_a_crop_of_which_no_sheet_can_be_drawn(evaluated: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "LARGEST", 1000)
    with pytest.raises(UserError, match=r"^crop 0,0,80,96: too large for a sheet of 7 panels; give a smaller one$"):
        comparison_sheet(evaluated, "Set5", "baby", crop=Box(0, 0, 80, 96))


@pytest.mark.parametrize(
    ("set", "name", "crop", "message"),
    [
        ("Set5", "baby", Box(70, 0, 20, 20), r"crop 70,0,20,20: reaches beyond Set5/baby, which is 80×96; .*"),
        ("Set5", "nobody", None, r"Set5/nobody: no result of it is there; .*"),
        ("Set5", "nobody", Box(0, 0, 9, 9), r"Set5/nobody: no result of it is there; .*"),
    ],
)
def test_sheets_that_cannot_be(evaluated: Evaluation, set: str, name: str, crop: Box | None, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        comparison_sheet(evaluated, set, name, crop=crop)
    if crop:
        with pytest.raises(UserError, match=f"^{message}$"):
            planned(evaluated, {(set, name): crop})[0].draw()


def test_the_plane(evaluated: Evaluation) -> None:
    figure = plane(evaluated)
    legible(figure)
    found = charts(figure)
    assert list(found) == ["Set5", "A & B"]
    for set, axes in found.items():
        assert points(axes) == {
            score.method: (score.mean("psnr_y"), score.mean("lpips_alex"))
            for score in evaluated.scores
            if score.set == set
        }
        assert axes.get_xlabel() == "PSNR-Y (dB), higher is better"
        (curve,) = (line for line in axes.lines if len(line.get_xdata()) > 1)  # type: ignore[arg-type]
        joined = [evaluated.score(method, set) for method in METHODS[2:]]
        np.testing.assert_array_equal(curve.get_xdata(), [score.mean("psnr_y") for score in joined])
        np.testing.assert_array_equal(curve.get_ydata(), [score.mean("lpips_alex") for score in joined])
        assert {text.get_text() for text in axes.texts} == {"0", "0.5", "1"}
    assert found["Set5"].get_ylabel() == "LPIPS-Alex, lower is better"
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries[:3] == ["nearest", "bicubic", "small (dial)"]
    assert len(entries) == 4
    assert "…" in entries[3]
    assert [line.get_linestyle() for line in figure.legends[0].get_lines()] == ["None", "None", "-", "None"]


def test_quality_against_time(evaluated: Evaluation) -> None:
    figure = speed(evaluated)
    legible(figure)
    for set, axes in charts(figure).items():
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == "seconds per megapixel of output"
        assert points(axes) == {
            score.method: (score.seconds_per_megapixel, score.mean("psnr_y"))
            for score in evaluated.scores
            if score.set == set and score.seconds_per_megapixel
        }
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["nearest", "bicubic", "small (dial)"]
    assert {line.get_linestyle() for line in figure.legends[0].get_lines()} == {"None"}
    labels = [text.get_text() for text in next(iter(charts(figure).values())).get_xticklabels()]
    assert {"0.1", "1", "10"}.issubset(labels)


def test_the_scores_of_single_pictures(evaluated: Evaluation) -> None:
    figure = distribution(evaluated, "psnr_y")
    legible(figure)
    axes = charts(figure)["Set5"]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert tuple(names[:5]) == METHODS
    assert "…" in names[5]
    assert len(axes.collections) == 6
    for place, (method, strip) in enumerate(zip(evaluated.methods, axes.collections, strict=True)):
        score = evaluated.score(method, "Set5")
        values = [v["psnr_y"] for v in score.pictures.values() if np.isfinite(v["psnr_y"])]
        np.testing.assert_allclose(strip.get_offsets()[:, 0], values)  # type: ignore[index]
        assert np.abs(strip.get_offsets()[:, 1] - place).max() < 0.25  # type: ignore[index]
        box, median, mean = axes.lines[3 * place : 3 * place + 3]
        low, middle, high = np.percentile(values, (25, 50, 75))
        assert (min(box.get_xdata()), max(box.get_xdata())) == (low, high)  # type: ignore[type-var]
        assert set(median.get_xdata()) == {middle}  # type: ignore[arg-type]
        np.testing.assert_allclose(mean.get_xdata(), score.mean("psnr_y"))
        assert mean.get_marker() == "D"
    assert axes.get_xlabel() == "PSNR-Y (dB), higher is better"


def test_what_the_data_allow(evaluated: Evaluation, tmp_path: Path) -> None:
    names = [figure.name for figure in planned(evaluated)]
    assert len([name for name in names if name.startswith("sheet-Set5-")]) == 3
    assert names[3:] == [
        "sheet-A & B-one",
        "perception-distortion",
        "quality-speed",
        "distribution-psnr_y",
        "distribution-ssim_y",
        "distribution-lpips_alex",
    ]
    bare = replace(
        evaluated,
        pictures=tmp_path,
        scores=tuple(replace(s, metrics=("psnr_y",), seconds_per_megapixel=None) for s in evaluated.scores),
    )
    assert [figure.name for figure in planned(bare)] == ["distribution-psnr_y"]
    nothing = replace(bare, scores=tuple(replace(s, pictures={}) for s in bare.scores))
    assert planned(nothing) == []


def test_all_are_drawn(evaluated: Evaluation, tmp_path: Path) -> None:
    calls = []
    crops = {("Set5", "bird"): Box(0, 0, 20, 20)}
    written = draw_all(evaluated, tmp_path, crops=crops, progress=lambda done, total: calls.append((done, total)))
    stems = ["sheet-Set5-bird", "perception-distortion", "quality-speed"]
    stems += [f"distribution-{metric}" for metric in ("psnr_y", "ssim_y", "lpips_alex")]
    assert [file.name for file in written] == [stem + suffix for stem in stems for suffix in (".png", ".pdf")]
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == sorted(file.name for file in written)
    assert calls[-1] == (6, 6)


@pytest.mark.parametrize("draw", [plane, lambda evaluated: comparison_sheet(evaluated, "Set5", "bird")])
def test_the_same_file_every_time(evaluated: Evaluation, tmp_path: Path, draw: Callable[[Evaluation], Figure]) -> None:
    first, second = ([file.read_bytes() for file in save(draw(evaluated), tmp_path / "a")] for _ in range(2))
    assert first == second


def test_a_method_alone_and_without_scores(evaluated: Evaluation) -> None:
    alone = replace(evaluated, scores=tuple(s for s in evaluated.scores if s.method == "bicubic"))
    for figure in planned(alone):
        legible(figure.draw())
    lost = replace(alone.scores[0], method="lost", pictures={}, failed=("baby",), notes={"baby": "missing"})
    for figure in planned(replace(alone, scores=(*alone.scores, lost)), {("Set5", "bird"): Box(0, 0, 20, 20)}):
        legible(figure.draw())


def test_many_methods_and_sets(evaluated: Evaluation) -> None:
    first = evaluated.scores[2]
    many = replace(
        evaluated,
        scores=tuple(
            replace(first, method=f"method {i}", set=f"set {j}", seconds_per_megapixel=0.1 * (i + 1))
            for i in range(12)
            for j in range(4)
        ),
    )
    for figure in (plane(many), speed(many), distribution(many, "ssim_y")):
        assert len(charts(figure)) == 4
        legible(figure)


def test_long_names_of_sets_lie_above_their_charts(evaluated: Evaluation) -> None:
    first = evaluated.scores[2]
    sets = [f"{i} {'a set of pictures with a long name, ' * 6}{i}" for i in range(4)]
    for count in (4, 1):
        long = replace(evaluated, scores=tuple(replace(first, set=set) for set in sets[:count]))
        for figure in (plane(long), speed(long), distribution(long, "ssim_y")):
            legible(figure)
            for i, (title, axes) in enumerate(charts(figure).items()):
                assert title.startswith(f"{i} a set")
                assert title.endswith(f" {i}")
                assert "…" in title
                shown = next(text for text in axes.findobj(Text) if text.get_text() == title)
                assert shown.get_window_extent().width <= axes.get_window_extent().width + 1


def test_the_longest_that_fits_is_found_with_few_looks() -> None:
    looks: list[str] = []

    class Ruled:
        """Each letter is a pixel wide."""

        text = "".join(chr(ord("a") + i % 26) for i in range(300))

        def get_text(self) -> str:
            return self.text

        def set_text(self, text: str) -> None:
            self.text = text

        def get_window_extent(self) -> SimpleNamespace:
            looks.append(self.text)
            return SimpleNamespace(width=len(self.text))

    for width, expected in ((300, Ruled.text), (50, f"{Ruled.text[:25]}…{Ruled.text[-24:]}"), (0, "a…")):
        text = Ruled()
        shortened(text, width)  # type: ignore[arg-type]
        assert text.text == expected
    assert len(looks) < 30


def test_names_in_any_letters(evaluated: Evaluation, tmp_path: Path) -> None:
    """The font lacks some; pytest would turn its warning into an error."""
    name = "\x1b[2J 猫のモデル $x^{2$ \\alpha"
    odd = replace(evaluated, scores=tuple(replace(s, method=name) for s in evaluated.scores if s.method == "small:0"))
    png, _ = save(distribution(odd, "psnr_y"), tmp_path / "odd")
    assert (read(png).pixels[:, :100] < 0.5).any()
    save(plane(odd), tmp_path / "odd")


def test_names_that_are_no_text(evaluated: Evaluation) -> None:
    odd = [replace(score, set="set \udcff", method=f"{score.method} \udcfe") for score in evaluated.scores[:1]]
    renamed = replace(evaluated, scores=tuple(odd))
    for figure in (speed(renamed), distribution(renamed, "psnr_y")):
        figure.draw_without_rendering()
        assert {"set \ufffd", "nearest \ufffd"} <= set(texts(figure))


def test_a_sheet_of_a_set_whose_name_is_no_text(evaluated: Evaluation, tmp_path: Path) -> None:
    copytree(evaluated.pictures / "A & B", tmp_path / "\udcff")
    scores = tuple(replace(score, set="\udcff") for score in evaluated.scores if score.set == "A & B")
    figure = comparison_sheet(replace(evaluated, pictures=tmp_path, scores=scores), "\udcff", "one")
    figure.draw_without_rendering()
    assert "\ufffd, ×4" in texts(figure)


def test_the_dial() -> None:
    assert dial("a:b:0.6") == ("a:b", 0.6)
    assert dial("m:fidelity") == ("m", 0.0)
    assert dial("m:texture") == ("m", 1.0)
    assert [dial(name) for name in ("m", ":0.5", "m:", "m:2", "m:nan", "C:\\pictures", "m:clean")] == [None] * 7
    assert [dial(f"m:photo-{end}") for end in ("0.5", "fidelity", "texture")] == [("m:photo", n) for n in (0.5, 0, 1)]
    assert curves(["m", "m:0.5", "n:0.5", "o"]) == {"m": [(0.0, "m"), (0.5, "m:0.5")]}
    assert curves(["m:texture", "m:0.25", "m:fidelity"]) == {
        "m": [(0.0, "m:fidelity"), (0.25, "m:0.25"), (1.0, "m:texture")]
    }


def test_methods_look_different(evaluated: Evaluation) -> None:
    names = ["nearest", "bilinear", "bicubic", *(f"m{i}" for i in range(20))]
    found = looks([*names, "m3:0.5", "m3:1"])
    assert found["m3:0.5"] == found["m3:1"] == found["m3"]
    assert len({(look.colour, look.marker) for name, look in found.items() if ":" not in name}) == len(names)


def test_telling_pictures(evaluated: Evaluation) -> None:
    score = evaluated.score("small:0", "Set5")
    other = evaluated.score("small:0.5", "Set5")
    spread = {"baby": 1.0, "bird": 3.0, "d": 0.5, "e": 3.0}
    changed = replace(
        other,
        pictures={n: v | {"psnr_y": score.pictures[n]["psnr_y"] - spread.get(n, 0)} for n, v in other.pictures.items()},
    )
    two = replace(evaluated, scores=(score, changed, evaluated.score("nearest", "Set5")))
    assert telling_pictures(two, "Set5", 4) == ["bird", "e", "baby", "d"]


def test_pictures_are_told_though_a_method_is_the_originals(evaluated: Evaluation) -> None:
    score = evaluated.score("small:0", "Set5")
    perfect = {name: values | {"psnr_y": math.inf} for name, values in score.pictures.items()}
    scores = (evaluated.score("bicubic", "Set5"), score, replace(score, method="originals", pictures=perfect))
    assert len(telling_pictures(replace(evaluated, scores=scores), "Set5", 3)) == 3


def test_without_matplotlib_the_way_out_is_named(evaluated: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        UserError, match=r"^figures need matplotlib; install it with: pip install 'superfine\[plots\]'$"
    ):
        plane(evaluated)


def test_no_figure_is_left_of_another_evaluation(
    evaluated: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "figures" / "quality-speed.png"
    old.parent.mkdir()
    old.write_text("of before")
    (old.parent / "sheet-of-before.pdf").write_text("of a picture that is no longer there")
    (old.parent / "mine.png").write_text("no figure of ours")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="figures need matplotlib"):
        draw_all(evaluated, tmp_path)
    assert [file.name for file in old.parent.iterdir()] == ["mine.png"]


def test_what_is_infinite_everywhere_has_no_figure(
    evaluated: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = {"psnr_y": math.inf, "ssim_y": 1.0}
    score = Score("originals", "Set5", 4, "standard", ("psnr_y", "ssim_y"), {"baby": same}, seconds_per_megapixel=0.1)
    monkeypatch.setattr(style, "SUFFIXES", (".png",))
    written = draw_all(replace(evaluated, scores=(score,)), tmp_path)
    assert "distribution-ssim_y.png" in {file.name for file in written}
    assert "distribution-psnr_y.png" not in {file.name for file in written}


def test_a_figure_that_cannot_be_drawn_hinders_no_other(evaluated: Evaluation, tmp_path: Path) -> None:
    scores = tuple(replace(s, metrics=("ssim_y",), seconds_per_megapixel=None) for s in evaluated.scores)
    with pytest.raises(UserError, match="missing"):
        draw_all(replace(evaluated, scores=scores), tmp_path, crops={("Set5", "missing"): Box(0, 0, 20, 20)})
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {
        "distribution-ssim_y.png",
        "distribution-ssim_y.pdf",
    }


def test_the_longest_name_has_a_sheet(evaluated: Evaluation) -> None:
    names = ["\N{CJK UNIFIED IDEOGRAPH-9577}" * 82 + end for end in "ab"]
    figures = planned(evaluated, {("Set5", name): Box(0, 0, 20, 20) for name in names})[:2]
    assert [len(figure.name.encode()) <= 250 for figure in figures] == [True, True]
    assert figures[0].name != figures[1].name
    assert figures[0].title == f"Set5: {names[0]}"


def test_no_two_sheets_share_a_file(evaluated: Evaluation) -> None:
    """Not on a disk that knows no case either, and not where names are cut."""
    long = "n" * 240
    pictures = [("a", "b-c"), ("a-b", "c"), ("A", "B-C"), ("a", "b"), (f"a-{long}", "b"), ("a", f"{long}-b")]
    crops = dict.fromkeys(pictures, Box(0, 0, 20, 20))
    figures = planned(evaluated, crops)[: len(pictures)]
    assert [figure.title for figure in figures] == [f"{set}: {name}" for set, name in pictures]
    assert len({figure.name.casefold() for figure in figures}) == len(pictures)
    assert figures[3].name == "sheet-a-b"
    again = planned(evaluated, crops)
    assert [figure.name for figure in figures] == [figure.name for figure in again[: len(pictures)]]


def test_a_figure_that_cannot_be_written(evaluated: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("in the way")
    scores = tuple(replace(s, metrics=("ssim_y",), seconds_per_megapixel=None) for s in evaluated.scores[:2])
    with pytest.raises(UserError, match=r"figures/.*\.png: cannot be written: .*; check the folder and the space$"):
        draw_all(replace(evaluated, scores=scores, pictures=tmp_path), tmp_path)


def test_print_quality() -> None:
    assert DPI >= 200
    assert SMALL >= 7
