"""The degradation of everyday photographs: most are only compressed, some soft or grainy, a few as bad as ``photo`` makes them.

Ours. A network that has seen nothing but :class:`Photo`, whose every sample is blurred, noisy and compressed twice, paints over
the hair and the fabric of a picture that is hardly degraded at all, and such are most that people have.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from superfine.data.degrade.checks import checked
from superfine.data.degrade.classical import Classical
from superfine.data.degrade.draws import Draws, field_generator, numbers
from superfine.data.degrade.jpeg import jpeg
from superfine.data.degrade.kernels import IDENTITY, Doubles, blur, gaussian_kernel
from superfine.data.degrade.noise import gaussian_noise
from superfine.data.degrade.photo import Photo, Range

STREAM = int.from_bytes(b"everyday", "little")
"""Of the random numbers here, so that they have nothing to do with those of :class:`Photo`."""

KERNEL = 21
"""Side of a blur's kernel in high-resolution pixels, three standard deviations of the widest at ×4 on each side."""


@dataclass(frozen=True)
class Plan:
    """What is done to one sample: 0 is no blur, no noise, no JPEG. If ``ruined``, all else is left to :class:`Photo`."""

    ruined: bool
    sigma: float
    noise: float
    grey: bool
    field: int
    quality: int

    def __str__(self) -> str:
        steps = (
            self.sigma and f"blur σ {self.sigma:.2g}",
            "bicubic",
            self.noise and f"noise {self.noise:.2g}{' grey' if self.grey else ''}",
            self.quality and f"JPEG {self.quality}",
        )
        return " · ".join(step for step in steps if step)


@dataclass(frozen=True)
class Everyday:
    """Each sample has its own chances, independent of each other.

    Parameters
    ----------
    ruined : probability of being degraded by ``ruin`` instead of by what follows.
    blurred, sigma : probability of a Gaussian blur, and its standard deviation in low-resolution pixels.
    noisy, noise, grey : probability of Gaussian noise after MATLAB's bicubic, its standard deviation in 8-bit levels, and
        the probability that it is grey.
    compressed, quality : probability of JPEG, and its quality.
    """

    ruined: float = 0.25
    blurred: float = 0.4
    sigma: Range = (0.1, 0.7)
    noisy: float = 0.4
    noise: Range = (0.5, 8.0)
    grey: float = 0.4
    compressed: float = 0.75
    quality: tuple[int, int] = (40, 98)
    ruin: Photo = field(default_factory=Photo)

    def plan(self, *, seed: int, step: int, samples: range) -> list[Plan]:
        """Draw what is done to the samples of batch ``step`` that have these numbers in the batch of all processes."""
        draws = Draws(seed=seed, step=step, samples=samples, words=16, stream=STREAM)
        ruined = draws.uniform() < self.ruined
        sigma = np.where(draws.uniform() < self.blurred, draws.uniform(*self.sigma), 0.0)
        noise = np.where(draws.uniform() < self.noisy, draws.uniform(*self.noise), 0.0)
        grey, words = draws.uniform() < self.grey, draws.words()
        quality = np.where(draws.uniform() < self.compressed, draws.integer(*self.quality), 0)
        return [
            Plan(bool(ruined[n]), float(sigma[n]), float(noise[n]), bool(grey[n]), int(words[n]), int(quality[n]))
            for n in range(len(samples))
        ]

    def describe(self, *, scale: int, seed: int, step: int, samples: range) -> list[str]:
        """What happens to each of the samples, for people."""
        bad = self.ruin.describe(scale=scale, seed=seed, step=step, samples=samples)
        plans = self.plan(seed=seed, step=step, samples=samples)
        return [ruin if plan.ruined else str(plan) for plan, ruin in zip(plans, bad, strict=True)]

    @torch.no_grad()
    def __call__(self, hr: Tensor, *, scale: int, seed: int, step: int, part: slice = slice(None)) -> Tensor:
        """Degrade a batch on its device; arguments, result and errors are those of :class:`Photo`."""
        checked(hr, scale)
        if hr.device.type not in ("cpu", "cuda"):  # as in Photo
            return self(hr.cpu(), scale=scale, seed=seed, step=step, part=part).to(hr.device)
        samples = numbers(part, len(hr))
        plans = self.plan(seed=seed, step=step, samples=samples)
        kernels = [_kernel(plan.sigma * scale) for plan in plans]
        small = Classical()(blur(hr, kernels) if plans else hr, scale=scale)
        for n, plan in enumerate(plans):
            if plan.noise and not plan.ruined:
                generator = field_generator(plan.field, hr.device)
                small[n] = gaussian_noise(small[n], sigma=plan.noise, grey=plan.grey, generator=generator)
        todo = [n for n, plan in enumerate(plans) if plan.quality and not plan.ruined]
        if todo:
            small[todo] = jpeg(small[todo], np.array([plans[n].quality for n in todo]))
        for n, plan in enumerate(plans):
            if plan.ruined:
                only = slice(samples[n], samples[n] + 1)
                small[n] = self.ruin(hr[n : n + 1], scale=scale, seed=seed, step=step, part=only)[0]
        return small.mul_(255).round_().clamp_(0, 255).div_(255)


def _kernel(sigma: float) -> Doubles:
    """Of a blur of ``sigma`` high-resolution pixels."""
    return gaussian_kernel(KERNEL, sigma=(sigma, sigma)) if sigma else IDENTITY
