"""The report: what stands in the file, and, in a browser, that it sorts, slides and asks for nothing."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from superfine.errors import UserError
from superfine.evaluation.figures import planned, style
from superfine.evaluation.figures.crops import Box
from superfine.evaluation.report import report, tables, views
from superfine.evaluation.report.text import text
from superfine.evaluation.report.views import window
from superfine.evaluation.score import Evaluation, Score
from superfine.images import Picture, read, write

CROPS = {("Set5", "baby"): Box(0, 0, 32, 32)}
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """The elements of a page as (tag, attributes, text inside), which must be closed in order."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(file.read_text("utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = (tag, dict(attributes), list[str]())
        self.found.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, _, inside in self.open:
            inside.append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        return [
            (own, "".join(inside))
            for name, own, inside in self.found
            if name == tag
            and all(own.get(key.strip("_").replace("_", "-")) == value for key, value in attributes.items())
        ]


@pytest.fixture(scope="module")
def written(evaluated: Evaluation, out: Path) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(style, "SUFFIXES", (".png",))  # the report shows no PDF
        for figure in planned(evaluated, CROPS)[:2]:
            style.save(figure.draw(), out / "figures" / figure.name)
    return report(evaluated, out, crops=CROPS)


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page(written)


def decoded(source: str | None) -> np.ndarray:
    """The levels of a picture in the page."""
    assert source is not None
    head, _, data = source.partition(",")
    assert head == "data:image/webp;base64"
    pixels: np.ndarray = pyvips.Image.new_from_buffer(base64.b64decode(data), "").numpy()
    return pixels


def levels(file: Path) -> np.ndarray:
    return np.rint(read(file).pixels * 255).astype(np.uint8)


def test_it_asks_for_nothing(written: Path, page: Page) -> None:
    for tag, attributes, _ in page.found:
        assert not attributes.keys() & {"srcset", "style", "onclick", "onload", "background", "action"}, tag
        if tag == "img":
            assert str(attributes["src"]).startswith("data:image/webp;base64,")
        elif "href" in attributes:
            assert str(attributes["href"]).startswith("#") or attributes["href"] == "data:,"
        else:
            assert "src" not in attributes, tag
    ids = {attributes["id"] for _, attributes, _ in page.found if "id" in attributes}
    assert {str(attributes["href"])[1:] for attributes, _ in page.all("a")} <= ids
    (policy, _), *_ = page.all("meta", http_equiv="Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "http" not in re.sub('data:image[^"]+', "", written.read_text("utf-8")).replace("http-equiv", "")


def test_a_mean_of_fewer_pictures_is_not_the_best(evaluated: Evaluation) -> None:
    scores = tuple(score for score in evaluated.scores if score.set == "Set5")
    *whole, partial = (score.mean("lpips_alex") for score in scores)
    assert scores[-1].failed
    assert partial < min(whole)
    html = tables.means(replace(evaluated, scores=scores))
    assert f'class="number best" data-value="{partial!r}"' not in html
    assert f'class="number best" data-value="{min(whole)!r}"' in html


def test_equals_as_printed_are_both_the_best_and_one_alone_is_not(evaluated: Evaluation) -> None:
    scores = [
        Score(method, "mine", 4, "standard", ("psnr_y",), {"a": {"psnr_y": psnr}})
        for method, psnr in (("one", 26.001), ("other", 26.004), ("worse", 25.9))
    ]
    assert tables.means(replace(evaluated, scores=tuple(scores))).count('class="number best"') == 2
    assert 'class="number best"' not in tables.means(replace(evaluated, scores=(scores[0],)))


def test_what_stands_beside_a_mean(evaluated: Evaluation) -> None:
    """The difference to the published row, which has the method's very name but no time; how many pictures were scored."""
    pictures = {f"{i}": {"psnr_y": 28.5} for i in range(5)}
    whole = Score("bicubic", "Set5", 4, "srgan2017", ("psnr_y",), pictures, seconds_per_megapixel=0.2)
    partial = replace(whole, method="tool", failed=("5",), seconds_per_megapixel=None)
    html = tables.means(replace(evaluated, scores=(whole, partial)))
    assert html.count('data-value="bicubic"') == 2
    assert html.count('data-value="0.2"') == 1
    assert html.count("28.50<small>+0.07</small>") == 1
    assert html.count('28.50<small class="bad">5 of 6</small>') == 1


