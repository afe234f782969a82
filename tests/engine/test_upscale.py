"""Enlarging as a whole: tiled equals untiled, alpha, overflow, strips, and errors."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import superfine
from superfine import modelfile
from superfine.engine import tiles
from superfine.engine import upscale as module
from superfine.engine.backends import Backend
from superfine.engine.backends.openvino import OpenVino
from superfine.engine.self_ensemble import SelfEnsemble
from superfine.errors import UserError
from superfine.images import imresize

LEVEL = 1 / 255


@pytest.fixture(scope="session")
def model(compact: Path) -> superfine.Model:
    return superfine.load(compact, device="cpu")


@pytest.fixture(scope="session")
def exact_model(compact: Path) -> superfine.Model:
    loaded = superfine.load(compact, device="cpu")
    loaded.backend = loaded.backend.in_float32()
    return loaded


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_a_card_can_ask_for_float32(srcnn: Path, compact: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    original = module.open_backend
    monkeypatch.setattr(module, "open_backend", lambda *given: opened.append(original(*given)) or opened[-1])
    precise, other = superfine.load(srcnn, device=device), superfine.load(compact, device=device)
    assert (precise.card.precision, precise.backend.precision) == ("f32", "f32")
    assert precise.backend is not opened[0]
    assert (other.card.precision, other.backend) == ("auto", opened[1])


def untiled(model: superfine.Model, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture in one piece, without any of the tiling code; only its last cells are filled up, by reflection."""
    height, width, _ = pixels.shape
    canvas = pixels
    for axis, side in ((0, height), (1, width)):
        pad = [(0, 0)] * 3
        pad[axis] = (0, -side % model.card.multiple)
        canvas = np.pad(canvas, pad, mode="reflect" if side > 1 else "edge")
    return model.backend.run(canvas[None])[0][: model.scale * height, : model.scale * width].copy()


@settings(max_examples=10)
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
    pixels = np.random.default_rng(1).random((50, 150, 3), dtype=np.float32)
    np.testing.assert_allclose(model.upscale(pixels, tile=32), untiled(model, pixels).clip(0, 1), atol=LEVEL)
    model.backend = model.backend.in_float32()
    np.testing.assert_allclose(model.upscale(pixels, tile=32), untiled(model, pixels).clip(0, 1), atol=2e-5)


@pytest.fixture(scope="session", params=["cpu", "torch:cpu"])
def twofold_model(twofold: Path, request: pytest.FixtureRequest) -> superfine.Model:
    loaded = superfine.load(twofold, device=request.param)
    loaded.backend = loaded.backend.in_float32()
    return loaded


@pytest.mark.parametrize("shape", [(37, 53), (1, 1), (3, 101), (101, 3)])
def test_cells_of_a_twofold_network_stay_whole(twofold_model: superfine.Model, shape: tuple[int, int]) -> None:
    """Tiles that began at odd pixels had seams of up to 0.9."""
    pixels = np.random.default_rng(1).random((*shape, 3), dtype=np.float32)
    truth = untiled(twofold_model, pixels).clip(0, 1)
    assert max(shape) < 40 or truth.std() > 0.05
    for tile in (None, 17, 31):
        np.testing.assert_allclose(twofold_model.upscale(pixels, tile=tile), truth, atol=2e-5)


def test_torch_agrees_with_openvino(compact: Path, exact_model: superfine.Model) -> None:
    model = superfine.load(compact, device="torch:cpu")
    model.backend = model.backend.in_float32()
    pixels = np.random.default_rng(1).random((40, 30, 3), dtype=np.float32)
    np.testing.assert_allclose(model.upscale(pixels, tile=20), exact_model.upscale(pixels), atol=1e-5)


def test_strips_come_in_order_and_are_not_reused(model: superfine.Model) -> None:
    pixels = np.random.default_rng(2).random((100, 40, 3), dtype=np.float32)
    strips = list(model.strips(pixels, tile=32))
    assert len(strips) == 3
    np.testing.assert_array_equal(np.concatenate(strips), model.upscale(pixels, tile=32))


@pytest.mark.parametrize("channels", [3, 4])
def test_rounded_strips_are_the_nearest_levels(model: superfine.Model, channels: int) -> None:
    pixels = np.random.default_rng(2).random((100, 40, channels), dtype=np.float32)
    rounded = np.concatenate(list(model.strips(pixels, tile=32, rounded=True)))
    assert rounded.dtype == np.uint8
    np.testing.assert_array_equal(rounded, np.rint(model.upscale(pixels, tile=32) * 255))


