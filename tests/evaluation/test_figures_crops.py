"""Which crops are chosen: the ones that were planted."""

from pathlib import Path

import numpy as np
import pytest

from superfine.errors import UserError
from superfine.evaluation.figures.crops import Box, check_crops, most_detailed, most_different, parse_box, parse_crops
from superfine.evaluation.sets import open_set


def flat(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 0.5, np.float32)


def textured(height: int, width: int, *boxes: tuple[Box, float]) -> np.ndarray:
    rng = np.random.default_rng(3)
    picture = flat(height, width)
    for box, strength in boxes:
        picture[box.slices] += strength * (rng.random((box.height, box.width, 1), np.float32) - 0.5)
    return picture


def test_the_most_detailed_crop() -> None:
    planted = Box(52, 24, 16, 12)
    picture = textured(70, 101, (Box(8, 8, 16, 12), 0.3), (planted, 0.6))
    assert most_detailed(picture, 16, 12) == planted
    picture[:, 40] = 1.0  # one hard outline is less
    assert most_detailed(picture, 16, 12) == planted


def test_among_equals_the_first() -> None:
    assert most_detailed(flat(40, 50), 16, 12) == Box(0, 0, 16, 12)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (9, 200), (200, 9), (12, 16)])
def test_small_pictures_are_shown_whole(height: int, width: int) -> None:
    box = most_detailed(np.random.default_rng(3).random((height, width, 3), np.float32), 16, 12)
    assert (box.width, box.height) == (min(16, width), min(12, height))
    assert box.x + box.width <= width
    assert box.y + box.height <= height


def test_the_last_rows_and_columns_are_reached() -> None:
    planted = Box(101 - 16, 71 - 12, 16, 12)
    assert most_detailed(textured(71, 101, (planted, 0.6)), 16, 12) == planted


def test_where_results_differ_most_and_there_is_something_to_see() -> None:
    texture, plain = Box(12, 8, 16, 16), Box(60, 40, 16, 16)
    original = textured(80, 100, (texture, 0.6))
    a, b = original.copy(), original.copy()
    a[texture.slices] += 0.1
    a[plain.slices] += 0.11
    assert most_different([a, b], original, 16, 16, border=4) == texture
    a[plain.slices] += 0.1
    b[texture.slices] += 0.08  # now they hardly differ on the texture
    a[:, 98:] += 0.2
    box = most_different([a, b, a], textured(80, 100, (texture, 0.6), (plain, 0.2)), 16, 16, border=4)
    assert box == plain


def test_the_border_is_left_out() -> None:
    original = textured(80, 100, (Box(40, 40, 16, 16), 0.5))
    different = original.copy()
    different[:4] = 0
    different[40:50, 40:50] += 0.01
    box = most_different([original, different], original, 16, 16, border=4)
    assert box.x <= 40 <= box.x + 16
    assert box.y <= 40 <= box.y + 16
    everything = most_different([original, different], original, 100, 80, border=4)
    assert everything == Box(0, 0, 100, 80)


def test_equal_results_show_the_detail() -> None:
    planted = Box(44, 24, 16, 12)
    original = textured(70, 101, (planted, 0.6))
    box = most_different([flat(70, 101), flat(70, 101)], original, 16, 12, border=4)
    assert abs(box.x - planted.x) <= 4
    assert abs(box.y - planted.y) <= 4


def test_flat_pictures_and_equal_results() -> None:
    assert most_different([flat(50, 60)], flat(50, 60), 16, 12, border=4) == Box(4, 4, 16, 12)


def test_a_box_as_text() -> None:
    assert parse_box("1,2,30,40") == Box(1, 2, 30, 40)
    assert str(Box(1, 2, 30, 40)) == "1,2,30,40"


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "1,2,-3,4", "1,2,0,4", "1.5,2,3,4", "¹,2,3,4"])
def test_what_is_no_box(text: str) -> None:
    with pytest.raises(UserError, match=f"^crop {text}: .*; give "):
        parse_box(text)


def test_crops_of_pictures_as_text() -> None:
    assert parse_crops(["Set5/baby:1,2,3,4", "A/b/c:d:5,6,7,8"]) == {
        ("Set5", "baby"): Box(1, 2, 3, 4),
        ("A", "b/c:d"): Box(5, 6, 7, 8),
    }


def test_one_crop_of_each_picture() -> None:
    with pytest.raises(UserError, match=r"^crop Set5/baby:5,6,7,8: another one of this picture is given; "):
        parse_crops(["Set5/baby:1,2,3,4", "Set5/bird:1,2,3,4", "Set5/baby:5,6,7,8"])


def test_a_crop_of_an_original_that_cannot_be_read_is_left_to_its_note(tmp_path: Path) -> None:
    (tmp_path / "bird.png").write_text("no picture")
    check_crops({(tmp_path.name, "bird"): Box(0, 0, 9, 9)}, [open_set(tmp_path, 4)])


@pytest.mark.parametrize("text", ["baby:1,2,3,4", "Set5/baby", "1,2,3,4", "/baby:1,2,3,4", "Set5/:1,2,3,4", ""])
def test_what_is_no_crop_of_a_picture(text: str) -> None:
    with pytest.raises(UserError, match=f"^crop {text}: not SET/NAME:X,Y,W,H; give "):
        parse_crops([text])
