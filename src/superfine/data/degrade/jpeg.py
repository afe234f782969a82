"""JPEG as an encoder and a decoder make it: baseline, 4:2:0, without the (lossless) entropy coding, batched.

Source: ITU-T T.81 (ISO/IEC 10918-1), Annex A (DCT, quantisation) and tables K.1 and K.2; quality, rounding of the chroma's
means and its triangular ("fancy") up-sampling as in libjpeg. The public code of Real-ESRGAN repeats chroma samples instead,
which no usual decoder does, and takes real numbers for qualities.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Integers = NDArray[np.int64]

# fmt: off
LUMINANCE = np.array([
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
])
CHROMINANCE = np.array([
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
])
# fmt: on
TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def quantisation_table(base: Integers, quality: int) -> Integers:
    """libjpeg's table of a quality 1 … 100 (jpeg_set_quality), in 1 … 255."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((base * percent + 50) // 100).clip(1, 255)


@lru_cache(maxsize=8)
def _transform(device: torch.device) -> Tensor:
    """64×64: the two-dimensional DCT of a block of 8×8, both in row-major order (T.81, A.3.3)."""
    k = np.arange(8)
    dct = np.cos(np.pi * k[:, None] * (2 * k[None, :] + 1) / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)[:, None]
    return torch.from_numpy(np.kron(dct, dct)).float().to(device)


def jpeg(pictures: Tensor, quality: Integers) -> Tensor:
    """Encode and decode pictures, each at its own quality, on their device.

    Parameters
    ----------
    pictures : N×3×H×W float32 RGB, any size; clipped to [0,1] and rounded to 8 bits first.
    quality : N integers, 1 … 100.

    Returns
    -------
    N×3×H×W float32 RGB in [0,1], whole multiples of 1/255.
    """
    height, width = pictures.shape[2:]
    rgb = (pictures.clamp(0.0, 1.0) * 255).round_()
    # As libjpeg does it: to whole blocks before chroma is halved, but downwards only to an even height before, to blocks after.
    ycc = _mixed(F.pad(rgb, (0, -width % 16, 0, height % 2), "replicate"), TO_YCC).round_()
    y, chroma = (
        F.pad(planes, (0, 0, 0, -planes.shape[2] % side), "replicate")
        for planes, side in ((ycc[:, :1], 16), (_halved(ycc[:, 1:]), 8))
    )

    coarse = [
        torch.from_numpy(np.stack([quantisation_table(base, int(q)) for q in quality])).to(y)[:, None]
        for base in (LUMINANCE, CHROMINANCE)
    ]
    y = _quantised(y - 128, coarse[0]).add_(128).round_().clamp_(0, 255)[..., :height, :width]
    chroma = _quantised(chroma, coarse[1]).round_().clamp_(-128, 127)
    chroma = _doubled(chroma[..., : (height + 1) // 2, : (width + 1) // 2])[..., :height, :width]
    return _mixed(torch.cat([y, chroma], 1), TO_RGB).round_().clamp_(0, 255).div_(255)


def _mixed(pictures: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return F.conv2d(pictures, pictures.new_tensor(matrix)[:, :, None, None])


def _halved(chroma: Tensor) -> Tensor:
    """Means of 2×2, rounded; halves go up and down by turns along a row, so that colours do not drift."""
    bias = chroma.new_tensor([0.25, 0.5]).repeat(chroma.shape[3] // 4)
    return (F.avg_pool2d(chroma, 2) + bias).floor_()


def _quantised(planes: Tensor, table: Tensor) -> Tensor:
    """N×C×H×W (sides multiples of 8) → the same, after DCT, rounding to multiples of the table N×1×64, inverse DCT."""
    n, c, height, width = planes.shape
    dct = _transform(planes.device)
    blocks = planes.reshape(n, c, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5).reshape(n, -1, 64)
    blocks = ((blocks @ dct.T / table).round_() * table) @ dct
    return blocks.reshape(n, c, height // 8, width // 8, 8, 8).permute(0, 1, 2, 4, 3, 5).reshape(planes.shape)


def _doubled(chroma: Tensor) -> Tensor:
    """Each sample becomes 2×2; a new one is made of ¾ of the nearest and ¼ of the next, along both axes."""
    n, c, height, width = chroma.shape
    rows = F.pad(chroma, (0, 0, 1, 1), "replicate")
    middle = 3 * chroma
    tall = torch.stack([middle + rows[:, :, :-2], middle + rows[:, :, 2:]], 3).reshape(n, c, 2 * height, width)
    columns = F.pad(tall, (1, 1, 0, 0), "replicate")
    middle = 3 * tall
    left = (middle + columns[..., :-2] + 8).div_(16).floor_()
    right = (middle + columns[..., 2:] + 7).div_(16).floor_()
    return torch.stack([left, right], 4).reshape(n, c, 2 * height, 2 * width)
