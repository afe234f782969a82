"""How large a result is, what its name says of it, and what cannot be asked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superfine.engine.result_size import ResultSize
from superfine.errors import UserError


@pytest.mark.parametrize(
    ("size", "result", "label", "text"),
    [
        (ResultSize(scale=4), (1200, 1600), "4x", "4 times"),
        (ResultSize(scale=1.5), (450, 600), "1.5x", "1.5 times"),
        (ResultSize(scale=2.0), (600, 800), "2x", "2 times"),
        (ResultSize(width=1920), (1440, 1920), "1920w", "to a width of 1920"),
        (ResultSize(height=1000), (1000, 1333), "1000h", "to a height of 1000"),
        (ResultSize(width=1920, height=1080), (1080, 1440), "1920x1080", "to fit 1920 × 1080"),
        (ResultSize(width=1080, height=1920), (810, 1080), "1080x1920", "to fit 1080 × 1920"),
    ],
)
def test_of_300_by_400(size: ResultSize, result: tuple[int, int], label: str, text: str) -> None:
    assert (size.of(300, 400), size.label, str(size)) == (result, label, text)


def test_a_sliver_keeps_a_pixel() -> None:
    assert ResultSize(width=10).of(1, 1000) == (1, 10)


@given(st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 10**5))
def test_the_side_that_binds_is_met_exactly(height: int, width: int, most_high: int, most_wide: int) -> None:
    assert ResultSize(width=most_wide).of(height, width)[1] == most_wide
    assert ResultSize(height=most_high).of(height, width)[0] == most_high
    rows, columns = ResultSize(width=most_wide, height=most_high).of(height, width)
    assert rows <= most_high
    assert columns <= most_wide
    assert rows == most_high or columns == most_wide


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "either --scale, or --width and --height"),
        ({"scale": 2, "width": 100}, "either --scale, or --width and --height"),
        ({"scale": 0.5}, "scale 0.5: out of range"),
        ({"scale": math.nan}, "scale nan: out of range"),
        ({"scale": math.inf}, "scale inf: out of range"),
        ({"width": 0}, "width or height 0: out of range"),
        ({"width": 10, "height": -1}, "width or height -1: out of range"),
    ],
)
def test_what_cannot_be_asked(asked: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ResultSize(**asked)  # type: ignore[arg-type]
