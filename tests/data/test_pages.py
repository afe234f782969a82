"""Pages of text and drawings: the same for a seed, different for each number, and with writing on them."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from superfine.data.pages import FONTS, fonts_are_there, page, pages, render
from superfine.errors import UserError
from superfine.images import read

SVG = "{http://www.w3.org/2000/svg}"


def test_a_page_depends_on_seed_and_number_alone() -> None:
    first = page(1, 0, side=256, fonts=FONTS)
    assert first == page(1, 0, side=256, fonts=FONTS)
    assert len({first, page(1, 1, side=256, fonts=FONTS), page(2, 0, side=256, fonts=FONTS)}) == 3


def test_pages_hold_every_kind_of_thing() -> None:
    found: set[str] = set()
    fonts: set[str] = set()
    for number in range(12):
        tree = ElementTree.fromstring(page(3, number, side=512, fonts=("A & 'B' \"C\"", "D")))
        found |= {element.tag.removeprefix(SVG) for element in tree.iter()}
        fonts |= {element.get("font-family", "") for element in tree.iter(f"{SVG}text")}
        assert all(element.text for element in tree.iter(f"{SVG}text") if element.text is not None)
    assert {"text", "line", "rect", "circle", "path", "polygon"} <= found
    assert fonts == {"A & 'B' \"C\"", "D"}


needs_fonts = pytest.mark.skipif(not fonts_are_there(), reason="needs a font on this machine")


@needs_fonts
def test_the_text_is_drawn() -> None:
    words = '<text x="4" y="30" font-size="28" font-family="serif" fill="rgb(200,0,0)">Hm</text>'
    picture = render(f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="40">{words}</svg>')
    assert picture.shape == (40, 64, 3)
    assert picture.dtype == np.float32
    assert picture[-1, -1].tolist() == [1, 1, 1]
    red = (picture[..., 0] > 0.7) & (picture[..., 1] < 0.1)
    assert 40 < red.sum() < 700


@needs_fonts
def test_writes_pages_that_differ(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    pages(tmp_path / "a", count=3, side=96, seed=5, progress=lambda k, n: done.append((k, n)))
    files = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in files] == ["page-5-0000.png", "page-5-0001.png", "page-5-0002.png"]
    assert done == [(1, 3), (2, 3), (3, 3)]
    pictures = [read(file).pixels for file in files]
    assert all(picture.shape == (96, 96, 3) and picture.std() > 0.02 for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.mark.skipif(sys.platform != "linux", reason="fonts are fontconfig's on Linux alone")
def test_a_machine_without_fonts_is_one_line(tmp_path: Path) -> None:
    """Instead of pages of boxes."""
    (tmp_path / "none").mkdir()
    config = f"<fontconfig><dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    (tmp_path / "fonts.conf").write_text(config)
    done = subprocess.run(
        [sys.executable, "-m", "superfine", "data", "pages", "-o", tmp_path / "pages", "--count", "1", "--side", "96"],
        env=os.environ | {"FONTCONFIG_FILE": str(tmp_path / "fonts.conf")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "this machine has no fonts; install some" in done.stderr
    assert not (tmp_path / "pages").exists()


@needs_fonts
def test_refuses_what_is_no_page(tmp_path: Path) -> None:
    for count, side in ((0, 100), (1, 63)):
        with pytest.raises(UserError, match="cannot be made; give at least 1"):
            pages(tmp_path, count=count, side=side, seed=1)
    with pytest.raises(UserError, match="--side 4097: is too large to be drawn in good time; give 4096 or less"):
        pages(tmp_path, count=1, side=4097, seed=1)
    with pytest.raises(UserError, match="is no name of a font; fc-list lists those of this machine"):
        pages(tmp_path, count=1, side=64, seed=1, fonts=("serif", "a\x01"))
    pages(tmp_path, count=1, side=64, seed=1, fonts=('A"B',))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/pages: cannot be made .*choose another folder"):
        pages(tmp_path / "file" / "pages", count=1, side=64, seed=1)
