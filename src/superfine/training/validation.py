"""Validation: PSNR-Y and a perceptual distance of a network on a folder of pictures, and a panel of fixed crops to look at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from superfine.data.degrade import DEGRADATIONS, degraded
from superfine.errors import UserError
from superfine.images import Metadata, Picture, imresize, in_unit, write
from superfine.metrics import PROTOCOLS, Pair, pairs, score
from superfine.metrics.pairs import own_name
from superfine.networks.features import Features, stride
from superfine.training.recipes import PACK

CROP = 64
"""Side of the crops of the panel, and of those that the perceptual distance looks at, in low-resolution pixels."""

SHOWN = 4
"""Pictures in the panel."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """Means over the pictures: PSNR-Y in dB, the perceptual distance where there are features; and the panel, H×W×3."""

    psnr_y: float
    perceptual: float | None
    panel: Pixels


class Validation:
    """The pictures of one folder, read once, made small as in training; called with a network it measures it.

    Raises
    ------
    UserError
        As :func:`superfine.metrics.pairs.pairs`; a picture that is too small for the metric or for the features.
    """

    def __init__(self, folder: Path, scale: int, features: Features | None, degradation: str = PACK) -> None:
        self.name = own_name(folder)
        self.scale, self.features = scale, features
        self.pairs: list[Pair] = list(pairs(folder, scale))
        # Told now: the first measurement is hours away.
        least = max(2 * PROTOCOLS["standard"].crop(scale) + 1, 1 if features is None else stride(features.layers))
        for pair in self.pairs:
            height, width = pair.hr.shape[:2]
            if min(height, width) < least:
                raise UserError(
                    f"{folder}: {pair.name} is {width}×{height}, and validation measures {least}×{least} or more; leave it out"
                )
        if degradation != PACK:
            self.pairs = [_degraded(pair, n, scale, degradation) for n, pair in enumerate(self.pairs)]

    @torch.inference_mode()
    def __call__(self, network: nn.Module, device: torch.device, precision: str) -> Measured:
        training = network.training
        network.eval()
        psnr: list[float] = []
        distances: list[float] = []
        rows: list[Pixels] = []
        for pair in self.pairs:
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                result = _pixels(network(_tensor(pair.lr, device)))
            psnr.append(score(result, pair.hr, scale=self.scale, grey=pair.grey))
            made, wanted = self._centre(result, self.scale), in_unit(self._centre(pair.hr, self.scale))
            if self.features is not None:
                distances.append(self._distance(_tensor(made, device), _tensor(wanted, device)))
            if len(rows) < SHOWN:
                enlarged = imresize(self._centre(pair.lr, 1), size=made.shape[:2], kernel="nearest")
                rows.append(np.concatenate([enlarged, made, wanted], axis=1))
        network.train(training)
        width = max(row.shape[1] for row in rows)
        panel = np.concatenate([np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows])
        return Measured(_mean(psnr), float(np.mean(distances)) if distances else None, panel)

    def _centre(self, picture: NDArray[Any], scale: int) -> NDArray[Any]:
        """The crop in the middle, at the same place in a picture and in its twin (``scale`` 1)."""
        spans = []
        for length in picture.shape[:2]:
            side = min(CROP, length // scale)
            start = (length // scale - side) // 2
            spans.append(slice(start * scale, (start + side) * scale))
        return picture[spans[0], spans[1]]

    def _distance(self, made: Tensor, wanted: Tensor) -> float:
        """Mean squared distance of unit-length feature vectors: Zhang et al. 2018 (LPIPS), Eq. 1 with all weights equal."""
        assert self.features is not None
        a, b = self.features(made), self.features(wanted)
        terms = [(_unit(a[name]) - _unit(b[name])).square().sum(1).mean() for name in a]
        return float(torch.stack(terms).mean())


def write_panel(panel: Pixels, file: Path) -> None:
    """Write a panel as PNG: a row for each picture with its low-resolution pixels, the result and the photograph."""
    file.parent.mkdir(exist_ok=True)
    write(Picture(panel, None, grey=False, bits=8, metadata=Metadata()), file)


def _degraded(pair: Pair, number: int, scale: int, degradation: str) -> Pair:
    """The pair with another twin; ``number`` takes the place of the step, so that every picture has its own chances."""
    return replace(
        pair, lr=degraded(in_unit(pair.hr)[None], DEGRADATIONS[degradation], scale=scale, seed=0, step=number)[0]
    )


def _mean(psnr: list[float]) -> float:
    """Of the finite values: a flat picture's PSNR may be infinite, which would hide all others."""
    if math.isnan(sum(psnr)):
        return math.nan
    finite = [value for value in psnr if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.inf


def _unit(features: Tensor) -> Tensor:
    return cast(Tensor, features / (features.norm(dim=1, keepdim=True) + 1e-8))


def _tensor(picture: Pixels, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)[None]).to(device).permute(0, 3, 1, 2)


def _pixels(result: Tensor) -> Pixels:
    pixels: Pixels = result[0].permute(1, 2, 0).float().clamp(0, 1).cpu().numpy()
    return pixels
