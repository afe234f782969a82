"""The tables of the documentation say what was measured, and nothing else in them changes."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from superfine import zoo
from superfine.evaluation import Cache, evaluate, open_methods, open_set
from superfine.evaluation.table import markdown, number
from superfine.modelfile import open_model

POSITIONS = {"": "fidelity", "photo-0": "photo-fidelity", "photo-1": "photo-texture"}
"""What a method of the tables calls otherwise than the model's card."""

TWO_LAYOUTS = """\
# A page

| PSNR-Y / SSIM-Y | photos | Kodak |
|---|---:|---:|
| bicubic, the usual one | 1.00 / .1000 | 2.00 / .2000 |
| theirs | 3.00 / .3000 | 4.00 / .4000 |

Of bicubic, | no table.

| | PSNR-Y | NIQE | |
|---|---:|---:|---|
| **photos**: `bicubic` | 1.00 | 9.99 | a \\| b |
| theirs | 3.00 | 9.99 | |
| **Kodak**: bicubic | 2.00 | 9.99 | |

| | aimed at |
|---|---:|
| bicubic | 1.00 / .1000 |
"""


@pytest.fixture(scope="module")
def tables(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("documentation_tables", root / "docs" / "tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for its own annotations
    spec.loader.exec_module(module)
    return module


def test_what_was_measured_is_put_into_its_cells(
    tables: ModuleType,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluation = evaluate(open_methods(["bicubic"]), [open_set(photos, 4)], known=Cache(tmp_path / "cache"))
    (tmp_path / "table.md").write_text(markdown(evaluation), encoding="utf-8")
    row = next(line for line in markdown(evaluation).splitlines() if line.startswith("| bicubic |"))
    both = row.split(" | ")[1].removesuffix(" |")
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    page.write_text(TWO_LAYOUTS, encoding="utf-8")
    other.write_text("| PSNR-Y | BSD100 |\n|---|---:|\n| bicubic | 1.00 |\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["tables.py", str(tmp_path / "table.md"), str(page), str(other)])

    tables.main()

    expected = TWO_LAYOUTS.replace("| 1.00 / .1000 | 2", f"| {both} | 2").replace(
        "| 1.00 |", f"| {both.split(' / ')[0]} |"
    )
    assert expected != TWO_LAYOUTS
    assert page.read_text(encoding="utf-8") == expected
    assert capsys.readouterr().out == f"{page}\n"


SRGAN2017 = """\
| PSNR-Y / SSIM-Y | photos | Set5 | more |
|---|---:|---:|---:|
| compact-x4 | 30.11 / .8400 (4 of 5) | 32.05 / .9010 | – (0 of 14) |
| *difference to SRResNet* | – | +0.00 / +.0000 | – |
| tool | 30.00 (2 of 5) / .8000 (3 of 5) | 24.00 (4 of 5) / .9000 | 25.00 / .7000 |
| published: SRGAN-VGG54 | – | 29.40 / .8472 | – |
| published: ESRGAN (R) | – | 30.45 / – | – |

Protocol srgan2017, ×4: 8-bit pictures.
"""


def test_means_that_are_missing_or_not_whole_are_put_nowhere(tables: ModuleType) -> None:
    """The table that superfine evaluate prints has more cells than pages have."""
    assert {(method, bench) for method, bench, _ in tables.values_of(SRGAN2017)} == {
        ("compact-x4", "Set5"),
        ("*difference to SRResNet*", "Set5"),
        ("tool", "more"),
        ("published: SRGAN-VGG54", "Set5"),
        ("published: ESRGAN (R)", "Set5"),
    }
    assert tables.values_of(SRGAN2017)["compact-x4", "Set5", "ssim_y"] == ".9010"
    page = "| PSNR-Y / SSIM-Y | photos | Set5 | more |\n|---|---:|---:|---:|\n| compact-x4 | 1 / .1 | – | – |\n"
    assert tables.filled(page, tables.values_of(SRGAN2017)) == page.replace("| – | – |", "| 32.05 / .9010 | – |")


@pytest.fixture(scope="module")
def said(tables: ModuleType, pages: list[Path]) -> list[tuple[str, str, str, str, str]]:
    """Method, set, metric, the number, and where it stands, of all that the pages say of bundled models."""
    return [
        (cell.method, cell.set, metric, text, f"{page.name}, line {cell.line + 1}")
        for page in pages
        for cell in tables.cells(page.read_text(encoding="utf-8"))
        if cell.method.partition(":")[0] in zoo.catalogue()
        for metric, text in zip(cell.metrics, cell.text.split(" / "), strict=True)
    ]


def test_the_tables_say_what_the_cards_say(said: list[tuple[str, str, str, str, str]]) -> None:
    """Each PSNR and SSIM of a shipped variant, wherever it stands, is the one that was recorded when it was published."""
    recorded = {}
    for name, folder in zoo.catalogue().items():
        for variant, about in open_model(folder).card.variants.items():
            for score in about.measured:
                assert score["protocol"] == "standard"
                for metric in ("psnr_y", "ssim_y"):
                    recorded[name, variant, score["set"], metric] = number(metric, score[metric])
    compared = set()
    for method, bench, metric, text, place in said:
        name, _, position = method.partition(":")
        key = (name, POSITIONS.get(position, position), bench, metric)
        if key in recorded:
            assert text == recorded[key], place
            compared.add(key)
    assert compared == set(recorded)


def test_all_tables_have_one_number_for_one_thing(said: list[tuple[str, str, str, str, str]]) -> None:
    first: dict[tuple[str, str, str], tuple[str, str]] = {}
    for method, bench, metric, text, place in said:
        earlier, where = first.setdefault((method, bench, metric), (text, place))
        assert text == earlier, f"{place}: {earlier} in {where}"
    assert {metric for _, _, metric in first} >= {"psnr_y", "vgg_distance", "lr_consistency", "niqe"}
