"""Structural similarity: the usual one, the Daala project's, and the one over several scales."""

from collections.abc import Callable
from math import exp, floor, log, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.metrics.psnr import inside
from superfine.metrics.windows import Planes, gaussian, smooth, tiles

WINDOW = 11
"""Pixels on a side of the Gaussian window of :func:`ssim`."""
SIGMA = 1.5
K1, K2 = 0.01, 0.03
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of :func:`ms_ssim`, from the finest scale to the coarsest."""


def ssim(a: NDArray[Any], b: NDArray[Any], *, crop: int, data_range: float) -> float:
    """Structural similarity: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to …", Eq. 13.

    ``(2 μa μb + C1)(2 σab + C2) / ((μa² + μb² + C1)(σa² + σb² + C2))``, with means, variances and the covariance under an
    11×11 Gaussian window of σ 1.5 (weights of sum 1), C1 = (0.01 L)², C2 = (0.03 L)² for the data range L; the mean over
    all places where the whole window fits. Pictures are not made smaller first, as the authors' later code suggests.

    Parameters
    ----------
    a, b : H×W, or H×W×C of which the channels' mean is returned.
    crop : pixels that are removed on each side first.
    data_range : largest possible difference (255 for 8-bit levels, 1 for [0,1]).

    Returns
    -------
    float in [−1, 1]; 1 for equal pictures.

    Raises
    ------
    ValueError
        Different shapes.
    UserError
        Pictures that are smaller than the window after the crop.
    """
    a, b = inside(a, b, crop=crop)
    _refuse_smaller(a, WINDOW, "SSIM's window")
    return _mean_over_channels(a, b, lambda x, y: _similarity(x, y, gaussian(WINDOW, SIGMA), data_range)[0])


def ssim_daala(a: NDArray[Any], b: NDArray[Any], *, crop: int, data_range: float) -> float:
    """The structural similarity of the Daala project's tool ``dump_ssim``, by which the SRGAN paper's tables are made.

    As :func:`ssim`, but the window grows with the picture, σ = 1.5 · height/256 of what is left after the crop; its weights
    are whole numbers of 1/256, so it ends where they would round to zero; it is placed on all pixels, and where it leaves
    the picture, the weights that are left are made to sum to 1 again, and the place counts by their former sum.

    Parameters, result and errors are those of :func:`ssim`, but any size will do.
    """
    a, b = inside(a, b, crop=crop)
    weights = _daala_window(a.shape[0] * SIGMA / 256, min(a.shape[:2]))
    return _mean_over_channels(a, b, lambda x, y: _similarity(x, y, weights, data_range, whole_picture=True)[0])


def ms_ssim(a: NDArray[Any], b: NDArray[Any], *, crop: int, data_range: float) -> float:
    """Structural similarity over five scales: Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity", Eq. 7.

    The product over the scales of the mean contrast and structure, ``(2 σab + C2) / (σa² + σb² + C2)``, to the powers
    0.0448, 0.2856, 0.3001, 0.2363 and 0.1333, of which the last, coarsest one is of the whole similarity with its luminance.
    From scale to scale, 2×2 pixels become their mean; of an odd side the last pixel is used twice, as in the authors' code.
    A negative mean, which has no such power, counts as 0.

    Parameters
    ----------
    a, b : H×W, or H×W×C of which the channels' mean is returned.
    crop : pixels that are removed on each side first.
    data_range : largest possible difference (255 for 8-bit levels, 1 for [0,1]).

    Returns
    -------
    float in [0, 1]; 1 for equal pictures.

    Raises
    ------
    ValueError
        Different shapes.
    UserError
        Fewer than 176 pixels on a side after the crop.
    """
    a, b = inside(a, b, crop=crop)
    _refuse_smaller(a, WINDOW * 2 ** (len(SCALES) - 1), "what MS-SSIM's five scales need")
    return _mean_over_channels(a, b, lambda x, y: _over_scales(x, y, data_range))


def _refuse_smaller(inner: NDArray[Any], least: int, what: str) -> None:
    height, width = inner.shape[:2]
    if min(height, width) < least:
        raise UserError(
            f"a picture of {width}×{height} inside its border: smaller than {what}, {least}×{least}; leave it out"
        )


def _over_scales(a: NDArray[Any], b: NDArray[Any], data_range: float) -> float:
    result = 1.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    for scale, exponent in enumerate(SCALES, 1):
        whole, contrast = _similarity(a, b, gaussian(WINDOW, SIGMA), data_range)
        result *= max(0.0, whole if scale == len(SCALES) else contrast) ** exponent
        a, b = _halved(a), _halved(b)
    return result


def _halved(x: Planes) -> Planes:
    x = np.pad(x, [(0, length % 2) for length in x.shape], mode="edge")
    half: Planes = (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4.0
    return half


def _mean_over_channels(
    a: NDArray[Any], b: NDArray[Any], measure: Callable[[NDArray[Any], NDArray[Any]], float]
) -> float:
    if a.ndim == 2:
        return measure(a, b)
    return float(np.mean([measure(a[..., channel], b[..., channel]) for channel in range(a.shape[2])]))


def _daala_window(sigma: float, longest: int) -> Planes:
    """Weights in whole 1/256; the middle one takes what is missing. Its radius is less than ``longest``."""
    first = sqrt(pi / 2.0) * sigma / 256.0
    radius = 0 if first >= 1.0 else min(floor(sigma * sqrt(-2.0 * log(first))), longest - 1)
    side = [floor(256.0 / (sqrt(2.0 * pi) * sigma) * exp(-0.5 * (i / sigma) ** 2) + 0.5) for i in range(radius, 0, -1)]
    return np.array([*side, 256 - 2 * sum(side), *reversed(side)]) / 256.0


def _similarity(
    a: NDArray[Any], b: NDArray[Any], weights: Planes, data_range: float, *, whole_picture: bool = False
) -> tuple[float, float]:
    """Mean similarity, and mean contrast and structure, under the window ``weights`` × ``weights``.

    Where the window fits; or on the ``whole_picture``, with weights that are normalised where it leaves it.
    """
    radius = len(weights) // 2
    height, width = (length - 2 * radius for length in a.shape)
    # A variance is the small difference of two squares. It depends on no level, and around 0 float32 is enough for it.
    level = (float(np.mean(a)) + float(np.mean(b))) / 2.0
    a, b = (np.subtract(x, level, dtype=np.float32, casting="same_kind") for x in (a, b))
    down = across = None
    if whole_picture:
        # What is left of the weights' sum at each row and each column.
        down, across = (np.convolve(np.ones(n), weights)[radius : radius + n].astype(np.float32) for n in a.shape)
        height, width = a.shape
        a, b = (np.pad(x, radius) for x in (a, b))
    c1, c2 = (2.0 * (k * data_range) ** 2 for k in (K1, K2))
    whole = contrast = total = 0.0
    for rows, columns in tiles(height, width):
        tile = np.s_[rows.start : rows.stop + 2 * radius, columns.start : columns.stop + 2 * radius]
        # With the sum s and the difference d of the pictures, 2 μa μb = (μs² − μd²)/2, μa² + μb² = (μs² + μd²)/2, and so on:
        # four planes to filter, where the pictures themselves need five.
        planes = np.empty((4, *a[tile].shape), np.float32)
        np.add(a[tile], b[tile], out=planes[0])
        np.subtract(a[tile], b[tile], out=planes[1])
        np.square(planes[:2], out=planes[2:])
        planes = smooth(planes, weights)
        places = None if down is None or across is None else down[rows, None] * across[columns]
        if places is not None:
            planes /= places
        variances = planes[2:]
        variances -= np.square(planes[:2])
        structure = _ratio(variances, c2)
        planes[0] += 2.0 * level
        means = np.square(planes[:2])
        luminance = _ratio(means, c1)
        if places is not None:
            structure *= places
        contrast += float(structure.sum(dtype=np.float64))
        total += float(structure.size if places is None else places.sum(dtype=np.float64))
        structure *= luminance
        whole += float(structure.sum(dtype=np.float64))
    return whole / total, contrast / total


def _ratio(planes: Planes, constant: float) -> Planes:
    """(s − d + constant) / (s + d + constant) of two planes s and d."""
    upper: Planes = planes[0] - planes[1]
    upper += constant
    lower = np.add(planes[0], planes[1], out=planes[0])
    lower += constant
    upper /= lower
    return upper
