"""The tiling plan: covers once, one shape, and tiled equals untiled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from superfine.engine.tiles import Plan, Span, mirror, plan
from superfine.errors import UserError

sides = st.integers(1, 90)


def blur_and_enlarge(window: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """A stand-in for a network: zero-padded box sums of that radius, different in the two directions, then ×2."""
    padded = np.pad(window.astype(np.float64), ((radius, radius), (radius, radius), (0, 0)))
    height, width, _ = window.shape
    out = np.zeros(window.shape)
    for shift in range(-radius, radius + 1):
        out += (2 + shift / 50) * padded[radius + shift : radius + shift + height, radius : radius + width]
        out += (1 + shift / 70) * padded[radius : radius + height, radius + shift : radius + shift + width]
    return np.repeat(np.repeat(out, 2, axis=0), 2, axis=1).astype(np.float32)


def in_cells(window: NDArray[np.float32], radius: int, multiple: int) -> NDArray[np.float32]:
    """The same in cells of ``multiple`` × ``multiple`` pixels: each pixel sees cells, and knows its place in its own."""
    if multiple == 1:
        return blur_and_enlarge(window, radius)
    height, width, channels = window.shape
    whole = np.pad(window, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
    down, across = whole.shape[0] // multiple, whole.shape[1] // multiple
    cells = whole.reshape(down, multiple, across, multiple, channels).transpose(0, 2, 1, 3, 4).reshape(down, across, -1)
    sums = blur_and_enlarge(cells, radius // multiple)[::2, ::2].reshape(down, across, multiple, multiple, channels)
    sums = sums * np.arange(1, multiple**2 + 1, dtype=np.float32).reshape(multiple, multiple, 1)
    pixels = sums.transpose(0, 2, 1, 3, 4).reshape(whole.shape)[:height, :width]
    return np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)


def assemble(pixels: NDArray[np.float32], tiles: Plan, radius: int) -> NDArray[np.float32]:
    height, width, channels = pixels.shape
    out = np.full((2 * height, 2 * width, channels), np.nan, np.float32)
    for row in tiles.rows:
        assert tiles.row_at(row.start) == row
        for column in tiles.columns:
            window = tiles.cut(pixels, row, column)
            assert window.shape == (tiles.window_height, tiles.window_width, channels)
            result = in_cells(window, radius, tiles.multiple)
            target = out[2 * row.start : 2 * row.stop, 2 * column.start : 2 * column.stop]
            assert np.isnan(target).all(), "covered twice"
            top, left = row.start - row.window, column.start - column.window
            bottom, right = row.stop - row.window, column.stop - column.window
            target[:] = result[2 * top : 2 * bottom, 2 * left : 2 * right]
    return out


def untiled(pixels: NDArray[np.float32], radius: int, multiple: int = 1) -> NDArray[np.float32]:
    """The whole picture at once; only its last cells are filled up, by reflection."""
    height, width, _ = pixels.shape
    canvas = pixels[mirror(np.arange(height + -height % multiple), height)]
    canvas = canvas[:, mirror(np.arange(width + -width % multiple), width)]
    return in_cells(canvas, radius, multiple)[: 2 * height, : 2 * width]


@settings(max_examples=50)
@given(sides, sides, st.integers(0, 20), st.integers(16, 120), st.integers(1, 3), st.integers(0, 2**31))
def test_tiled_equals_untiled(height: int, width: int, radius: int, tile: int, multiple: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    tiles = plan(height, width, radius, tile=tile, area=0, multiple=multiple)
    np.testing.assert_allclose(assemble(pixels, tiles, radius), untiled(pixels, radius, multiple), rtol=1e-6)
    for length, side in ((height, tiles.window_height), (width, tiles.window_width)):
        assert side <= min(tile + 2 * tiles.halo, length + -length % multiple)


@settings(max_examples=50)
@given(
    sides,
    sides,
    st.integers(0, 20),
    st.integers(1, 20000),
    st.one_of(st.none(), st.integers(1, 100)),
    st.sampled_from([1, 2, 4, 7]),
)
def test_chosen_plan_covers_once_within_its_budget(
    height: int, width: int, radius: int, area: int, rows: int | None, multiple: int
) -> None:
    pixels = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    tiles = plan(height, width, radius, area=area, rows=rows, multiple=multiple)
    np.testing.assert_allclose(assemble(pixels, tiles, radius), untiled(pixels, radius, multiple), rtol=1e-6)
    smallest = 16 + -16 % multiple
    assert tiles.area <= max(area, (2 * tiles.halo + 2 * smallest) ** 2)
    assert tiles.halo < radius + multiple
    if rows:
        lowest = height if height <= 2 * tiles.halo + smallest else tiles.halo + smallest
        assert max(row.stop - row.start for row in tiles.rows) <= max(rows, lowest)


@given(sides, sides, st.integers(0, 20), st.integers(16, 120), st.sampled_from([1, 2, 7]))
def test_windows_begin_and_end_at_multiples(height: int, width: int, halo: int, tile: int, multiple: int) -> None:
    tiles = plan(height, width, halo, tile=tile, area=0, multiple=multiple)
    assert [side % multiple for side in (tiles.window_height, tiles.window_width, tiles.halo)] == [0, 0, 0]
    for spans in (tiles.rows, tiles.columns):
        assert [span.window % multiple for span in spans] == [0] * len(spans)


def test_of_a_small_picture_nothing_else_is_computed() -> None:
    for side, multiple, window in ((1, 1, 1), (5, 1, 5), (5, 2, 6), (44, 2, 44), (70, 1, 70)):
        tiles = plan(side, side, 349, area=10**6, multiple=multiple)
        assert (tiles.window_height, tiles.window_width) == (window, window)
        assert (len(tiles.rows), len(tiles.columns)) == (1, 1)


@given(sides, sides, st.integers(0, 20), st.sampled_from([1, 2, 7]))
def test_halving(height: int, width: int, halo: int, multiple: int) -> None:
    tiles = plan(height, width, halo, area=10**6, multiple=multiple)
    areas = [tiles.area]
    while smaller := tiles.halved():
        tiles = smaller
        areas.append(tiles.area)
        assert (tiles.window_height % multiple, tiles.window_width % multiple) == (0, 0)
        assert [row.stop for row in tiles.rows][-1] == height
    assert areas == sorted(set(areas), reverse=True)
    assert max(tiles.window_height, tiles.window_width) <= 2 * tiles.halo + 16 + multiple


@pytest.mark.parametrize("multiple", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(3, 5000), (5000, 3), (1, 1)])
def test_strips_and_a_single_pixel(height: int, width: int, multiple: int) -> None:
    pixels = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    for tile in (16, 301, 10_000):
        tiled = assemble(pixels, plan(height, width, 18, tile=tile, area=0, multiple=multiple), 18)
        np.testing.assert_allclose(tiled, untiled(pixels, 18, multiple), rtol=1e-6)


@given(st.integers(2, 9), st.integers(0, 40))
def test_mirror_is_numpys_reflection(length: int, radius: int) -> None:
    expected = np.pad(np.arange(length), radius, mode="reflect")
    np.testing.assert_array_equal(mirror(np.arange(-radius, length + radius), length), expected)


def test_the_grid_that_is_done_soonest() -> None:
    """Little halo, but several strips, so that most of the encoding happens beside the computing."""
    for area in (300_000, 2_000_000):
        tiles = plan(1000, 1000, 18, area=area)
        assert tiles.work < 1.2
        assert len(tiles.rows) >= 3
    assert len(plan(200, 200, 18, area=300_000).rows) <= 2


def test_planning_a_tall_picture_does_not_make_every_span_of_every_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are many millions for a scanned strip, and took a minute."""
    made = 0

    def counted(window: int, start: int, stop: int) -> Span:
        nonlocal made
        made += 1
        return Span(window, start, stop)

    monkeypatch.setattr("superfine.engine.tiles.Span", counted)
    plan(8000, 300, 18, area=300_000, rows=1000)
    assert made <= 8000 / 18 + 1


@given(sides, st.integers(0, 20), st.integers(16, 120), st.sampled_from([1, 2, 7]))
def test_the_work_and_the_last_row_are_those_of_the_spans(side: int, halo: int, tile: int, multiple: int) -> None:
    tiles = plan(side, side + 1, halo, tile=tile, area=0, multiple=multiple)
    assert tiles.work == len(tiles.rows) * len(tiles.columns) * tiles.area / (side * (side + 1))
    assert tiles.last == tiles.rows[-1].stop - tiles.rows[-1].start


def test_a_picture_too_wide_for_a_row_of_the_budget() -> None:
    assert max(row.stop - row.start for row in plan(90, 3000, 2, area=10**6, rows=0).rows) <= 18


def test_equal_tiles_rather_than_a_sliver() -> None:
    tiles = plan(260, 650, 18, tile=256, area=0)
    assert (tiles.window_height, tiles.window_width) == (260, 36 + 205)


def test_tiny_tile_is_refused() -> None:
    with pytest.raises(UserError, match="tile 8: too small; give 16 or more"):
        plan(100, 100, 18, tile=8, area=0)