@pytest.mark.parametrize(("channels", "size"), [(3, (200, 81)), (4, (777, 310)), (3, (100, 40)), (3, (400, 160))])
def test_a_result_of_any_size(model: superfine.Model, channels: int, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).random((100, 40, channels), dtype=np.float32)
    result = model.upscale(pixels, size=size, tile=32)
    assert result.shape == (*size, channels)
    assert result.dtype == np.float32
    assert 0 <= result.min() < result.max() <= 1
    expected = imresize(model.upscale(pixels), size=size).clip(0, 1)
    np.testing.assert_allclose(result, expected, atol=LEVEL)
    rounded = np.concatenate(list(model.strips(pixels, size=size, tile=32, rounded=True)))
    assert rounded.dtype == np.uint8
    np.testing.assert_array_equal(rounded, np.rint(result * 255))


def test_a_size_below_one_is_refused(model: superfine.Model) -> None:
    with pytest.raises(UserError, match=r"size \(0, 3\): height and width of the result are at least 1"):
        model.strips(np.ones((4, 4, 3), np.float32), size=(0, 3))


def test_strips_are_computed_when_asked_for(model: superfine.Model) -> None:
    seen: list[tuple[int, int]] = []
    strips = model.strips(np.ones((100, 50, 3), np.float32), tile=25, progress=lambda *pair: seen.append(pair))
    assert seen == []
    next(strips)
    rows = 25 + 2
    assert seen == [(rows * 25, 5000), (rows * 50, 5000)]
    list(strips)
    assert seen[-1] == (5000, 5000)


