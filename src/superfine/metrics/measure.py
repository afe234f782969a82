"""All metrics of one picture at once, under a protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.images import in_unit
from superfine.images.write import round_to_bytes
from superfine.metrics.consistency import lr_consistency
from superfine.metrics.lpips import lpips
from superfine.metrics.niqe import niqe
from superfine.metrics.protocols import PROTOCOLS, Protocol
from superfine.metrics.psnr import luma, psnr
from superfine.metrics.ssim import ms_ssim, ssim, ssim_daala
from superfine.metrics.vgg import vgg_distance

Pixels = NDArray[np.float32]
Levels = NDArray[np.uint8]


def measure(
    result: Pixels | Levels,
    hr: Pixels | Levels,
    lr: Pixels | Levels | None,
    *,
    metrics: Sequence[str],
    protocol: str,
    scale: int,
    grey: bool,
    weights: Mapping[str, Path] | None = None,
    device: str = "cpu",
) -> dict[str, float]:
    """The ``metrics`` of ``result`` under a protocol.

    All pictures are clipped and rounded to 8 bits first; of a ``grey`` picture the mean of the result's channels is scored.
    Equal pictures have an infinite PSNR.

    Parameters
    ----------
    result, hr : H×W×3 RGB, the enlarged picture and the original: float32 in [0,1], or levels of 0–255 in uint8.
    lr : H/scale×W/scale×3, what was enlarged; only ``lr_consistency`` looks at it.
    metrics : keys of :data:`superfine.metrics.METRICS`; not ``pi``, which needs scores from elsewhere.
    protocol : a key of :data:`superfine.metrics.PROTOCOLS`.
    scale : how many times ``lr`` was enlarged.
    grey : the original has a single channel (its three are equal).
    weights : by metric, a file or folder to take a network's weights or NIQE's model from; see there.
    device : torch's name of where networks run.

    Returns
    -------
    The values by metric, in the order they were asked for.

    Raises
    ------
    UserError
        Pictures of sizes that do not belong together, too small for a metric's window or network, with values that are no
        numbers; weights or a package that is missing.
    ValueError
        Unknown protocol or metric, pictures of other shapes than above.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    for name in metrics:
        if name not in _MEASURES:
            raise ValueError(f"unknown metric {name!r}; choose among {', '.join(_MEASURES)}")
    _check(result, hr)
    given = _Given(result, hr, lr, PROTOCOLS[protocol], scale, grey, weights or {}, device)
    return {name: _MEASURES[name](given) for name in metrics}


def score(result: Pixels, reference: Pixels | Levels, *, scale: int, grey: bool) -> float:
    """PSNR-Y of ``result`` under the protocol ``standard``; NaN, not an error, where a value of it is no number.

    For training, which goes on then. See :func:`measure`.
    """
    if not np.isfinite(result).all():
        return float("nan")
    values = measure(result, reference, None, metrics=("psnr_y",), protocol="standard", scale=scale, grey=grey)
    return values["psnr_y"]


@dataclass(frozen=True)
class _Given:
    """What is measured; what several metrics look at is made once."""

    result: Pixels | Levels
    hr: Pixels | Levels
    lr: Pixels | Levels | None
    protocol: Protocol
    scale: int
    grey: bool
    weights: Mapping[str, Path]
    device: str

    @property
    def crop(self) -> int:
        return self.protocol.crop(self.scale)

    @cached_property
    def levels(self) -> tuple[Levels, Levels]:
        """The result and the original in 8 bits."""
        return _eight_bits(self.result, self.grey), _eight_bits(self.hr, self.grey)

    @cached_property
    def lumas(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Y of both."""
        a, b = (luma(levels, grey=self.grey, rounded=self.protocol.rounded_luma) for levels in self.levels)
        return a, b

    def on_luma(self, metric: Callable[..., float]) -> float:
        return metric(*self.lumas, crop=self.crop, data_range=255.0)

    def with_network(self, name: str, metric: Callable[..., float], **options: Any) -> float:
        a, b = map(in_unit, self.levels)
        return metric(a, b, crop=self.crop, weights=self.weights.get(name), device=self.device, **options)

    def ssim(self) -> float:
        return self.on_luma({"gaussian": ssim, "daala": ssim_daala}[self.protocol.ssim])

    def niqe(self) -> float:
        rounded = luma(self.levels[0], grey=self.grey, rounded=True)
        return niqe(rounded, crop=self.crop, model=self.weights.get("niqe"))

    def consistency(self) -> float:
        if self.lr is None:
            raise ValueError("lr_consistency needs the low-resolution picture")
        return lr_consistency(self.levels[0], _eight_bits(self.lr, self.grey), scale=self.scale)


_MEASURES: dict[str, Callable[[_Given], float]] = {
    "psnr_y": lambda given: given.on_luma(psnr),
    "psnr_rgb": lambda given: psnr(*given.levels, crop=given.crop, data_range=255.0),
    "ssim_y": _Given.ssim,
    "ms_ssim_y": lambda given: given.on_luma(ms_ssim),
    "lpips_alex": lambda given: given.with_network("lpips_alex", lpips, net="alex"),
    "lpips_vgg": lambda given: given.with_network("lpips_vgg", lpips, net="vgg"),
    "lpips_squeeze": lambda given: given.with_network("lpips_squeeze", lpips, net="squeeze"),
    "vgg_distance": lambda given: given.with_network("vgg_distance", vgg_distance),
    "niqe": _Given.niqe,
    "lr_consistency": _Given.consistency,
}


def _check(result: Pixels | Levels, hr: Pixels | Levels) -> None:
    for picture in (result, hr):
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"pictures are H×W×3, not {picture.shape}")
    (height, width), (wanted_height, wanted_width) = result.shape[:2], hr.shape[:2]
    if (height, width) != (wanted_height, wanted_width):
        raise UserError(
            f"the result is {width}×{height}, its original {wanted_width}×{wanted_height}; only pictures of one size compare"
        )
    if not np.isfinite(result).all():
        raise UserError("the result holds values that are no numbers (NaN or infinite); look at the model that made it")


def _eight_bits(pixels: Pixels | Levels, grey: bool) -> Levels:
    """Clip to [0,1] and round to 0–255; the mean of the channels where ``grey``."""
    if pixels.dtype == np.uint8:
        if not grey:
            return cast(Levels, pixels)
        pixels = in_unit(pixels)
    values = cast(Pixels, pixels)
    levels = np.empty(values.shape, np.uint8)
    round_to_bytes(values.mean(axis=2, keepdims=True) if grey else values, levels)
    return levels
