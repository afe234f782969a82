"""imresize against a slow reference, against published pictures, and NumPy against torch."""

from collections.abc import Iterator
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from superfine.images import imresize, imresize_strips, imresize_tensor, read

torch = pytest.importorskip("torch")

Doubles = NDArray[np.float64]


def cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x <= 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def slow_row(row: Doubles, size: int, scale: float, antialias: bool, padding: str) -> Doubles:
    """The definition, pixel by pixel, with 1-based positions as MATLAB counts them."""
    stretch = min(scale, 1.0) if antialias else 1.0
    n = len(row)
    out = []
    for x in range(1, size + 1):
        u = x / scale + 0.5 * (1 - 1 / scale)
        reach = ceil(2 / stretch) + 1
        total, weight = 0.0, 0.0
        for position in range(floor(u) - reach, floor(u) + reach + 1):
            w = cubic((u - position) * stretch)
            p = position - 1
            if padding == "symmetric":
                p %= 2 * n
                p = p if p < n else 2 * n - 1 - p
            total += w * row[min(max(p, 0), n - 1)]
            weight += w
        out.append(total / weight)
    return np.array(out)


def test_nearest_takes_pixels_as_they_are() -> None:
    """MATLAB widens every kernel but this one when it shrinks."""
    picture = np.arange(16, dtype=np.float32).reshape(4, 4)
    # The centre of each 2×2 lies between pixels; −½ ≤ x < ½ holds for the lower right one.
    small = imresize(picture, scale=0.5, kernel="nearest")
    np.testing.assert_array_equal(small, picture[1::2, 1::2])
    assert torch.equal(imresize_tensor(torch.from_numpy(picture), scale=0.5, kernel="nearest"), torch.from_numpy(small))
    wide = imresize(picture, scale=0.5, kernel="nearest", antialias=True)
    np.testing.assert_array_equal(wide, [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(imresize(picture, scale=0.5), imresize(picture, scale=0.5, antialias=True))


@settings(max_examples=60)
@given(
    height=st.integers(1, 23),
    width=st.integers(1, 23),
    scale=st.sampled_from([0.25, 0.5, 1 / 3, 0.3, 0.77, 1.0, 1.5, 2.0, 3.0, 4.0]),
    antialias=st.booleans(),
    padding=st.sampled_from(["edge", "symmetric"]),
    seed=st.integers(0, 1000),
)
def test_equals_the_slow_reference(
    height: int, width: int, scale: float, antialias: bool, padding: str, seed: int
) -> None:
    image = np.random.default_rng(seed).random((height, width))
    h, w = (max(1, ceil(round(scale * length, 9))) for length in image.shape)
    columns = np.stack([slow_row(column, h, scale, antialias, padding) for column in image.T], 1)
    expected = np.stack([slow_row(row, w, scale, antialias, padding) for row in columns])
    result = imresize(image, scale=scale, antialias=antialias, padding=padding)
    np.testing.assert_allclose(result, expected, atol=1e-12)
    tensor = imresize_tensor(torch.from_numpy(image)[None], scale=scale, antialias=antialias, padding=padding)
    np.testing.assert_allclose(tensor[0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_makes_the_published_low_resolution_pictures_bit_for_bit(shared: Path, name: str) -> None:
    folder = shared / "data" / "benchmarks" / name
    compared = 0
    for twin in sorted((folder / "LRbicx4").iterdir()):
        hr = read(next((folder / "HR").glob(f"{twin.stem.removesuffix('x4')}.*"))).pixels
        lr = np.rint(read(twin).pixels * 255).astype(np.uint8)
        np.testing.assert_array_equal(imresize(np.rint(hr * 255).astype(np.uint8), scale=0.25), lr)
        compared += 1
    assert compared >= 5


@settings(max_examples=60)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 9),
    rows=st.integers(1, 400),
    columns=st.integers(1, 20),
    cuts=st.lists(st.integers(0, 400), max_size=5),
    seed=st.integers(0, 1000),
)
def test_strips_equal_the_whole(height: int, width: int, rows: int, columns: int, cuts: list[int], seed: int) -> None:
    image = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    strips = np.split(image, sorted(min(cut, height) for cut in cuts))
    result = list(imresize_strips(strips, height=height, width=width, size=(rows, columns)))
    assert max(len(strip) for strip in result) <= 64
    np.testing.assert_allclose(np.concatenate(result), imresize(image, size=(rows, columns)), atol=1e-5)


def test_strips_are_taken_as_they_are_needed() -> None:
    """Of 100 strips shrunk to half, a block of the result needs what it looks at and no more."""
    taken = []

    def strips() -> Iterator[NDArray[np.float32]]:
        for number in range(100):
            taken.append(number)
            yield np.ones((10, 4, 3), np.float32)

    resized = imresize_strips(strips(), height=1000, width=4, size=(500, 2))
    next(resized)
    assert len(taken) == 14  # 64 rows look at 128, and at 3 more below


def test_strips_that_do_not_fit_are_refused() -> None:
    strip = np.ones((5, 4, 3), np.float32)
    for strips, height, width in (([strip], 6, 4), ([strip, strip], 9, 4), ([strip], 5, 3)):
        with pytest.raises(ValueError, match="strip"):
            list(imresize_strips(strips, height=height, width=width, size=(3, 3)))


def test_size_gives_each_axis_its_own_factor() -> None:
    image = np.random.default_rng(0).random((12, 20, 3))
    result = imresize(image, size=(7, 31))
    assert result.shape == (7, 31, 3)
    rows = np.stack([slow_row(column, 7, 7 / 12, True, "edge") for column in image[..., 1].T], 1)
    np.testing.assert_allclose(result[..., 1], [slow_row(row, 31, 31 / 20, True, "edge") for row in rows], atol=1e-12)


def test_integers_are_rounded_halves_up_and_clipped() -> None:
    steps = np.array([[0, 0, 0, 255, 255, 255]], np.uint8).repeat(4, 0)
    result = imresize(steps, scale=4.0)
    assert result.dtype == np.uint8
    assert result.min() == 0, "the undershoot beside the step would wrap to large values"
    assert result.max() == 255
    half = np.array([[0, 1]], np.uint8).repeat(2, 0)
    assert imresize(half, size=(1, 1), kernel="bilinear").tolist() == [[1]]


def test_a_constant_stays_constant_at_any_factor() -> None:
    for kernel in ("nearest", "bilinear", "bicubic"):
        for scale in (0.1, 0.37, 2.6):
            result = imresize(np.full((31, 17, 3), 0.25, np.float32), scale=scale, kernel=kernel)
            np.testing.assert_allclose(result, 0.25, atol=1e-6)


def test_nearest_repeats_pixels_and_bilinear_antialiases() -> None:
    image = np.random.default_rng(1).random((5, 6))
    np.testing.assert_array_equal(imresize(image, scale=4.0, kernel="nearest"), image.repeat(4, 0).repeat(4, 1))
    checker = np.indices((16, 16)).sum(0) % 2.0
    assert np.ptp(imresize(checker, scale=0.5, kernel="bilinear")[1:-1, 1:-1]) < 1e-12
    assert np.ptp(imresize(np.eye(16), scale=0.5, antialias=False)) > 0.4


def test_tensor_is_differentiable_and_keeps_its_dtype() -> None:
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: imresize_tensor(t, scale=0.5), x)
    assert imresize_tensor(torch.rand(1, 3, 8, 8), scale=2.0).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either scale or size"),
        ({"scale": 2.0, "size": (3, 3)}, "either scale or size"),
        ({"scale": 0.0}, "positive"),
        ({"scale": float("inf")}, "positive and finite"),
        ({"size": (0, 3)}, "at least 1 pixel"),
        ({"scale": 2.0, "kernel": "lanczos"}, "unknown kernel 'lanczos'"),
        ({"scale": 2.0, "padding": "wrap"}, "unknown padding 'wrap'"),
    ],
)
def test_refuses_what_it_cannot_do(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        imresize(np.zeros((4, 4)), **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        imresize_tensor(torch.zeros(1, 4, 4), **arguments)


def test_refuses_other_arrays() -> None:
    with pytest.raises(TypeError, match="int64"):
        imresize(np.zeros((4, 4), np.int64), scale=2.0)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="shape"):
        imresize(np.zeros((0, 4)), scale=2.0)
    with pytest.raises(TypeError, match="floating"):
        imresize_tensor(torch.zeros(1, 4, 4, dtype=torch.uint8), scale=2.0)
    for shape in ((4,), (1, 0, 4), (1, 4, 0)):
        with pytest.raises(ValueError, match="shape"):
            imresize_tensor(torch.zeros(shape), scale=2.0)
