"""NIQE: how far a picture's statistics are from those of pristine photographs, without its original; and PI, which uses it."""

from collections.abc import Callable, Iterator
from functools import cache
from math import exp, lgamma
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.files import is_folder
from superfine.images import imresize, pictures_below, read_levels
from superfine.metrics.pristine import BUNDLED, FEATURES, Pristine, read_pristine
from superfine.metrics.psnr import inside, luma
from superfine.metrics.windows import gaussian, smooth

Doubles = NDArray[np.float64]

BLOCK = 96
"""Pixels on a side of a block; half of it at the second scale."""
WINDOW, SIGMA = 7, 7 / 6
SHARP = 0.75
"""Share of the sharpest block's sharpness that a block of a pristine picture must exceed."""
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(a: NDArray[Any], *, crop: int, model: Path | Pristine | None = None) -> float:
    """Natural image quality: Mittal, Soundararajan and Bovik 2013, "Making a 'Completely Blind' Image Quality Analyzer".

    The picture is normalised by its local mean and deviation, (I − μ)/(σ + 1) under a 7×7 Gaussian window of σ 7/6. Of every
    block of 96×96 pixels, without overlap, and again of the picture at half its size, 18 parameters of generalised Gaussian
    distributions are taken: of its values, and of their products with their four neighbours. The blocks' mean and covariance
    are compared with those of pristine photographs, Eq. 10: ``√((ν1 − ν2)ᵀ ((Σ1 + Σ2)/2)⁻¹ (ν1 − ν2))``. What is left at the
    right and at the bottom is not looked at. Blocks without any variation have no such distribution and are left out.

    Parameters
    ----------
    a : H×W luma in levels of 0–255.
    crop : pixels that are removed on each side first.
    model : the pristine photographs' statistics or a file of them (:func:`superfine.metrics.read_pristine`); ours if left out,
        the values of which are not comparable with those of the original model.

    Returns
    -------
    float ≥ 0, lower is better.

    Raises
    ------
    ValueError
        Not H×W.
    UserError
        Fewer than two blocks that can be used, or no such model.
    """
    if a.ndim != 2:
        raise ValueError(f"niqe takes H×W luma, not {a.shape}")
    a, _ = inside(a, a, crop=crop)
    pristine = model if isinstance(model, Pristine) else read_pristine(model or BUNDLED)
    features = _features(a)[0]
    if len(features) < 2:
        raise UserError(
            f"a picture of {a.shape[1]}×{a.shape[0]} inside its border: NIQE needs two blocks of {BLOCK}×{BLOCK} "
            "that are not flat; leave it out"
        )
    difference = pristine.mean - features.mean(0)
    pooled = (pristine.covariance + np.cov(features, rowvar=False)) / 2.0
    inverse = np.linalg.pinv(pooled, rcond=FEATURES * np.finfo(np.float64).eps)
    return float(np.sqrt(max(0.0, difference @ inverse @ difference)))


def perceptual_index(ma: float, niqe: float) -> float:
    """``½ ((10 − Ma) + NIQE)``: Blau et al. 2018, "The 2018 PIRM Challenge on Perceptual Image Super-Resolution", Eq. 1.

    Lower is better. ``ma`` is the score of Ma et al. 2017 between 0 and 10, which is made by their regression forests in
    MATLAB; ``niqe`` is that of the original pristine model where the index is compared with published ones.
    """
    return 0.5 * ((10.0 - ma) + niqe)


