"""Colours under transparent pixels, so that enlarging does not draw them into the visible edge."""

import numpy as np
from numpy.typing import NDArray


def bleed(pixels: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each fully transparent pixel the colour of what is visible around it.

    Files store anything there, mostly black, and a network would mix it into the edge. The colours, weighted by alpha, are
    averaged over 2×2 pixels again and again, then holes are filled from the coarser level: the pull and push of
    Gortler et al. 1996, "The Lumigraph", §3.4, with box filters.

    Parameters
    ----------
    pixels
        H×W×3, [0,1], not multiplied by alpha.
    alpha
        H×W, [0,1].

    Returns
    -------
    NDArray
        H×W×3. Pixels with any opacity are unchanged; a picture with none at all is returned as it is.
    """
    hidden = alpha <= 0
    if hidden.all() or not hidden.any():
        return pixels
    filled = _filled(pixels * alpha[..., None], alpha)
    filled[~hidden] = pixels[~hidden]
    return filled


def _filled(colour: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour divided by weight; where the weight is 0, that of the level below."""
    height, width = weight.shape
    known: NDArray[np.float32] = np.divide(colour, np.maximum(weight, 1e-30)[..., None], dtype=np.float32)
    if (weight > 0).all():
        return known
    coarse = _filled(_halved(colour), _halved(weight))
    below = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    below[weight > 0] = known[weight > 0]
    return below


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of 2×2 values; an odd last row or column is summed with nothing, which weighted averages allow."""
    rows: NDArray[np.float32] = np.add.reduceat(values, np.arange(0, values.shape[0], 2), axis=0)
    halved: NDArray[np.float32] = np.add.reduceat(rows, np.arange(0, values.shape[1], 2), axis=1)
    return halved
