"""Peak signal-to-noise ratio, and the luma that it is measured on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def luma(pixels: NDArray[Any], *, grey: bool) -> NDArray[np.float64]:
    """Y of BT.601 in limited range, as MATLAB's ``rgb2ycbcr`` gives it but unrounded.

    ``Y = 16 + 65.481 R + 128.553 G + 24.966 B`` for R, G, B in [0,1]. A ``grey`` picture is scored on its raw values.

    Parameters
    ----------
    pixels : H×W×3 RGB in [0,1].
    grey : the picture is single-channel (its three channels are equal).

    Returns
    -------
    H×W float64, in levels of 0–255.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"luma takes H×W×3, not {pixels.shape}")
    values = pixels.astype(np.float64)
    if grey:
        return values[..., 0] * 255.0
    weighted: NDArray[np.float64] = values @ np.array([65.481, 128.553, 24.966])
    return weighted + 16.0


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
        Different shapes, or nothing left after the crop.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of different shapes: {a.shape} and {b.shape}")
    if min(a.shape[:2]) <= 2 * crop:
        raise ValueError(f"nothing of {a.shape[1]}×{a.shape[0]} pixels is left without a border of {crop}")
    inside = (slice(crop, a.shape[0] - crop), slice(crop, a.shape[1] - crop))
    error = a[inside].astype(np.float64) - b[inside].astype(np.float64)
    mse = float(np.mean(error * error))
    return float("inf") if mse == 0.0 else float(10.0 * np.log10(data_range**2 / mse))
