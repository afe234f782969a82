"""The tiling plan: covers once, one shape, and tiled equals untiled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from superfine.engine.tiles import Plan, mirror, plan
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


def assemble(pixels: NDArray[np.float32], tiles: Plan, radius: int) -> NDArray[np.float32]:
    height, width, channels = pixels.shape
    out = np.full((2 * height, 2 * width, channels), np.nan, np.float32)
    for row in tiles.rows:
        for column in tiles.columns:
            window = tiles.cut(pixels, row, column)
            assert window.shape == (*tiles.window, channels)
            result = blur_and_enlarge(window, radius)
            y, x = row.first - row.start + radius, column.first - column.start + radius
            height, width = row.stop - row.first, column.stop - column.first
            target = out[2 * row.first : 2 * row.stop, 2 * column.first : 2 * column.stop]
            assert np.isnan(target).all(), "covered twice"
            target[:] = result[2 * y : 2 * (y + height), 2 * x : 2 * (x + width)]
    return out


def untiled(pixels: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    height, width, _ = pixels.shape
    canvas = pixels[mirror(np.arange(-radius, height + radius), height)]
    canvas = canvas[:, mirror(np.arange(-radius, width + radius), width)]
    return blur_and_enlarge(canvas, radius)[2 * radius : 2 * (radius + height), 2 * radius : 2 * (radius + width)]


@given(sides, sides, st.integers(0, 20), st.integers(16, 120), st.integers(0, 2**31))
def test_tiled_equals_untiled(height: int, width: int, radius: int, tile: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    tiled = assemble(pixels, plan(height, width, radius, tile=tile, area=0), radius)
    np.testing.assert_allclose(tiled, untiled(pixels, radius), rtol=1e-6)


@given(sides, sides, st.integers(0, 20), st.integers(1, 20000), st.one_of(st.none(), st.integers(1, 100)))
def test_chosen_plan_covers_once_within_its_budget(
    height: int, width: int, radius: int, area: int, rows: int | None
) -> None:
    pixels = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    tiles = plan(height, width, radius, area=area, rows=rows)
    np.testing.assert_allclose(assemble(pixels, tiles, radius), untiled(pixels, radius), rtol=1e-6)
    assert np.prod(tiles.window) <= max(area, (2 * radius + 32) ** 2)
    if rows:
        assert tiles.core_height <= max(rows, 16)


@pytest.mark.parametrize(("height", "width"), [(3, 5000), (5000, 3), (1, 1)])
def test_strips_and_a_single_pixel(height: int, width: int) -> None:
    pixels = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    for tile in (16, 300, 10_000):
        tiled = assemble(pixels, plan(height, width, 18, tile=tile, area=0), 18)
        np.testing.assert_allclose(tiled, untiled(pixels, 18), rtol=1e-6)


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


def test_equal_tiles_rather_than_a_sliver() -> None:
    tiles = plan(260, 520, 18, tile=256, area=0)
    assert (tiles.core_height, tiles.core_width) == (130, 174)


def test_tiny_tile_is_refused() -> None:
    with pytest.raises(UserError, match="tile 8: too small; give 16 or more"):
        plan(100, 100, 18, tile=8, area=0)
