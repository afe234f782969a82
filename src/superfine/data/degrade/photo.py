"""The degradation of photographs: blur, resize, noise and JPEG at random, twice, as in Real-ESRGAN.

Source: Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", §3 and §4.1, and
the settings of its public ×4 model. It happens in two steps: :meth:`Photo.plan` draws what is to be done to each sample (a
few numbers, on the CPU), then it is done (on the device).

Deviations from the public code:

- Every sample has its own resizing factors and its own kinds of noise. There a batch shares them, and a pool of 180 pairs
  mixes the batches; a pool is a state that would have to be saved, and differ between one process and several.
- The high-resolution picture is not sharpened first.
- The JPEG codec is exact (see ``jpeg.py``), its qualities are integers.
- There, crops of 400² are degraded and then cropped to 256², so that no edge is seen. Here the crop is degraded as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from superfine.data.degrade.checks import checked
from superfine.data.degrade.draws import Draws, field_generator, numbers
from superfine.data.degrade.jpeg import jpeg
from superfine.data.degrade.kernels import IDENTITY, SHAPES, Doubles, blur, gaussian_kernel, sinc_kernel
from superfine.data.degrade.noise import gaussian_noise, poisson_noise

RESIZES = ("area", "bilinear", "bicubic")
WORDS_PER_SAMPLE = 64

Range = tuple[float, float]


@dataclass(frozen=True)
class Pass:
    """The distributions of one pass; ranges are uniform, noise is in 8-bit levels.

    Parameters
    ----------
    blur : probability of any blur at all.
    kernel : smallest and largest side of a blur kernel; odd numbers.
    sinc : probability of a sinc filter instead of a Gaussian one.
    shapes : weights of the kinds of Gaussian: isotropic and anisotropic Gaussian, generalised, plateau.
    sigma : of the Gaussian kernels, in pixels, along each axis.
    generalised_beta, plateau_beta : the exponents; half of the kernels have one below 1, half above.
    resize : weights of enlarging, shrinking, keeping the size.
    factor : of the resizing: the lower end when shrinking, the upper one when enlarging.
    gaussian : probability of Gaussian noise; Poisson noise otherwise.
    noise : standard deviation of Gaussian noise.
    poisson : strength of Poisson noise.
    grey : probability that the noise is grey.
    quality : of JPEG.
    """

    sigma: Range
    factor: Range
    resize: tuple[float, float, float]
    noise: Range
    poisson: Range
    blur: float = 1.0
    kernel: tuple[int, int] = (7, 21)
    sinc: float = 0.1
    shapes: tuple[float, float, float, float, float, float] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    generalised_beta: Range = (0.5, 4.0)
    plateau_beta: Range = (1.0, 2.0)
    gaussian: float = 0.5
    grey: float = 0.4
    quality: tuple[int, int] = (30, 95)


@dataclass(frozen=True)
class Blur:
    """A drawn kernel, and its name for people."""

    kernel: Doubles
    name: str


NO_BLUR = Blur(IDENTITY, "")


@dataclass(frozen=True)
class Steps:
    """One pass as it was drawn for one sample."""

    blur: Blur
    factor: float
    resize: str
    noise: str
    strength: float
    grey: bool
    field: int
    quality: int

    def __str__(self) -> str:
        kind = "noise" if self.noise == "Gaussian" else self.noise
        noise = f"{kind} {self.strength:.2g}{' grey' if self.grey else ''}"
        blurred = f"{self.blur.name} · " if self.blur.name else ""
        return f"{blurred}×{self.factor:.2f} {self.resize} · {noise} · JPEG {self.quality}"


@dataclass(frozen=True)
class Plan:
    """All that is done to one sample: two passes, then the size wanted and perhaps a sinc filter.

    ``sharpened_last`` tells whether the last two come after the second JPEG or before it.
    """

    first: Steps
    second: Steps
    resize: str
    sinc: Blur
    sharpened_last: bool

    def __str__(self) -> str:
        last = self.resize + (f", {self.sinc.name}" if self.sinc.name else "")
        return f"{self.first} | {self.second} | {last} {'after' if self.sharpened_last else 'before'} JPEG"


@dataclass(frozen=True)
class Photo:
    """Real-ESRGAN's distributions; ``sinc`` is the probability of the last filter."""

    first: Pass = Pass(
        sigma=(0.2, 3.0), factor=(0.15, 1.5), resize=(0.2, 0.7, 0.1), noise=(1.0, 30.0), poisson=(0.05, 3.0)
    )
    second: Pass = Pass(
        blur=0.8, sigma=(0.2, 1.5), factor=(0.3, 1.2), resize=(0.3, 0.4, 0.3), noise=(1.0, 25.0), poisson=(0.05, 2.5)
    )
    sinc: float = 0.8

    def plan(self, *, seed: int, step: int, samples: range) -> list[Plan]:
        """Draw what is done to the samples of batch ``step`` that have these numbers in the batch of all processes."""
        draws = Draws(seed=seed, step=step, samples=samples, words=WORDS_PER_SAMPLE)
        first, second = _draw(self.first, draws), _draw(self.second, draws)
        resize, any_sinc, last = draws.choice((1, 1, 1)), draws.uniform() < self.sinc, draws.uniform() < 0.5
        size, cutoff = 2 * draws.integer(3, 10) + 1, draws.uniform(math.pi / 3, math.pi)
        return [
            Plan(
                first[n],
                second[n],
                RESIZES[resize[n]],
                _sinc(int(size[n]), float(cutoff[n])) if any_sinc[n] else NO_BLUR,
                bool(last[n]),
            )
            for n in range(len(samples))
        ]

    def describe(self, *, scale: int, seed: int, step: int, samples: range) -> list[str]:
        """What happens to each of the samples, for people."""
        return [str(plan) for plan in self.plan(seed=seed, step=step, samples=samples)]

    @torch.no_grad()
    def __call__(self, hr: Tensor, *, scale: int, seed: int, step: int, part: slice = slice(None)) -> Tensor:
        """Degrade a batch on its device.

        Parameters
        ----------
        hr : N×3×H×W float32 RGB in [0,1], H and W multiples of ``scale``.
        seed, step : of the run and of the batch; they decide all that is random.
        part : which of the whole batch's samples these are, as for :class:`superfine.data.Batches`.

        Returns
        -------
        N×3×H/s×W/s float32 RGB in [0,1], rounded to 8 bits.

        Raises
        ------
        ValueError
            Another shape or dtype, or sides that are no multiples of ``scale``.
        """
        checked(hr, scale)
        if hr.device.type not in ("cpu", "cuda"):  # others lack Poisson numbers, or pooling to any size
            return self(hr.cpu(), scale=scale, seed=seed, step=step, part=part).to(hr.device)
        plans = self.plan(seed=seed, step=step, samples=numbers(part, len(hr)))
        if not plans:
            return hr[:, :, ::scale, ::scale]
        size = hr.shape[2] // scale, hr.shape[3] // scale
        blurred = blur(hr, [plan.first.blur.kernel for plan in plans])
        # From here to the last resize the pictures differ in size.
        small = torch.cat([_one(blurred[n : n + 1], plan, size) for n, plan in enumerate(plans)])
        small = blur(small, [plan.sinc.kernel for plan in plans])
        todo = [n for n, plan in enumerate(plans) if not plan.sharpened_last]
        if todo:
            small[todo] = jpeg(small[todo], np.array([plans[n].second.quality for n in todo]))
        return small.mul_(255).round_().clamp_(0, 255).div_(255)