def test_the_means(evaluated: Evaluation, page: Page) -> None:
    rows = [row for row, _ in page.all("tr") if row.get("class") == "ours"]
    assert len(rows) == len(evaluated.methods)
    shown = page.all("td", class_="number best") + page.all("td", class_="number")
    for score in evaluated.scores:
        for metric in score.metrics:
            assert any(cell["data-value"] == repr(score.mean(metric)) for cell, _ in shown), (score.method, metric)
    best = {cell["data-value"] for cell, _ in page.all("td", class_="number best")}
    for name in evaluated.sets:
        for metric, choose in (("psnr_y", max), ("lpips_alex", min)):
            whole = [score for score in evaluated.scores if score.set == name and score.whole(metric)]
            assert repr(choose(score.mean(metric) for score in whole)) in best
    headings = [cell for _, cell in page.all("th", scope="row")]
    for name in evaluated.methods:
        assert name in headings  # as text, not as markup
    assert [cell for _, cell in page.all("th", class_="set")] == ["Set5", "A & B"]


def test_every_picture_has_its_values(evaluated: Evaluation, page: Page) -> None:
    tables = {caption for _, caption in page.all("caption")}
    assert {"PSNR-Y (dB), higher is better", "SSIM-Y, higher is better", "LPIPS-Alex, lower is better"} <= tables
    values = [cell["data-value"] for cell, _ in page.all("td", class_="number")]
    for score in evaluated.scores:
        for picture in score.pictures.values():
            for value in picture.values():
                assert ("Infinity" if value == float("inf") else repr(value)) in values
    assert {"∞", "failed"} <= {shown for _, shown in page.all("td")}


def test_what_failed_is_told(page: Page) -> None:
    assert any(shown == "Not scored: 1." for _, shown in page.all("a", class_="bad"))
    cells = [shown for _, shown in page.all("td")]
    assert "d.png: is 60×48, <its> original 48×64" in cells
    assert "not scored" in cells
    assert "identical to the original" in cells
    assert len(page.all("span", title="d.png: is 60×48, <its> original 48×64")) == 3  # in the table of each metric


def test_how_it_was_made(evaluated: Evaluation, page: Page) -> None:
    assert {shown for _, shown in page.all("pre")} == {evaluated.command}
    assert {"superfine 0.1.0", "numpy 2.4.6"} <= {shown for _, shown in page.all("li")}
    assert {shown for _, shown in page.all("code")} >= set(evaluated.hashes.values())
    assert any("Protocol standard" in shown for _, shown in page.all("p"))
    assert any("Published: " in shown for _, shown in page.all("p"))


def test_each_protocol_is_told_with_its_models(evaluated: Evaluation, tmp_path: Path) -> None:
    one = Score("one", "mine", 4, "standard", ("niqe",), {"a": {"niqe": 3.5}})
    other = replace(one, method="other", protocol="srgan2017")
    given = replace(evaluated, scores=(one, other), pictures=tmp_path / "none", weights={"niqe": "models/theirs.mat"})
    paragraphs = [shown for _, shown in Page(report(given, tmp_path)).all("p")]
    for protocol in ("standard", "srgan2017"):
        pattern = rf"Protocol {protocol}, ×4: .*model of pristine pictures theirs\.mat"
        assert any(re.search(pattern, shown) for shown in paragraphs)


def test_figures_are_in_it(evaluated: Evaluation, out: Path, page: Page) -> None:
    shown = {attributes["alt"]: attributes["src"] for attributes, _ in page.all("img")}
    drawn, missing = planned(evaluated, CROPS)[:2], planned(evaluated, CROPS)[2:]
    for figure in drawn:
        np.testing.assert_array_equal(decoded(shown[figure.title]), levels(out / "figures" / f"{figure.name}.png"))
        assert any(figure.caption == caption for _, caption in page.all("figcaption"))
    assert not shown.keys() & {figure.title for figure in missing}


