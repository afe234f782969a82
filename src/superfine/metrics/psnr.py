"""Peak signal-to-noise ratio, and the luma that it is measured on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError

STRIP = 64
"""Rows that are worked on at a time: what is made of them stays in the processor's cache."""


def luma(pixels: NDArray[Any], *, grey: bool, rounded: bool = False) -> NDArray[np.float64 | np.uint8]:
    """Y of BT.601 in limited range, as MATLAB's ``rgb2ycbcr`` gives it.

    ``Y = 16 + 65.481 R + 128.553 G + 24.966 B`` for R, G, B in [0,1]. A ``grey`` picture is scored on its raw values.

    Parameters
    ----------
    pixels : H×W×3 RGB, floats in [0,1] or uint8.
    grey : the picture is single-channel (its three channels are equal).
    rounded : to whole levels, as MATLAB does for 8-bit pictures.

    Returns
    -------
    H×W in levels of 0–255: float64, or uint8 where ``rounded``.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"luma takes H×W×3, not {pixels.shape}")
    if rounded and not grey and pixels.dtype == np.uint8:
        return _rounded_luma(pixels)
    weights = (255.0,) if grey else (65.481, 128.553, 24.966)
    y = np.full(pixels.shape[:2], 0.0 if grey else 16.0)
    for start in range(0, len(y), STRIP):
        strip = y[start : start + STRIP]
        for channel, weight in enumerate(weights):
            values = pixels[start : start + STRIP, :, channel].astype(np.float64)
            if pixels.dtype == np.uint8:
                values /= 255.0
            values *= weight
            strip += values
    return np.floor(y + 0.5).astype(np.uint8) if rounded else y


def _rounded_luma(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """In whole numbers, 255,000 of them a level: exact, and faster than fractions."""
    y = np.empty(levels.shape[:2], np.uint8)
    for start in range(0, len(y), STRIP):
        strip = levels[start : start + STRIP]
        total = np.multiply(strip[..., 0], 65_481, dtype=np.int32)
        total += np.multiply(strip[..., 1], 128_553, dtype=np.int32)
        total += np.multiply(strip[..., 2], 24_966, dtype=np.int32)
        total += 16 * 255_000 + 127_500
        y[start : start + STRIP] = np.floor_divide(total, 255_000, out=total)
    return y


def psnr(a: NDArray[Any], b: NDArray[Any], *, crop: int, data_range: float) -> float:
    """``10 log10(data_range² / MSE)`` over all elements, in dB; infinite for equal pictures.

    Parameters
    ----------
    a, b : H×W or H×W×C of one shape.
    crop : pixels that are removed on each side first.
    data_range : largest possible difference (255 for 8-bit levels, 1 for [0,1]).

    Raises
    ------
    ValueError
        Different shapes.
    UserError
        Nothing is left after the crop.
    """
    a, b = inside(a, b, crop=crop)
    total = 0.0
    for start in range(0, len(a), STRIP):
        error = np.subtract(a[start : start + STRIP], b[start : start + STRIP], dtype=np.float64)
        total += float(np.square(error, out=error).sum())
    mse = total / a.size
    return float("inf") if mse == 0.0 else float(10.0 * np.log10(data_range**2 / mse))


def inside(a: NDArray[Any], b: NDArray[Any], *, crop: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both pictures without a border of ``crop`` pixels; raises as :func:`psnr`."""
    if a.shape != b.shape:
        raise ValueError(f"pictures of different shapes: {a.shape} and {b.shape}")
    if min(a.shape[:2]) <= 2 * crop:
        raise UserError(
            f"a picture of {a.shape[1]}×{a.shape[0]}: nothing is left without its border of {crop}; leave it out"
        )
    rows, columns = (slice(crop, length - crop) for length in a.shape[:2])
    return a[rows, columns], b[rows, columns]
