"""Enlarging as a whole: tiled equals untiled, alpha, overflow, strips, and errors."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import superfine
from superfine.engine import tiles
from superfine.engine import upscale as module
from superfine.engine.backends.openvino import OpenVino
from superfine.errors import UserError

LEVEL = 1 / 255


@pytest.fixture(scope="session")
def model(compact: Path) -> superfine.Model:
    return superfine.load(compact, device="cpu")


@pytest.fixture(scope="session")
def exact_model(compact: Path) -> superfine.Model:
    loaded = superfine.load(compact, device="cpu")
    loaded.backend = loaded.backend.in_float32()
    return loaded


def untiled(model: superfine.Model, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same canvas in one piece, without any of the tiling code."""
    radius, s = model.card.radius, model.scale
    height, width, _ = pixels.shape
    canvas = pixels
    for axis, side in ((0, height), (1, width)):
        pad = [(0, 0)] * 3
        pad[axis] = (radius, radius)
        canvas = np.pad(canvas, pad, mode="reflect" if side > 1 else "edge")
    output = model.backend.run(canvas[None])[0]
    return output[s * radius : s * (radius + height), s * radius : s * (radius + width)].copy()


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(16, 80), st.integers(0, 2**31))
def test_tiled_equals_untiled(
    model: superfine.Model, exact_model: superfine.Model, height: int, width: int, tile: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    np.testing.assert_allclose(
        exact_model.upscale(pixels, tile=tile), untiled(exact_model, pixels).clip(0, 1), atol=1e-5
    )
    np.testing.assert_allclose(model.upscale(pixels, tile=tile), untiled(model, pixels).clip(0, 1), atol=LEVEL)


@pytest.mark.parametrize("shape", [(3, 1500), (1500, 3), (1, 1), (1, 40)])
def test_slivers(exact_model: superfine.Model, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).random((*shape, 3), dtype=np.float32)
    for tile in (None, 64):
        np.testing.assert_allclose(
            exact_model.upscale(pixels, tile=tile), untiled(exact_model, pixels).clip(0, 1), atol=1e-5
        )


def test_paper_network_tiled_equals_untiled(srresnet: Path) -> None:
    model = superfine.load(srresnet, device="cpu")
    pixels = np.random.default_rng(1).random((50, 70, 3), dtype=np.float32)
    np.testing.assert_allclose(model.upscale(pixels, tile=32), untiled(model, pixels).clip(0, 1), atol=LEVEL)
    model.backend = model.backend.in_float32()
    np.testing.assert_allclose(model.upscale(pixels, tile=32), untiled(model, pixels).clip(0, 1), atol=2e-5)


def test_torch_agrees_with_openvino(compact: Path, exact_model: superfine.Model) -> None:
    model = superfine.load(compact, device="torch:cpu")
    model.backend = model.backend.in_float32()
    pixels = np.random.default_rng(1).random((40, 30, 3), dtype=np.float32)
    np.testing.assert_allclose(model.upscale(pixels, tile=20), exact_model.upscale(pixels), atol=1e-5)


def test_strips_come_in_order_and_are_not_reused(model: superfine.Model) -> None:
    pixels = np.random.default_rng(2).random((100, 40, 3), dtype=np.float32)
    strips = list(model.strips(pixels, tile=32))
    assert len(strips) == 4
    np.testing.assert_array_equal(np.concatenate(strips), model.upscale(pixels, tile=32))


@pytest.mark.parametrize("channels", [3, 4])
def test_rounded_strips_are_the_nearest_levels(model: superfine.Model, channels: int) -> None:
    pixels = np.random.default_rng(2).random((100, 40, channels), dtype=np.float32)
    rounded = np.concatenate(list(model.strips(pixels, tile=32, rounded=True)))
    assert rounded.dtype == np.uint8
    np.testing.assert_array_equal(rounded, np.rint(model.upscale(pixels, tile=32) * 255))


def test_strips_are_computed_when_asked_for(model: superfine.Model) -> None:
    seen: list[tuple[int, int]] = []
    strips = model.strips(np.ones((100, 50, 3), np.float32), tile=25, progress=lambda *pair: seen.append(pair))
    assert seen == []
    next(strips)
    assert seen == [(625, 5000), (1250, 5000)]
    list(strips)
    assert seen[-1] == (5000, 5000)


def test_wide_pictures_come_in_low_strips(model: superfine.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRIP_BYTES", 400 * 16 * 3 * 4 * 20)
    strips = list(model.strips(np.ones((200, 400, 3), np.float32)))
    assert len(strips) == 10
    assert {strip.shape for strip in strips} == {(80, 1600, 3)}


def test_constant_alpha_stays_exactly_that(model: superfine.Model) -> None:
    pixels = np.random.default_rng(3).random((20, 30, 4), dtype=np.float32)
    pixels[..., 3] = np.float32(100 / 255)
    output = model.upscale(pixels)
    assert output.shape == (80, 120, 4)
    np.testing.assert_array_equal(output[..., 3], np.float32(100 / 255))
    np.testing.assert_array_equal(output[..., :3], model.upscale(pixels[..., :3]))


def test_alpha_goes_through_the_network(exact_model: superfine.Model) -> None:
    pixels = np.random.default_rng(4).random((20, 30, 4), dtype=np.float32)
    grey = untiled(exact_model, np.repeat(pixels[..., 3:], 3, axis=2)).mean(axis=2).clip(0, 1)
    np.testing.assert_allclose(exact_model.upscale(pixels)[..., 3], grey, atol=1e-5)


def test_hidden_colour_does_not_reach_the_visible_edge(exact_model: superfine.Model) -> None:
    pixels = np.ones((24, 24, 4), np.float32)
    pixels[:, 12:, 3] = 0
    hidden = pixels.copy()
    hidden[:, 12:, :3] = 0
    np.testing.assert_array_equal(exact_model.upscale(hidden), exact_model.upscale(pixels))


def test_a_card_of_another_scale_is_found_out(model: superfine.Model) -> None:
    other = superfine.Model(replace(model.card, scale=3), model.backend)
    with pytest.raises(UserError, match="not 3 times as large"):
        other.upscale(np.zeros((5, 6, 3), np.float32))


class Overflowing:
    """A backend in half precision which fails wherever the picture is bright, as a network in float16 does."""

    name, device, precision, area = "test", "CPU", "f16", 10_000

    def __init__(self, inner: OpenVino, poison: float) -> None:
        self.inner = inner
        self.poison = poison

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        output = self.inner.run(windows).copy()
        if windows.max() > 0.9:
            output[0, 5, 5, 1] = self.poison
        return output

    def in_float32(self) -> OpenVino:
        return self.inner


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 16.0, -16.0])
def test_overflow_is_computed_again_and_said(exact_model: superfine.Model, poison: float) -> None:
    inner = exact_model.backend
    assert isinstance(inner, OpenVino)
    model = superfine.Model(exact_model.card, Overflowing(inner, poison))
    pixels = np.full((64, 32, 3), 0.25, np.float32)
    pixels[40, 10] = 1
    said: list[str] = []
    output = np.concatenate(list(model.strips(pixels, tile=32, notice=said.append)))
    np.testing.assert_array_equal(output, exact_model.upscale(pixels, tile=32))
    assert said == ["a tile overflowed in f16 and was computed again in float32"]
    with pytest.warns(UserWarning, match="a tile overflowed in f16"):
        model.upscale(pixels, tile=32)


