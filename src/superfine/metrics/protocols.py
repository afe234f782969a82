"""The protocols under which pictures are scored: every number is printed with one of these lines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superfine.metrics.psnr import luma, psnr


@dataclass(frozen=True)
class Protocol:
    """A name and the line that is printed beside numbers."""

    name: str
    line: str


PROTOCOLS = {
    "standard": Protocol(
        "standard",
        "PSNR-Y: 8-bit pictures, Y of BT.601 (limited range, unrounded), a border of the scale cropped, "
        "grey pictures on raw luma, mean over the pictures",
    ),
}


def score(
    result: NDArray[np.float32], reference: NDArray[np.float32], *, scale: int, grey: bool, protocol: str = "standard"
) -> float:
    """PSNR of ``result`` against ``reference`` in dB, both H×W×3 RGB in [0,1].

    Both are clipped and rounded to 8 bits first; of a ``grey`` picture the mean of the channels is scored.

    Raises
    ------
    ValueError
        Unknown protocol, or different shapes.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if grey:
        result = np.repeat(result.mean(axis=2, keepdims=True), 3, axis=2)
    a, b = (luma(_eight_bits(pixels), grey=grey) for pixels in (result, reference))
    return psnr(a, b, crop=scale, data_range=255.0)


def _eight_bits(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.rint(pixels.clip(0.0, 1.0) * np.float32(255.0)).astype(np.float64) / 255.0