def test_pictures_are_kept_without_loss(evaluated: Evaluation, page: Page) -> None:
    shown = {attributes["alt"]: attributes["src"] for attributes, _ in page.all("img")}
    for score in evaluated.scores:
        for name in score.pictures:
            expected = levels(evaluated.picture(score.set, score.method, name))
            np.testing.assert_array_equal(decoded(shown[f"{score.set}, {name}: {score.method}"]), expected)
    low = levels(evaluated.picture("Set5", "LR", "baby"))
    np.testing.assert_array_equal(decoded(shown["Set5, baby: LR"]), low)
    assert len(page.all("figure", class_="viewer")) == views.LARGE + 1
    assert any("The other pictures, as crops (2)" in summary for _, summary in page.all("summary"))


def test_the_most_telling_pictures_are_shown_large(evaluated: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LARGE", 1)
    one, other = (evaluated.score(method, "Set5") for method in ("small:0", "small:0.5"))
    changed = replace(other, pictures=other.pictures | {"e": other.pictures["e"] | {"psnr_y": 9.0}})
    shown = views.views(replace(evaluated, scores=(one, changed)), views.Purse())["Set5"]
    assert [view.name for view in shown.large] == ["e"]
    assert [view.name for view in shown.crops] == ["<i>c</i>", "baby", "bird", "d"]


def test_a_part_of_a_large_picture(evaluated: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "WINDOW", 32)
    page = Page(report(evaluated, tmp_path))
    start = "baby, 32×32 pixels at "
    caption = next(caption for _, caption in page.all("figcaption") if caption.startswith(start))
    x, y = map(int, caption.removeprefix(start).split(", "))
    assert x % 4 == y % 4 == 0
    (shown, _), (low, _) = (page.all("img", alt=f"Set5, baby: {method}")[0] for method in ("bicubic", "LR"))
    whole, small = (levels(evaluated.picture("Set5", method, "baby")) for method in ("bicubic", "LR"))
    np.testing.assert_array_equal(decoded(shown["src"]), whole[y : y + 32, x : x + 32])
    np.testing.assert_array_equal(decoded(low["src"]), small[y // 4 : y // 4 + 8, x // 4 : x // 4 + 8])
    assert (low["width"], low["height"]) == ("32", "32")


@pytest.mark.parametrize(("width", "height", "scale"), [(100, 80, 4), (30, 500, 2), (33, 33, 3), (480, 480, 4)])
def test_windows_lie_inside_and_on_the_grid(width: int, height: int, scale: int) -> None:
    width, height = width // scale * scale, height // scale * scale
    for x, y in ((0, 0), (width - 10, height - 10), (width // 2, 0)):
        box = window(Box(x, y, 10, 10), width, height, 48, scale)
        assert all(value % scale == 0 for value in (box.x, box.y, box.width, box.height))
        assert box.x + box.width <= width
        assert box.y + box.height <= height
        assert (box.width, box.height) == (min(width, 48 // scale * scale), min(height, 48 // scale * scale))


def test_the_file_stays_small(evaluated: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = report(evaluated, tmp_path).stat().st_size
    monkeypatch.setattr(views, "BUDGET", 200_000)
    small = report(evaluated, tmp_path)
    assert small.stat().st_size < everything - 100_000
    page = Page(small)
    assert sum(len(decoded(a["src"])) > 0 for a, _ in page.all("img")) * 3 / 4 * 1000 < 10**6
    assert sum(len(str(a["src"])) for a, _ in page.all("img")) < 200_000 * 4 / 3 + 5000
    left_out = [
        int(m[1])
        for _, p in page.all("p")
        if (m := re.match(r"Pictures left out for the size of this file: (\d+)\.", p))
    ]
    assert sum(left_out) == 6 - len({(a["alt"] or "").split(":")[0] for a, _ in page.all("img")})
    assert len(page.all("figure", class_="viewer")) >= 1


def test_a_figure_that_is_too_tall_is_left_out(evaluated: Evaluation, tmp_path: Path) -> None:
    """WebP ends at 16,383 pixels."""
    (tmp_path / "figures").mkdir()
    figure = planned(evaluated, CROPS)[0]
    for tall, left_out in ((16_383, False), (16_384, True)):
        write(Picture(np.zeros((tall, 1, 3), np.float32)), tmp_path / "figures" / f"{figure.name}.png")
        html = views.chart(figure, tmp_path, views.Purse())
        assert ("left out for the size of this file; see figures/sheet-Set5-baby.png." in html) == left_out
        assert ("<img" in html) != left_out


def test_without_figures_and_without_pictures(evaluated: Evaluation, tmp_path: Path) -> None:
    page = Page(report(replace(evaluated, pictures=tmp_path / "none"), tmp_path))
    assert page.all("img") == []
    paragraphs = [p for _, p in page.all("p")]
    assert (
        "None were drawn; they need matplotlib (pip install 'superfine[plots]') and room to be written." in paragraphs
    )
    assert paragraphs.count("The results were not kept, so no pictures are shown.") == 2


def test_nothing_was_scored(evaluated: Evaluation, tmp_path: Path) -> None:
    failed = tuple(
        replace(s, pictures={}, failed=tuple(s.pictures), notes=dict.fromkeys(s.pictures, "lost"))
        for s in evaluated.scores
    )
    page = Page(report(replace(evaluated, scores=failed), tmp_path))
    assert any("pictures: 6." in shown for _, shown in page.all("p"))
    assert sum(shown == "failed" for _, shown in page.all("td")) == sum(len(s.failed) for s in failed) * 3


def test_the_same_every_time(evaluated: Evaluation, tmp_path: Path) -> None:
    assert report(evaluated, tmp_path).read_bytes() == report(evaluated, tmp_path).read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_names_of_every_kind(evaluated: Evaluation, tmp_path: Path) -> None:
    assert text("</script><b>\"'&\x1b\u202e猫\udce9") == "&lt;/script&gt;&lt;b&gt;&quot;&#x27;&amp;\ufffd\ufffd猫\ufffd"
    odd = replace(evaluated, command="</script>\udce9", versions={"<script>": "</style>"})
    Page(report(odd, tmp_path))


@pytest.mark.parametrize("kind", ["bicubic", "small_0", "LR"])
def test_a_picture_of_another_size_is_told(evaluated: Evaluation, out: Path, tmp_path: Path, kind: str) -> None:
    moved = replace(evaluated, pictures=shutil.copytree(out / "pictures", tmp_path / "pictures"))
    file = tmp_path / "pictures" / "Set5" / kind / "baby.png"
    write(Picture(np.zeros((8, 8, 3), np.float32)), file)
    with pytest.raises(UserError, match=rf"^{re.escape(str(file))}: is 8×8, not \d+×\d+; evaluate again$"):
        report(moved, tmp_path)


def test_a_report_that_cannot_be_written(evaluated: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"report\.html: cannot be written: .*; check the folder and the space$"):
        report(evaluated, tmp_path / "missing")


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium, which logs its console and every request."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Debian's chromium and chromium-driver, which are absent")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("chromium")
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-device-scale-factor=1",
        "--window-size=1280,900",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(driver))
    running.get("about:blank")  # in place of the browser's own page for a new tab
    yield running
    running.quit()


@pytest.fixture
def opened(browser: Any, written: Path) -> Iterator[Any]:
    """The report, opened; afterwards nothing may have been requested but the file, and nothing written on the console."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(written.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in requested if not url.startswith("data:")] == [written.as_uri()]


def column(table: Any, place: int) -> list[str]:
    from selenium.webdriver.common.by import By

    return [
        row.find_elements(By.CSS_SELECTOR, "th, td")[place].get_property("textContent")
        for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]


def test_tables_sort_both_ways(opened: Any, evaluated: Evaluation) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    table = opened.find_element(By.CSS_SELECTOR, "#set-0 table")
    heads = table.find_elements(By.CSS_SELECTOR, "thead th")
    places = {head.find_element(By.TAG_NAME, "button").text: i for i, head in enumerate(heads)}
    nearest = heads[places["nearest"]]
    assert nearest.get_attribute("aria-sort") is None
    nearest.find_element(By.TAG_NAME, "button").click()
    assert nearest.get_attribute("aria-sort") == "descending"  # more is better
    falling = column(table, places["nearest"])
    assert falling[0] == "∞"
    numbers = [float(value) for value in falling[1:]]
    assert numbers == sorted(numbers, reverse=True)
    assert column(table, 0)[0] == "bird"
    nearest.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert nearest.get_attribute("aria-sort") == "ascending"
    assert column(table, places["nearest"]) == falling[::-1]

    odd = heads[6]
    for _ in range(2):  # what failed stays last, either way
        odd.find_element(By.TAG_NAME, "button").click()
        assert column(table, 6)[-1] == "failed"
    assert nearest.get_attribute("aria-sort") is None
    heads[0].find_element(By.TAG_NAME, "button").click()
    assert column(table, 0) == ["<i>c</i>", "baby", "bird", "d", "e"]


def test_numbers_are_sorted_as_numbers(opened: Any, evaluated: Evaluation) -> None:
    from selenium.webdriver.common.by import By

    table = opened.find_element(By.CSS_SELECTOR, "#results table")
    head = table.find_elements(By.CSS_SELECTOR, "thead tr:last-child th")[4]
    assert head.text.startswith("s/megapixel")
    head.find_element(By.TAG_NAME, "button").click()
    seconds = [value for value in column(table, 4) if value != "–"]
    assert seconds == ["0.020", "0.200", "2.00", "20.00", "200.00"]
    assert column(table, 4)[5:] == ["–"] * (len(column(table, 4)) - 5)


def shown_parts(browser: Any, viewer: Any, path: Path) -> tuple[np.ndarray, float]:
    """What is on the screen where the picture is, and where the line is, in pixels of the original."""
    from selenium.webdriver.common.by import By

    stage = viewer.find_element(By.CLASS_NAME, "stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    path.write_bytes(stage.screenshot_as_png)
    shown = levels(path)
    range_ = viewer.find_element(By.CSS_SELECTOR, "input[type=range]")
    return shown, float(range_.get_property("value")) / 100 * shown.shape[1]


def test_the_slider(opened: Any, evaluated: Evaluation, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    viewer = opened.find_element(By.CLASS_NAME, "viewer")
    name = viewer.find_element(By.TAG_NAME, "b").text
    stage = viewer.find_element(By.CLASS_NAME, "stage")
    handle = viewer.find_element(By.CSS_SELECTOR, "input[type=range]")
    left, right = (Select(viewer.find_element(By.CSS_SELECTOR, f"select.{side}")) for side in ("left", "right"))
    assert left.first_selected_option.text == "bicubic"
    assert right.first_selected_option.text == "small:0"

    def check(at: float, first: str, second: str) -> None:
        """Each pixel of the first method left of the line, and of the second right of it, is a square of one colour."""
        shown, line = shown_parts(opened, viewer, tmp_path / "stage.png")
        height, width, _ = levels(evaluated.picture("Set5", "HR", name)).shape
        times = shown.shape[0] // height
        assert times > 4
        assert shown.shape == (height * times, width * times, 3)
        assert line == pytest.approx(at * shown.shape[1], abs=3)
        for method, columns in ((first, slice(0, int(line / times))), (second, slice(int(line / times) + 1, None))):
            whole = levels(evaluated.picture("Set5", method, name))
            expected = whole.repeat(height // whole.shape[0], 0).repeat(width // whole.shape[1], 1).astype(int)
            for place in (2, times - 3):  # the screen's pixels may begin within one of the page's
                squares = shown[place::times, place::times].astype(int)
                assert np.abs(squares - expected)[:, columns].max(initial=0) <= 1, method

    check(0.5, "bicubic", "small:0")
    size = stage.size
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    drag = ActionChains(opened).move_to_element(stage).click_and_hold()
    drag.move_by_offset(-size["width"] // 4, 10).release().perform()
    check(0.25, "bicubic", "small:0")
    ActionChains(opened).move_to_element(stage).perform()  # moving alone is no drag
    check(0.25, "bicubic", "small:0")
    before = float(handle.get_property("value"))
    handle.send_keys(Keys.ARROW_RIGHT)
    assert float(handle.get_property("value")) > before
    handle.send_keys(Keys.HOME)
    check(0.0, "bicubic", "small:0")
    assert handle.get_attribute("aria-valuetext") == "0%: bicubic to the left, small:0 to the right"

    left.select_by_visible_text("LR")
    right.select_by_visible_text("HR")
    handle.send_keys(Keys.END)
    check(1.0, "LR", "HR")
    score = evaluated.score("nearest", "Set5").pictures[name]
    right.select_by_visible_text("nearest")
    assert viewer.find_element(By.CSS_SELECTOR, ".values.right").text.startswith(f"{score['psnr_y']:.2f} dB / ")


def test_the_slider_under_a_finger(opened: Any) -> None:
    from selenium.webdriver.common.by import By

    viewer = opened.find_element(By.CLASS_NAME, "viewer")
    stage = viewer.find_element(By.CLASS_NAME, "stage")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    opened.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        box = opened.execute_script(
            "const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width, b.height]", stage
        )
        y = box[1] + box[3] / 2
        for kind, share in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.8)):
            touch = {"type": kind, "touchPoints": [{"x": box[0] + share * box[2], "y": y}]}
            opened.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
        opened.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        handle = viewer.find_element(By.CSS_SELECTOR, "input[type=range]")
        assert float(handle.get_property("value")) == pytest.approx(80, abs=1)
    finally:
        opened.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_it_fits_the_screen_and_follows_the_scheme(opened: Any) -> None:
    from selenium.webdriver.common.by import By

    try:
        for width, scheme in product((1280, 390), ("light", "dark")):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
            opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            scheme_of = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            opened.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_of)
            opened.refresh()
            assert opened.execute_script("return document.documentElement.scrollWidth") <= width
            body = opened.find_element(By.TAG_NAME, "body")
            light = int(body.value_of_css_property("background-color").split("(")[1].split(",")[0]) > 128
            assert light == (scheme == "light")
            for viewer in opened.find_elements(By.CLASS_NAME, "viewer"):
                assert viewer.find_element(By.CLASS_NAME, "stage").size["width"] <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        opened.get(opened.current_url)
        opened.get_log("performance")
        opened.get(opened.current_url)


def test_every_picture_can_be_seen(opened: Any, tmp_path: Path, evaluated: Evaluation) -> None:
    from selenium.webdriver.common.by import By

    opened.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    pending = "return [...document.images].filter((one) => !(one.complete && one.naturalWidth)).length"
    assert opened.execute_script(pending) == 0
    crop = opened.find_elements(By.CSS_SELECTOR, ".crops img")[0]
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", crop)
    (tmp_path / "crop.png").write_bytes(crop.screenshot_as_png)
    shown = levels(tmp_path / "crop.png")
    assert shown.shape[1] == 160
    assert shown.std() > 30


def test_without_scripts_everything_is_there(browser: Any, written: Path, evaluated: Evaluation) -> None:
    from selenium.webdriver.common.by import By

    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(written.as_uri())
        images = browser.find_elements(By.CSS_SELECTOR, ".viewer .stage img")
        assert len(images) == 4 * (len(evaluated.methods) + 2)
        assert all(image.is_displayed() for image in images)
        assert "JavaScript" in browser.find_element(By.TAG_NAME, "noscript").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
