"""How far a network of a large receptive field looks in effect: the halo that its tiles need.

The radius of RRDB with 23 blocks is 349 low-resolution pixels, of which all but the nearest change nothing that could be seen:
a deep network's effective receptive field is far smaller than its theoretical one (Luo et al. 2016, "Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks"). A tile with less halo than the radius sees black, by zero
padding, where the picture goes on. So this is what is measured: the middle of a picture is computed from larger and larger
windows.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from superfine.networks import Network

LARGE = 64
"""A radius up to this is used as it is: it costs little, and tiled equals untiled but for rounding."""

LIMIT = 1 / 510 / 4
"""A quarter of half a level of eight bits: other pictures may be worse than the three that are tried."""

STEADY = LIMIT / 8
"""A larger window must change no more than this to end the search."""

RUNGS = (16, 24, 32, 48, 64, 96, 128, 192)
"""The halos that are tried, in cells of the network (pixels, but for networks that unshuffle their input)."""

_MIDDLE = 24
"""Side of the middle, in cells."""


@dataclass(frozen=True)
class Halo:
    """What was measured: ``pixels`` of halo make the result differ by ``differs_by`` from that with ``bound``, the radius."""

    pixels: int
    differs_by: float
    bound: int

    def entry(self) -> dict[str, Any]:
        """For a variant's card."""
        return asdict(self) | {"differs_by": round(self.differs_by, 6)}


def measure_halo(network: nn.Module) -> Halo:
    """The smallest of :data:`RUNGS` from which on nothing changes by more than :data:`LIMIT`, on the [0,1] scale.

    On three fixed pictures like photographs, in float32: from one rung to the next until the results are steady; then, on a
    strip as long as the receptive field and as wide as the last window, once lying and once standing, what all that lies
    further away changes is added. In pixels that is a fraction of what a window of the whole receptive field would take.

    Parameters
    ----------
    network
        In evaluation mode; it offers what :class:`superfine.networks.Network` lists, and ``multiple`` if it needs one.

    Returns
    -------
    Halo
        Of a network that is not steady within the last rung, or whose radius lies below the first ones, the radius.
    """
    facts = cast(Network, network)
    cell = int(getattr(network, "multiple", 1))
    whole = Halo(facts.radius, 0.0, facts.radius)
    rungs = [cell * rung for rung in RUNGS if cell * rung < facts.radius]
    if len(rungs) < 2:
        return whole
    far = -(-facts.radius // cell) * cell
    middle = cell * _MIDDLE
    canvas = _pictures(2 * far + middle)

    def run(pictures: Tensor, down: int, across: int) -> Tensor:
        """The middle, computed with so much of the picture around it."""
        window = pictures[..., far - down : far + middle + down, far - across : far + middle + across]
        with torch.no_grad():
            # A fifth faster than in the other order.
            result: Tensor = network(window.contiguous(memory_format=torch.channels_last))
        top, left, side = down * facts.scale, across * facts.scale, middle * facts.scale
        return result[..., top : top + side, left : left + side]

    results = {rungs[0]: run(canvas, rungs[0], rungs[0])}
    for before, rung in pairwise(rungs):
        results[rung] = run(canvas, rung, rung)
        if _difference(results[before], results[rung]) <= STEADY:
            break
    else:
        return whole
    last = results.popitem()[1]
    beyond = _difference(run(canvas[:1], far, rung), last[:1]) + _difference(run(canvas[1:2], rung, far), last[1:2])
    for pixels, result in results.items():
        differs_by = _difference(result, last) + beyond
        if differs_by <= LIMIT:
            return Halo(pixels, differs_by, facts.radius)
    return whole


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def _pictures(side: int) -> Tensor:
    """Three pictures, N×3×side×side RGB in [0,1], always the same: things before things, grain of all sizes, and a pattern."""
    pictures = np.stack([_dead_leaves(side), _grain(side), _pattern(side)]).astype(np.float32)
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy())


def _dead_leaves(side: int) -> NDArray[np.floating]:
    """Discs before discs, their number falling with the cube of their size: edges as in photographs.

    Lee, Mumford and Huang 2001, "Occlusion Models for Natural Images".
    """
    rng = np.random.default_rng(0)
    smallest, largest = 2.0, 60.0
    picture = np.full((side, side, 3), 0.5)
    for _ in range(side * side // 60):
        share = rng.random()
        radius = (share / largest**2 + (1 - share) / smallest**2) ** -0.5
        centre = rng.random(2) * side
        first = np.maximum(np.ceil(centre - radius), 0).astype(int)
        last = np.minimum(np.floor(centre + radius), side - 1).astype(int)
        y, x = np.ogrid[first[0] : last[0] + 1, first[1] : last[1] + 1]
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
        # Mostly shades, with some colour.
        colour = np.clip(rng.random() + 0.3 * (rng.random(3) - 0.5), 0, 1)
        picture[first[0] : last[0] + 1, first[1] : last[1] + 1][inside] = colour
    return picture


def _grain(side: int) -> NDArray[np.floating]:
    """Noise whose amplitude falls with the frequency, as that of photographs does.

    Field 1987, "Relations between the statistics of natural images and the response properties of cortical cells".
    """
    rng = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = np.inf
    layers = [np.fft.ifft2(np.fft.fft2(rng.random((side, side))) / frequency).real for _ in range(4)]
    shade, *tints = [layer / layer.std() for layer in layers]
    picture: NDArray[np.floating] = 0.5 + 0.2 * shade[..., None] + 0.05 * np.stack(tints, axis=2)
    return picture.clip(0, 1)


def _pattern(side: int) -> NDArray[np.floating]:
    """White with fine dark lines that fan out: what repeats, and what is most unlike the black beyond a window."""
    y, x = np.mgrid[0:side, 0:side] / side
    lines = np.sin(2 * np.pi * (0.15 + 0.2 * x) * side * y) > 0.3
    return np.where(lines[..., None], np.array([0.2, 0.15, 0.1]), 1.0)
