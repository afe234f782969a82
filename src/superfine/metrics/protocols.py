"""The protocols under which pictures are scored: what a metric's name leaves open. Every number is printed with its line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from superfine.metrics.registry import METRICS


@dataclass(frozen=True)
class Protocol:
    """What a metric's name leaves open.

    Parameters
    ----------
    name : its key in :data:`PROTOCOLS`.
    rounded_luma : whether Y is rounded to whole levels.
    ssim : whose structural similarity: ``gaussian`` (Wang et al.) or ``daala``.
    border : pixels that are removed on each side first; None for as many as the scale.
    """

    name: str
    rounded_luma: bool
    ssim: Literal["gaussian", "daala"]
    border: int | None

    def crop(self, scale: int) -> int:
        """Pixels that are removed on each side of a picture enlarged ``scale`` times."""
        return scale if self.border is None else self.border

    def line(self, metrics: Sequence[str], *, scale: int, weights: Mapping[str, Path] | None = None) -> str:
        """The protocol of ``metrics`` in one sentence, to be printed beside their numbers.

        Parameters
        ----------
        metrics : keys of :data:`superfine.metrics.METRICS`.
        scale : how many times the pictures were enlarged.
        weights : by metric, the file that its weights or model were taken from, where one was given, see
            :func:`superfine.metrics.measure`; of ``pi`` that of Ma's scores.
        """
        parts = [f"Protocol {self.name}, ×{scale}: 8-bit pictures without a border of {self.crop(scale)} pixels"]
        if any(name.endswith("_y") or name == "niqe" for name in metrics):
            rounding = "rounded to whole levels" if self.rounded_luma else "not rounded"
            parts.append(f"Y of BT.601 in limited range, {rounding}, grey pictures on their raw levels")
        if "ssim_y" in metrics:
            parts.append(_SSIM[self.ssim])
        for name in metrics:
            details = [_DETAILS[name]] if name in _DETAILS else []
            if file := (weights or {}).get(name):
                details.append(f"{_GIVEN.get(name, 'weights')} {file.name}")
            elif name == "niqe":
                details.append(_OWN)
            parts += [f"{METRICS[name].label}: {', '.join(details)}"] if details else []
        return "; ".join([*parts, "means over the pictures"]) + "."


_SSIM = {
    "gaussian": "SSIM with an 11×11 Gaussian window of σ 1.5, where it fits",
    "daala": "SSIM as in the Daala project, with a Gaussian window of σ = 1.5 · height/256, normalised at the edges",
}

_OWN = "superfine's own model of pristine pictures, whose values do not compare with the original model's"
_GIVEN = {"niqe": "model of pristine pictures", "pi": "Ma's scores from"}
"""What a file holds that was given for a metric, where it is not weights."""
_LPIPS = "version 0.1 on RGB, 0 for equal pictures"

_DETAILS = {
    "ms_ssim_y": "five scales, 11×11 Gaussian window of σ 1.5 where it fits",
    "lpips_alex": _LPIPS,
    "lpips_vgg": _LPIPS,
    "lpips_squeeze": _LPIPS,
    "vgg_distance": "L1 distance of unit-length VGG19 features conv3_1 before their activation",
    "niqe": "Y rounded, 96×96 blocks",
    "pi": "half of 10 − Ma + NIQE",
    "lr_consistency": "RGB, of the result made small by MATLAB's bicubic, against the low-resolution picture, to its border",
}

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("standard", rounded_luma=True, ssim="gaussian", border=None),
        Protocol("srgan2017", rounded_luma=False, ssim="daala", border=4),
    )
}
"""``standard``: the tables of SRCNN, VDSR, EDSR, ESRGAN and most others, which MATLAB's ``rgb2ycbcr`` and ``ssim`` made.

``srgan2017``: the tables of Ledig et al. 2017, whose SSIM is the Daala project's; they are for ×4.
"""