def fit_niqe(
    folder: Path,
    *,
    every: int = 1,
    description: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pristine:
    """The pristine model of the photographs in ``folder`` and the folders in it, from their sharp blocks alone.

    Of each photograph those blocks count whose mean local deviation exceeds 0.75 times that of its sharpest block: the others
    are out of focus or smooth, and would count blur as pristine (§2.2 of the paper). The mean and the covariance of
    their features are the model.

    Parameters
    ----------
    folder : photographs without visible faults; those smaller than a block are passed over, and hidden folders.
    every : take every so manieth, in the order of their names.
    description : what the photographs are, for the model's ``about``.
    progress : called with the photographs that are done, and with all.

    Raises
    ------
    UserError
        No folder, no photographs in it, one that cannot be read, too few blocks for a covariance.
    """
    if every < 1:
        raise UserError(f"every {every}: must be 1 or more")
    if not is_folder(folder):
        raise UserError(f"{folder}: is not a folder; give a folder of photographs")
    files = pictures_below(folder)[::every]
    found: list[Doubles] = []
    for done, file in enumerate(files):
        progress(done, len(files))
        levels, grey = read_levels(file)
        features, sharpness = _features(luma(levels, grey=grey, rounded=True))
        if len(features):
            found.append(features[sharpness > SHARP * sharpness.max()])
    progress(len(files), len(files))
    blocks = np.concatenate(found) if found else np.empty((0, FEATURES))
    if len(blocks) <= FEATURES:
        raise UserError(
            f"{folder}: gives {len(blocks)} sharp blocks of {BLOCK}×{BLOCK}, a model needs more than {FEATURES}; "
            "give more or larger photographs"
        )
    about = {
        "description": description,
        "photographs": str(len(found)),
        "blocks": str(len(blocks)),
        "every": str(every),
    }
    return Pristine(blocks.mean(0), np.cov(blocks, rowvar=False), about)


def _features(y: NDArray[Any]) -> tuple[Doubles, Doubles]:
    """The features of all blocks that have any, N×36, and their sharpness, N."""
    rows, columns = (length // BLOCK for length in y.shape)
    if not rows * columns:
        return np.empty((0, FEATURES)), np.empty(0)
    y = np.rint(y[: rows * BLOCK, : columns * BLOCK].astype(np.float64))
    whole = list(_scale(y, BLOCK))
    half = list(_scale(imresize(y, scale=0.5, padding="symmetric"), BLOCK // 2))
    features = np.hstack([np.concatenate([each for each, _ in scale]) for scale in (whole, half)])
    sharpness = np.concatenate([each for _, each in whole])
    usable = np.isfinite(features).all(1)
    return features[usable], sharpness[usable]


def _scale(y: Doubles, side: int) -> Iterator[tuple[Doubles, Doubles]]:
    """For each row of blocks of ``side`` pixels: N×18 features, and N mean local deviations."""
    radius = WINDOW // 2
    padded = np.pad(y, radius, mode="edge")
    for top in range(0, len(y), side):
        strip = padded[top : top + side + 2 * radius]
        mean, square = smooth(np.stack([strip, strip * strip]), gaussian(WINDOW, SIGMA))
        deviation = np.sqrt(np.abs(square - mean * mean))
        normalised = (y[top : top + side] - mean) / (deviation + 1.0)
        blocks, deviations = (x.reshape(side, -1, side).swapaxes(0, 1) for x in (normalised, deviation))
        yield np.column_stack(list(_block_features(blocks))), deviations.mean((1, 2))


def _block_features(blocks: Doubles) -> Iterator[Doubles]:
    """The 18 features of N×S×S normalised blocks, each N; NaN where a block has none."""
    shape, _, left, right = _asymmetric_gaussian(blocks)
    yield from (shape, (left + right) / 2.0)
    for shift in SHIFTS:
        yield from _asymmetric_gaussian(blocks * np.roll(blocks, shift, (1, 2)))


def _asymmetric_gaussian(x: Doubles) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Shape α, mean, left and right scale of an asymmetric generalised Gaussian distribution, N each, fitted to N×S×S.

    By its moments: Lasmar, Stitou and Berthoumieu 2009, "Multiscale skewed heavy tailed model for texture analysis". The shape
    is looked for between 0.2 and 10 in steps of 0.001, as in NIQE's code.
    """
    squares = x * x
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = (
            np.sqrt((squares * side).sum((1, 2)) / np.count_nonzero(side, (1, 2))) for side in (x < 0.0, x > 0.0)
        )
        ratio = left / right
        moments = np.abs(x).mean((1, 2)) ** 2 / squares.mean((1, 2))
        wanted = moments * (ratio**3 + 1.0) * (ratio + 1.0) / (ratio**2 + 1.0) ** 2
    moment_ratio, scale, mean = _tables()
    after = np.searchsorted(moment_ratio, wanted).clip(1, len(moment_ratio) - 1)
    nearest = after - (wanted - moment_ratio[after - 1] < moment_ratio[after] - wanted)
    shape = np.where(np.isfinite(wanted), _shapes()[nearest], np.nan)
    left, right = left * scale[nearest], right * scale[nearest]
    return shape, (right - left) * mean[nearest], left, right


@cache
def _shapes() -> Doubles:
    return np.arange(200, 10001) / 1000.0


@cache
def _tables() -> tuple[Doubles, Doubles, Doubles]:
    """For each shape: the ratio of moments Γ(2/α)²/(Γ(1/α)Γ(3/α)), which grows with it, √(Γ(1/α)/Γ(3/α)), and Γ(2/α)/Γ(1/α)."""
    logs = [[lgamma(k / shape) for k in (1, 2, 3)] for shape in _shapes()]
    ratio = np.array([exp(2 * two - one - three) for one, two, three in logs])
    scale = np.array([exp((one - three) / 2) for one, _, three in logs])
    mean = np.array([exp(two - one) for one, two, _ in logs])
    return ratio, scale, mean
