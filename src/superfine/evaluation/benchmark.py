"""Scores of one way to enlarge pictures on one set of pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from superfine.images import imresize
from superfine.metrics import pairs, score

Pixels = NDArray[np.float32]
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


class Enlarger(Protocol):
    """What can be evaluated: a model of the engine, or an :class:`Interpolation`."""

    @property
    def scale(self) -> int: ...

    def upscale(self, pixels: Pixels) -> Pixels: ...


@dataclass(frozen=True)
class Interpolation:
    """A baseline: MATLAB's ``imresize`` with one of its kernels."""

    kernel: str
    scale: int = 4

    def upscale(self, pixels: Pixels) -> Pixels:
        """Enlarge H×W×3 RGB in [0,1]; the result is clipped to [0,1]."""
        return imresize(pixels, scale=float(self.scale), kernel=self.kernel).clip(0.0, 1.0)


@dataclass(frozen=True)
class Score:
    """PSNR of each picture of a set under a protocol, in dB."""

    set: str
    protocol: str
    pictures: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean of the pictures' PSNR (not the PSNR of their pooled error)."""
        return float(np.mean(list(self.pictures.values())))

    def record(self) -> dict[str, Any]:
        """The line of a model's card."""
        return {
            "set": self.set,
            "psnr_y": round(self.mean, 3),
            "pictures": len(self.pictures),
            "protocol": self.protocol,
        }


def evaluate(
    enlarger: Enlarger,
    folder: Path,
    *,
    protocol: str = "standard",
    progress: Callable[[int], None] = lambda done: None,
) -> Score:
    """Score ``enlarger`` on the pictures of ``folder`` (see :func:`superfine.metrics.pairs`).

    Raises
    ------
    UserError
        The folder holds no pictures, a twin is missing or has another size, a picture cannot be read.
    """
    scores: dict[str, float] = {}
    for pair in pairs(folder, enlarger.scale):
        result = enlarger.upscale(pair.lr)
        scores[pair.name] = score(result, pair.hr, scale=enlarger.scale, grey=pair.grey, protocol=protocol)
        progress(len(scores))
    return Score(Path(folder).resolve().name, protocol, scores)
