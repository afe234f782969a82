"""The losses: each a pure function with its equation. Logits, not probabilities, come from discriminators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from superfine.errors import UserError
from superfine.networks.features import stride
from superfine.networks.srcnn import luma

# Pixels: results and targets are N×C×H×W.


def l1(result: Tensor, target: Tensor) -> Tensor:
    """``mean |result − target|`` over all elements; both N×C×H×W."""
    return F.l1_loss(result, target)


def mse(result: Tensor, target: Tensor) -> Tensor:
    """``mean (result − target)²`` over all elements; both N×C×H×W.

    Ledig et al. 2017, Eq. 4, measured there on pictures in [−1,1], where it is four times the value on [0,1].
    """
    return F.mse_loss(result, target)


def mse_y(result: Tensor, target: Tensor) -> Tensor:
    """``mean (Y(result) − Y(target))²``, Y that of BT.601 in limited range, [16/255, 235/255]; both N×3×H×W RGB in [0,1].

    Dong et al. 2016, Eq. 4, where SRCNN sees and makes Y alone.
    """
    return F.mse_loss(luma(result), luma(target))


def charbonnier(result: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """``mean √((result − target)² + ε²)`` over all elements; both N×C×H×W.

    Lai et al. 2017, "Deep Laplacian Pyramid Networks": L1 with a gradient that is smooth where they agree.
    """
    return ((result - target).square() + epsilon**2).sqrt().mean()


def psnr(result: Tensor, target: Tensor, *, epsilon: float = 1e-4) -> Tensor:
    """``mean over the pictures of 10 · log₁₀(MSE + ε)``: minus the PSNR in dB, as long as it is well below −10·log₁₀ ε.

    Chen et al. 2021, "HINet", §3.4 (there without ε). A benchmark's mean PSNR counts each picture's error relative to what it
    is, so that easy pictures weigh as much as hard ones; the MSE leaves them to the hard ones. ε, 40 dB, keeps flat crops,
    whose error is that of rounding, from ruling the gradient. Both N×C×H×W in [0,1].
    """
    return _decibels((result - target).square().mean(dim=(1, 2, 3)), epsilon)


CHROMA = 0.1


def mse_ycbcr(result: Tensor, target: Tensor) -> Tensor:
    """``mean ΔY² + 0.1 · (ΔCb² + ΔCr²)``, YCbCr that of BT.601 in full range, Y in [0,1], Cb and Cr in [−½,½].

    An RGB loss pays as much for an error of colour as for one of brightness; eyes see detail in brightness, and tables count
    the PSNR of Y. So the network's capacity goes there, and the tenth holds the colours. Both N×3×H×W RGB in [0,1].
    """
    return _squares_ycbcr(result - target).mean()


def psnr_ycbcr(result: Tensor, target: Tensor, *, epsilon: float = 1e-4) -> Tensor:
    """:func:`psnr` with the error of :func:`mse_ycbcr`, averaged over each picture; both N×3×H×W RGB in [0,1]."""
    return _decibels(_squares_ycbcr(result - target).mean(dim=(1, 2)), epsilon)


def _decibels(errors: Tensor, epsilon: float) -> Tensor:
    return 10.0 * (errors + epsilon).log10().mean()


def _squares_ycbcr(error: Tensor) -> Tensor:
    red, green, blue = error.unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - y) / 1.772, (red - y) / 1.402
    return y.square() + CHROMA * (cb.square() + cr.square())


PIXEL_LOSSES: dict[str, Callable[..., Tensor]] = {
    "l1": l1,
    "mse": mse,
    "mse_y": mse_y,
    "charbonnier": charbonnier,
    "psnr": psnr,
    "mse_ycbcr": mse_ycbcr,
    "psnr_ycbcr": psnr_ycbcr,
}
PSNR_LOSSES = ("psnr", "psnr_ycbcr")
"""Those of :data:`PIXEL_LOSSES` that take ``epsilon``."""


def consistency(result: Tensor, target: Tensor, *, scale: int) -> Tensor:
    """``mean |B(result) − B(target)|``, B making pictures small by MATLAB's bicubic: what both look like from afar.

    Where the network enlarges B(target), this asks that what was enlarged is made small again as it was, which LR-PSNR judges
    in the NTIRE challenges on learning the super-resolution space (Lugmayr et al. 2021, §3). The photograph's textures are
    not in it, so it holds shading and colours without blurring anything. Two small pixels at each edge are left out: in a
    network's input, they were made of what lies beyond the crop.

    Parameters
    ----------
    result, target : N×C×sH×sW in [0,1], H and W more than 4.
    """
    error = result - target
    size = error.shape[-2] // scale, error.shape[-1] // scale
    small = F.interpolate(error, size, mode="bicubic", antialias=True)  # B is linear
    return small[..., 2:-2, 2:-2].abs().mean()


CHECKERBOARD_WINDOW = 8


def checkerboard(result: Tensor, target: Tensor, *, scale: int, window: int = CHECKERBOARD_WINDOW) -> Tensor:
    """``mean |mean over a window of the pixels of one sub-pixel phase of result − target|``: what repeats every s pixels.

    Checkerboard artefacts (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts") are a pattern with the period of the
    scale: an error that depends on the phase, a pixel's place in its s×s block, and hardly on the block. So the error is taken
    apart into its s² phases (:func:`torch.nn.functional.pixel_unshuffle`), and each averaged over ``window``×``window`` blocks
    that overlap by half, where a pattern stays what it is and a texture that is not the photograph's nearly averages out: of
    a random one, 1/window is left. Its size, not its square: a pattern is seen where it is weak and all else is flat.

    Parameters
    ----------
    result, target : N×C×sH×sW, H and W of at least ``window``.
    """
    phases = F.pixel_unshuffle(result - target, scale)
    return F.avg_pool2d(phases, window, stride=window // 2).abs().mean()


ARTEFACT_WINDOW = 7


def artefacts(result: Tensor, target: Tensor, steady: Tensor, *, window: int = ARTEFACT_WINDOW) -> Tensor:
    """``mean M · |result − target|``, where M is large at what a discriminator led the generator to make up wrongly.

    Liang et al. 2022, "Details or Artifacts: A Locally Discriminative Learning Approach to Realistic Image Super-Resolution"
    (LDL), §3. With r = Σ_c |result − target|, M is the variance of r in a window around each pixel, times the fifth root of its
    variance in the whole picture; it is 0 where r is less than that of ``steady``, the result of the network's averaged
    weights, which wander less: there the network is on its way to something better. M passes no gradient. (The variances are
    divided by n, in the authors' code by n − 1.)

    Parameters
    ----------
    result, target, steady : N×C×H×W, H and W of at least half the odd ``window``.
    """
    error = (result - target).abs()
    with torch.no_grad():
        r = error.sum(1, keepdim=True)
        padded = F.pad(r, [window // 2] * 4, mode="reflect")
        mean = F.avg_pool2d(padded, window, stride=1)
        local = (F.avg_pool2d(padded.square(), window, stride=1) - mean.square()).clamp(min=0.0)
        whole = r.var(dim=(1, 2, 3), keepdim=True, correction=0) ** 0.2
        made_up = r >= (steady - target).abs().sum(1, keepdim=True)
        weight = local * whole * made_up
    return (weight * error).mean()


def total_variation(picture: Tensor, *, epsilon: float = 1e-6) -> Tensor:
    """``mean √((x[i+1,j] − x[i,j])² + (x[i,j+1] − x[i,j])² + ε²)`` over samples, channels and positions; N×C×H×W.

    Ledig et al. 2017, §2.2 of its preprint: the mean length of the gradient, which SRResNet-VGG22 adds with weight 2·10⁻⁸. The
    last row and the last column have no neighbour and are left out. ε only gives flat areas a gradient, of zero.
    """
    here = picture[..., :-1, :-1]
    down, right = picture[..., 1:, :-1] - here, picture[..., :-1, 1:] - here
    return (down.square() + right.square() + epsilon**2).sqrt().mean()


# Content: distances between the feature maps of `superfine.networks.features`, dicts of N×C×H×W by the layer's name.

SRGAN_RESCALE = 1 / 12.75
"""What SRGAN multiplies feature maps by (§3.2): its loss then has a scale that MSE on pixels has. It belongs to VGG19's
weights for ImageNet as they were published; weights whose activations are normalised want 1."""

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda a, b: (a - b).square(),
    "l1": lambda a, b: (a - b).abs(),
}
REDUCTIONS = ("mean", "positions")


def content(
    result: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    *,
    distance: str,
    reduction: str,
    rescale: float,
    window: int = 0,
    unit_length: bool = False,
) -> Tensor:
    """``Σ_layers reduce d(r·φ(result), r·φ(target))``: a distance of feature maps, with the features' rescaling r.

    SRGAN (Ledig et al. 2017, Eq. 5): ``mse``, ``positions``, r = 1/12.75, one layer after its ReLU. ESRGAN (Wang et al. 2018,
    §3.3): ``l1``, before it; its code: ``mean``, r = 1.

    With a ``window``, feature maps are averaged over it first. After its ReLU, a feature's mean says how much there is of what
    it responds to, not where, so a texture that is like the photograph's is as good as the same one. Texture matching
    (Sajjadi et al. 2017, "EnhanceNet", §4.2.3) compares Gram matrices, the means of all products of two features, in windows
    of 16 pixels.

    With ``unit_length``, the features of each position are divided by their length first, as in LPIPS (Zhang et al. 2018,
    Eq. 1): soft and dark places then count as much as strong edges.

    Parameters
    ----------
    result, target
        Feature maps by the layer's name, of the generator's picture and of the photograph. The gradient goes through
        ``result``; compute ``target`` under ``torch.no_grad()``.
    distance
        ``mse`` is ``d = (a − b)²``, so the loss grows with r²; ``l1`` is ``d = |a − b|``.
    reduction
        ``positions`` divides by N·W·H and sums over the C channels, as Eq. 5 is written; ``mean`` divides by N·C·W·H, as most
        code does, which makes it C (128 for φ2,2, 512 for φ5,4) times smaller.
    window
        Its side in pixels, so half as many positions behind each max-pooling; windows overlap by half. 0 is none.
    unit_length
        Divide the C features of each position by √(Σ_C φ² + 10⁻¹⁰), before the mean over windows.

    Raises
    ------
    UserError
        An unknown distance or reduction.
    """
    if distance not in DISTANCES:
        raise UserError(f"content distance {distance!r}: unknown; choose one of {', '.join(DISTANCES)}")
    if reduction not in REDUCTIONS:
        raise UserError(f"content reduction {reduction!r}: unknown; choose one of {', '.join(REDUCTIONS)}")
    assert result.keys() == target.keys(), "both are features of the same layers"
    terms = []
    for layer in result:
        made, wanted = result[layer], target[layer]
        if unit_length:
            made, wanted = (maps * (maps.square().sum(1, keepdim=True) + 1e-10).rsqrt() for maps in (made, wanted))
        made, wanted = made * rescale, wanted * rescale
        if window:
            side = window // stride([layer])
            made, wanted = (F.avg_pool2d(maps, side, stride=side // 2) for maps in (made, wanted))
        difference = DISTANCES[distance](made, wanted)
        if reduction == "positions":
            difference = difference.sum(1)
        terms.append(difference.mean())
    return torch.stack(terms).sum()


# Adversarial: real and fake are the discriminator's logits C(x) of photographs and of generated pictures, of any one shape.
# D = σ(C). As log σ(C) = −softplus(−C), nothing overflows however large the logits are.


def vanilla_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``−mean log D(real) − mean log(1 − D(fake))``. Goodfellow et al. 2014; Ledig et al. 2017, Eq. 2."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def vanilla_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """``−mean log D(fake)``; ``real`` is not looked at.

    Ledig et al. 2017, Eq. 6, which sums over the batch where this takes the mean; not ``log(1 − D(fake))``, whose gradient is
    gone when the discriminator is sure.
    """
    return F.softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``½ mean (C(real) − 1)² + ½ mean C(fake)²``. Mao et al. 2017, "Least Squares GAN", Eq. 9."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def least_squares_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """``½ mean (C(fake) − 1)²``; ``real`` is not looked at. Mao et al. 2017, Eq. 9."""
    return 0.5 * (fake - 1).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``mean max(0, 1 − C(real)) + mean max(0, 1 + C(fake))``. Lim and Ye 2017, "Geometric GAN"."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """``−mean C(fake)``; ``real`` is not looked at. Lim and Ye 2017."""
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``−mean log D_Ra(real, fake) − mean log(1 − D_Ra(fake, real))``, ``D_Ra(a, b) = σ(C(a) − mean C(b))``.

    Jolicoeur-Martineau 2018; Wang et al. 2018, Eq. 1. The means are over the whole batch: gather it first where several
    processes share it. (BasicSR halves both terms.)
    """
    return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()


def relativistic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """``−mean log(1 − D_Ra(real, fake)) − mean log D_Ra(fake, real)``: the discriminator's loss with the labels swapped.

    Wang et al. 2018, Eq. 2. The gradient goes through ``fake`` in both terms, in the first one through its mean; hand in
    ``real`` with its graph, and it goes through ``real`` too. (BasicSR detaches ``real``, which changes no gradient of the
    generator, and halves both terms.)
    """
    assert real is not None, "the relativistic loss compares with photographs"
    return F.softplus(real - fake.mean()).mean() + F.softplus(real.mean() - fake).mean()


def paired_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``−mean log σ(C(real) − C(fake))``: each photograph against what was made of itself, at each place.

    The relativistic pairing GAN (Jolicoeur-Martineau 2018, §4.1; Huang et al. 2024, "The GAN is dead; long live the GAN!",
    Eq. 2). In super-resolution a pair has the same content, which the difference then cancels: what is left is how real it
    looks. The relativistic average compares with other pictures, whose content is another.
    """
    return F.softplus(fake - real).mean()


def paired_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """``−mean log σ(C(fake) − C(real))``: :func:`paired_discriminator` with the labels swapped."""
    assert real is not None, "the paired loss compares with photographs"
    return F.softplus(real - fake).mean()


def gradient_penalty(logits: Tensor, pictures: Tensor) -> Tensor:
    """``½ E ‖∇ Σ C(x)‖² / P``, P the number of logits of a picture: R1, of the gradient with respect to ``pictures``.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", Eq. 9, on photographs. The division makes
    it independent of the crop where there is a logit for each patch. ``logits`` N×… were computed from ``pictures``, N×C×H×W,
    which require gradients; the result has a gradient of its own.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return 0.5 * gradient.square().sum() / logits.numel()


@dataclass(frozen=True)
class Adversarial:
    """The two sides of an adversarial loss; ``relative`` tells that the generator's side needs the logits of photographs.

    ``probability`` is the discriminator's, of the first of two sets of logits belonging to photographs if the others do not.
    """

    generator: Callable[[Tensor | None, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    relative: bool = False
    probability: Callable[[Tensor, Tensor], Tensor] = lambda logits, others: logits.sigmoid()


ADVERSARIAL_LOSSES: dict[str, Adversarial] = {
    "vanilla": Adversarial(vanilla_generator, vanilla_discriminator),
    "least-squares": Adversarial(least_squares_generator, least_squares_discriminator),
    "hinge": Adversarial(hinge_generator, hinge_discriminator),
    "relativistic": Adversarial(
        relativistic_generator,
        relativistic_discriminator,
        True,
        lambda logits, others: (logits - others.mean()).sigmoid(),
    ),
    "paired": Adversarial(
        paired_generator, paired_discriminator, True, lambda logits, others: (logits - others).sigmoid()
    ),
}