def test_wide_pictures_come_in_low_strips(model: superfine.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRIP_BYTES", 400 * 16 * 3 * 4 * 20)
    strips = list(model.strips(np.ones((200, 400, 3), np.float32)))
    assert len(strips) > 8
    assert {strip.shape[1:] for strip in strips} == {(1600, 3)}
    assert sum(len(strip) for strip in strips) == 800
    assert max(len(strip) for strip in strips) <= 4 * 24


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


def test_alpha_stays_what_it_is_away_from_what_changes(model: superfine.Model) -> None:
    """In whatever tile that is."""
    pixels = np.random.default_rng(5).random((40, 60, 4), dtype=np.float32)
    pixels[..., 3] = 1
    pixels[4:6, 4:6, 3] = 0
    for tile in (None, 16):
        alpha = model.upscale(pixels, tile=tile)[..., 3]
        far = np.ones(alpha.shape, bool)
        far[: 8 * 4, : 8 * 4] = False
        assert (alpha[far] == 1).all()
        assert alpha[4 * 4 : 6 * 4, 4 * 4 : 6 * 4].min() < 1


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

    name, device, precision, area, callers = "test", "CPU", "f16", 10_000, 1

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
@pytest.mark.parametrize("ensemble", [False, True])
def test_overflow_is_computed_again_and_said(exact_model: superfine.Model, poison: float, ensemble: bool) -> None:
    inner = exact_model.backend
    assert isinstance(inner, OpenVino)
    backend: Backend = Overflowing(inner, poison)
    if ensemble:
        backend, exact_model = SelfEnsemble(backend), superfine.Model(exact_model.card, SelfEnsemble(inner))
    model = superfine.Model(exact_model.card, backend)
    pixels = np.full((64, 32, 3), 0.25, np.float32)
    pixels[::40, 10] = 1
    said: list[str] = []
    output = np.concatenate(list(model.strips(pixels, tile=32, notice=said.append)))
    np.testing.assert_array_equal(output, exact_model.upscale(pixels, tile=32))
    # Once for the picture, though for two tiles.
    assert said == ["tiles overflowed in f16 and were computed again in float32"]
    with pytest.warns(UserWarning, match="tiles overflowed in f16"):
        model.upscale(pixels, tile=32)


class Small:
    """A backend whose memory ends at some number of pixels."""

    name, device, precision, area, callers = "test", "GPU", "f32", 10_000, 1

    def __init__(self, inner: Backend, most: int) -> None:
        self.inner = inner
        self.most = most
        self.refused = 0

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        if windows[..., 0].size > self.most:
            self.refused += 1
            raise MemoryError
        return self.inner.run(windows)

    def in_float32(self) -> Backend:
        return self.inner.in_float32()


@pytest.mark.parametrize(
    ("channels", "tile", "ensemble"), [(3, None, False), (3, 40, True), (4, None, True), (4, 40, False)]
)
def test_without_memory_the_tile_is_halved(twofold: Path, channels: int, tile: int | None, ensemble: bool) -> None:
    model = superfine.load(twofold, device="cpu")
    inner = model.backend.in_float32()
    model.backend = SelfEnsemble(inner) if ensemble else inner
    pixels = np.random.default_rng(1).random((123, 131, channels), dtype=np.float32)
    truth = model.upscale(pixels)
    # The halo is 38 pixels: a core of 20 × 20 fits, one of 40 × 20 does not.
    small = Small(inner, (20 + 76) ** 2)
    model.backend = SelfEnsemble(small) if ensemble else small
    said: list[str] = []
    strips = list(model.strips(pixels, tile=tile, notice=said.append))
    np.testing.assert_allclose(np.concatenate(strips), truth, atol=2e-5)
    assert said
    for sentence in said:
        assert re.fullmatch(r"GPU has no memory for \d+ × \d+ pixels at once; going on with \d+ × \d+", sentence)
    # The next picture is spared the attempt.
    refused, small.refused = small.refused, 0
    next(model.strips(pixels, tile=tile))
    assert refused > 0
    assert small.refused == 0


def test_memory_may_end_in_the_middle_of_a_picture(exact_model: superfine.Model) -> None:
    """What is finished by then stays; pixels are told no more often than there are."""
    small = Small(exact_model.backend, 10**6)
    model = superfine.Model(exact_model.card, small)
    pixels = np.random.default_rng(1).random((100, 70, 3), dtype=np.float32)
    shown: list[tuple[int, int]] = []
    strips = model.strips(pixels, tile=50, progress=lambda *pair: shown.append(pair), notice=lambda text: None)
    first = next(strips)
    small.most = (25 + 2 * model.card.radius) ** 2
    rest = list(strips)
    assert len(first) == 200
    assert len(rest) > 1
    np.testing.assert_allclose(np.concatenate([first, *rest]), exact_model.upscale(pixels), atol=1e-5)
    assert shown[-1] == (7000, 7000)
    assert max(done for done, _ in shown) == 7000


def test_memory_for_no_tile_at_all_is_an_error(exact_model: superfine.Model) -> None:
    model = superfine.Model(exact_model.card, Small(exact_model.backend, 9))
    pixels = np.ones((40, 40, 3), np.float32)
    with pytest.raises(UserError, match=r"device GPU: no memory for \d+ × \d+ pixels.*use another --device"):
        list(model.strips(pixels, notice=lambda text: None))


def test_what_is_not_finite_in_float32_is_an_error(exact_model: superfine.Model) -> None:
    pixels = np.full((20, 20, 3), np.nan, np.float32)
    with pytest.raises(UserError, match=r"not finite or far outside .* even in float32"):
        exact_model.upscale(pixels)


def test_levels_as_float32_are_an_error_that_says_so(exact_model: superfine.Model) -> None:
    pixels = np.full((20, 20, 3), 200, np.float32)
    with pytest.raises(
        UserError, match=r"far outside \[0,1\], even in float32; check .* that the pixels are in \[0,1\]"
    ):
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


def test_several_callers_at_once_get_what_one_gets(compact: Path) -> None:
    rng = np.random.default_rng(6)
    pictures = [rng.random((20 + 4 * (i % 3), 24, 3), dtype=np.float32) for i in range(24)]
    alone, shared = superfine.load(compact, device="cpu"), superfine.load(compact, device="cpu", callers=4)
    assert (alone.backend.callers, shared.backend.callers) == (1, 4)
    expected = [alone.upscale(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(shared.upscale, pictures))
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert superfine.load(compact, device="torch:cpu", callers=4).backend.callers == 1


def test_dial_between_the_variants(compact: Path) -> None:
    pixels = np.random.default_rng(5).random((16, 16, 3), dtype=np.float32)
    ends = [superfine.load(compact, device="cpu", dial=dial).upscale(pixels) for dial in (0, 0.5, 1, "texture")]
    np.testing.assert_array_equal(ends[2], ends[3])
    assert np.abs(ends[0] - ends[1]).max() > 0.01
    assert np.abs(ends[1] - ends[2]).max() > 0.01


def test_the_card_says_where_the_dial_stands(compact: Path, tmp_path: Path) -> None:
    folder = modelfile.open_model(compact)
    weights = {name: folder.weights(name) for name in folder.card.variants}
    card = replace(folder.card, dial="0.25")
    textured = modelfile.write_model(tmp_path / "model", card, folder.read(modelfile.GRAPH), weights).path
    pixels = np.random.default_rng(5).random((16, 16, 3), dtype=np.float32)
    chosen, asked = (superfine.load(textured, device="cpu", **dial) for dial in ({}, {"dial": 0.25}))
    assert (chosen.dial, superfine.load(compact, device="cpu").dial) == (0.25, 0.0)
    np.testing.assert_array_equal(chosen.upscale(pixels), asked.upscale(pixels))


def test_the_package_imports_no_engine_until_it_is_used() -> None:
    code = "import sys, superfine; assert not {'openvino', 'torch', 'numpy'} & set(sys.modules); superfine.load"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_model_says_what_there_is() -> None:
    with pytest.raises(UserError, match=r"wonder-x9: no bundled model .*compact-x4"):
        superfine.load("wonder-x9")


def test_least_work_for_a_photograph(model: superfine.Model) -> None:
    assert tiles.plan(1024, 1024, 18, area=model.backend.area).work < 1.2
