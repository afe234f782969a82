"""Colours bleed under transparent pixels and nowhere else."""

import numpy as np

from superfine.engine.alpha import bleed


def test_hidden_pixels_take_the_colour_beside_them() -> None:
    pixels = np.zeros((9, 13, 3), np.float32)
    alpha = np.zeros((9, 13), np.float32)
    pixels[:, :5] = (0.9, 0.4, 0.1)
    alpha[:, :5] = 1
    filled = bleed(pixels, alpha)
    np.testing.assert_allclose(filled, np.broadcast_to(np.float32([0.9, 0.4, 0.1]), filled.shape), atol=1e-6)
    assert filled.dtype == np.float32


def test_nearest_colour_wins() -> None:
    pixels = np.zeros((8, 16, 3), np.float32)
    alpha = np.zeros((8, 16), np.float32)
    pixels[:, 0], pixels[:, 15] = 0.2, 0.8
    alpha[:, [0, 15]] = 1
    filled = bleed(pixels, alpha)
    np.testing.assert_allclose(filled[:, 1], 0.2, atol=1e-6)
    np.testing.assert_allclose(filled[:, 14], 0.8, atol=1e-6)


def test_visible_pixels_are_unchanged() -> None:
    noise = np.random.default_rng(0)
    pixels, alpha = noise.random((11, 7, 3), dtype=np.float32), noise.random((11, 7), dtype=np.float32)
    np.testing.assert_array_equal(bleed(pixels, alpha), pixels)
    alpha[4:6] = 0
    visible = alpha > 0
    np.testing.assert_array_equal(bleed(pixels, alpha)[visible], pixels[visible])


def test_nothing_visible_changes_nothing() -> None:
    pixels = np.random.default_rng(0).random((5, 5, 3), dtype=np.float32)
    np.testing.assert_array_equal(bleed(pixels, np.zeros((5, 5), np.float32)), pixels)