def test_what_is_not_finite_in_float32_is_an_error(exact_model: superfine.Model) -> None:
    pixels = np.full((20, 20, 3), np.nan, np.float32)
    with pytest.raises(UserError, match="not finite, even in float32"):
        exact_model.upscale(pixels)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), "uint8, not float32"),
        (np.zeros((4, 4), np.float32), r"shape \(4, 4\)"),
        (np.zeros((0, 4, 3), np.float32), r"shape \(0, 4, 3\)"),
        ([[0.0]], "list, not float32"),
    ],
)
def test_wrong_pixels_are_refused_at_once(model: superfine.Model, pixels: NDArray[np.float32], message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.strips(pixels)


def test_small_tile_is_refused_at_once(model: superfine.Model) -> None:
    with pytest.raises(UserError, match="tile 0: too small"):
        model.strips(np.zeros((40, 40, 3), np.float32), tile=0)


def test_dial_between_the_variants(compact: Path) -> None:
    pixels = np.random.default_rng(5).random((16, 16, 3), dtype=np.float32)
    ends = [superfine.load(compact, device="cpu", dial=dial).upscale(pixels) for dial in (0, 0.5, 1, "texture")]
    np.testing.assert_array_equal(ends[2], ends[3])
    assert np.abs(ends[0] - ends[1]).max() > 0.01
    assert np.abs(ends[1] - ends[2]).max() > 0.01


def test_the_package_imports_no_engine_until_it_is_used() -> None:
    code = "import sys, superfine; assert not {'openvino', 'torch', 'numpy'} & set(sys.modules); superfine.load"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_model_says_what_there_is() -> None:
    with pytest.raises(UserError, match=r"wonder-x9: no bundled model .*compact-x4"):
        superfine.load("wonder-x9")


def test_least_work_for_a_photograph(model: superfine.Model) -> None:
    assert tiles.plan(1024, 1024, 18, area=model.backend.area).work < 1.2