def _one(picture: Tensor, plan: Plan, size: tuple[int, int]) -> Tensor:
    """One picture 1×3×H×W from behind its first blur to the size wanted."""
    height, width = picture.shape[2:]
    picture = _resized(picture, (height * plan.first.factor, width * plan.first.factor), plan.first.resize)
    picture = _noisy(picture, plan.first)
    picture = jpeg(picture, np.array([plan.first.quality]))
    picture = blur(picture, [plan.second.blur.kernel])
    picture = _resized(picture, (size[0] * plan.second.factor, size[1] * plan.second.factor), plan.second.resize)
    picture = _noisy(picture, plan.second)
    if plan.sharpened_last:
        picture = jpeg(picture, np.array([plan.second.quality]))
    return _resized(picture, size, plan.resize)


def _resized(picture: Tensor, size: tuple[float, float], method: str) -> Tensor:
    """Without antialiasing but for "area", as in the public code: shrunken pictures of bad software alias."""
    target = [max(1, int(side)) for side in size]
    return picture if target == list(picture.shape[2:]) else F.interpolate(picture, target, mode=method)


def _noisy(picture: Tensor, steps: Steps) -> Tensor:
    generator = field_generator(steps.field, picture.device)
    if steps.noise == "Gaussian":
        return gaussian_noise(picture[0], sigma=steps.strength, grey=steps.grey, generator=generator)[None]
    return poisson_noise(picture[0], strength=steps.strength, grey=steps.grey, generator=generator)[None]


