"""The self-ensemble: the mean of what a network makes of the eight symmetries, in tiles and with alpha too."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import superfine
from superfine.engine.self_ensemble import SelfEnsemble

SYMMETRIES = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def turned(pixels: NDArray[np.float32], turns: int, mirrored: bool) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))


def turned_back(pixels: NDArray[np.float32], turns: int, mirrored: bool) -> NDArray[np.float32]:
    upright = np.rot90(pixels, -turns)
    return upright[:, ::-1] if mirrored else upright


@pytest.fixture
def exact_model(compact: Path) -> superfine.Model:
    model = superfine.load(compact, device="cpu", dial=0.0)
    return superfine.Model(model.card, model.backend.in_float32())


@pytest.fixture
def ensemble(compact: Path) -> superfine.Model:
    """In float32, where the order of sums is not seen."""
    model = superfine.load(compact, device="cpu", dial=0.0, self_ensemble=True)
    return superfine.Model(model.card, model.backend.in_float32())


def test_is_the_mean_over_rotated_and_mirrored_pictures(
    exact_model: superfine.Model, ensemble: superfine.Model, noise: np.random.Generator
) -> None:
    picture = noise.random((13, 21, 3), dtype=np.float32)
    results = [turned_back(exact_model.backend.run(turned(picture, *way)[None])[0].copy(), *way) for way in SYMMETRIES]
    assert np.ptp(results, axis=0).max() > 0.1, "this network prefers no orientation"
    np.testing.assert_allclose(ensemble.backend.run(picture[None])[0], np.mean(results, axis=0), atol=5e-6)
    # Beyond [0,1] is cut after the mean, not before it.
    np.testing.assert_allclose(ensemble.upscale(picture), np.mean(results, axis=0).clip(0, 1), atol=5e-6)


def test_does_not_depend_on_the_orientation(ensemble: superfine.Model, noise: np.random.Generator) -> None:
    picture = noise.random((9, 14, 3), dtype=np.float32)
    upright = ensemble.upscale(picture)
    for way in SYMMETRIES:
        np.testing.assert_allclose(turned_back(ensemble.upscale(turned(picture, *way)), *way), upright, atol=2e-6)


def test_tiled_equals_untiled(ensemble: superfine.Model, noise: np.random.Generator) -> None:
    picture = noise.random((45, 52, 4), dtype=np.float32)
    np.testing.assert_allclose(ensemble.upscale(picture, tile=16), ensemble.upscale(picture), atol=2e-6)


def test_cells_stay_whole(twofold: Path, noise: np.random.Generator) -> None:
    model = superfine.load(twofold, device="cpu", dial=0.0, self_ensemble=True)
    exact = superfine.Model(model.card, model.backend.in_float32())
    picture = noise.random((37, 42, 3), dtype=np.float32)
    np.testing.assert_allclose(exact.upscale(picture, tile=16), exact.upscale(picture), atol=2e-6)


def test_says_what_the_backend_says(compact: Path) -> None:
    alone = superfine.load(compact, device="cpu").backend
    backend = superfine.load(compact, device="cpu", callers=2, self_ensemble=True).backend
    for name in ("name", "device", "precision", "area", "callers"):
        assert getattr(backend, name) == getattr(alone, name)
    assert backend.callers == 1, "whatever it was asked for"
    assert isinstance(backend.in_float32(), SelfEnsemble)
    assert backend.in_float32().precision == "f32"
