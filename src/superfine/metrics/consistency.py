"""LR-consistency: whether an enlarged picture, made small again, is the picture that was given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.images import imresize
from superfine.metrics.psnr import psnr


def lr_consistency(result: NDArray[Any], lr: NDArray[Any], *, scale: int) -> float:
    """PSNR over RGB, in dB, of ``result``, made small by MATLAB's bicubic and rounded to 8 bits, against ``lr``.

    "LR-PSNR" of the NTIRE 2021 challenge on learning the super-resolution space (Lugmayr et al. 2021), which asked for 45 dB.
    Infinite if nothing in the result contradicts the low-resolution picture. No border is removed.

    Parameters
    ----------
    result : H×W×3 RGB, uint8 or floats in [0,1].
    lr : H/scale×W/scale×3, likewise.
    scale : how many times it was enlarged.

    Raises
    ------
    UserError
        The sizes do not belong together.
    """
    if result.shape != (lr.shape[0] * scale, lr.shape[1] * scale, *lr.shape[2:]):
        raise UserError(
            f"the result is {result.shape[1]}×{result.shape[0]}, not {scale} times {lr.shape[1]}×{lr.shape[0]}; "
            "give the low-resolution picture that it was made of"
        )
    small = imresize(_levels(result), scale=1 / scale)
    return psnr(small, _levels(lr), crop=0, data_range=255.0)


def _levels(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    levels: NDArray[np.uint8] = np.rint(pixels.clip(0.0, 1.0) * 255.0).astype(np.uint8)
    return levels