def _draw(of: Pass, draws: Draws) -> list[Steps]:
    """One pass for all samples. Every sample takes the same numbers, whether they are used or not."""
    blurs = _draw_blur(of, draws)
    direction = draws.choice(of.resize)
    enlarged, shrunk = draws.uniform(1.0, of.factor[1]), draws.uniform(of.factor[0], 1.0)
    factor = np.select([direction == 0, direction == 1], [enlarged, shrunk], 1.0)
    resize = draws.choice((1, 1, 1))
    gaussian = draws.uniform() < of.gaussian
    strength = np.where(gaussian, draws.uniform(*of.noise), draws.uniform(*of.poisson))
    grey, field, quality = draws.uniform() < of.grey, draws.words(), draws.integer(*of.quality)
    return [
        Steps(
            blur,
            float(factor[n]),
            RESIZES[resize[n]],
            "Gaussian" if gaussian[n] else "Poisson",
            float(strength[n]),
            bool(grey[n]),
            int(field[n]),
            int(quality[n]),
        )
        for n, blur in enumerate(blurs)
    ]


def _draw_blur(of: Pass, draws: Draws) -> list[Blur]:
    any_blur, is_sinc = draws.uniform() < of.blur, draws.uniform() < of.sinc
    size = 2 * draws.integer(of.kernel[0] // 2, of.kernel[1] // 2) + 1
    lowest = np.where(size < 13, math.pi / 3, math.pi / 5)
    cutoff = lowest + (math.pi - lowest) * draws.uniform()
    shape, sigma = draws.choice(of.shapes), np.stack([draws.uniform(*of.sigma), draws.uniform(*of.sigma)], 1)
    angle = draws.uniform(-math.pi, math.pi)
    below = draws.uniform() < 0.5
    generalised, plateau = (
        np.where(below, draws.uniform(low, 1.0), draws.uniform(1.0, high))
        for low, high in (of.generalised_beta, of.plateau_beta)
    )
    blurs = []
    for n in range(len(size)):
        if not any_blur[n]:
            blurs.append(NO_BLUR)
        elif is_sinc[n]:
            blurs.append(_sinc(int(size[n]), float(cutoff[n])))
        else:
            kind, anisotropic = divmod(int(shape[n]), 2)
            beta = float((generalised if kind == 1 else plateau)[n])
            axes = float(sigma[n, 0]), float(sigma[n, anisotropic])
            kernel = gaussian_kernel(int(size[n]), sigma=axes, angle=float(angle[n]), shape=SHAPES[kind], beta=beta)
            width = f"σ {axes[0]:.1f}" + (f"/{axes[1]:.1f}" if anisotropic else "")
            blurs.append(
                Blur(kernel, f"{SHAPES[kind] if kind else 'blur'} {width}" + (f" β {beta:.1f}" if kind else ""))
            )
    return blurs


def _sinc(size: int, cutoff: float) -> Blur:
    return Blur(sinc_kernel(size, cutoff), f"sinc {cutoff / math.pi:.2f}π")
