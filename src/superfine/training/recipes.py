"""The recipes: every setting of a training run, as frozen typed values.

A recipe is a value in :data:`RECIPES`; :func:`superfine.training.settings.override` makes another one from it. There is nothing
else that a run depends on, besides the pack, the seed, the weights it starts from, the feature weights it is judged by, and a
teacher's pack.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from superfine.data.degrade import DEGRADATIONS
from superfine.errors import UserError
from superfine.losses import (
    ADVERSARIAL_LOSSES,
    CHECKERBOARD_WINDOW,
    DISTANCES,
    PIXEL_LOSSES,
    REDUCTIONS,
    SRGAN_RESCALE,
)
from superfine.networks import name_of
from superfine.networks.compact import CompactConfig
from superfine.networks.discriminators import (
    INPUTS,
    ESRGANDiscriminatorConfig,
    PatchDiscriminatorConfig,
    SRGANDiscriminatorConfig,
    UNetDiscriminatorConfig,
)
from superfine.networks.features import layer_name, stride
from superfine.networks.rrdb import RRDBConfig
from superfine.networks.srcnn import SRCNNConfig
from superfine.networks.srresnet import SRResNetConfig

PACK = "pack"
"""The degradation that was done when the pack was made: MATLAB's bicubic."""

GeneratorConfig = CompactConfig | SRCNNConfig | SRResNetConfig | RRDBConfig
DiscriminatorConfig = (
    SRGANDiscriminatorConfig | ESRGANDiscriminatorConfig | UNetDiscriminatorConfig | PatchDiscriminatorConfig
)


def _at_least(settings: Any, least: float, *names: str, prefix: str = "") -> None:
    for name in names:
        value = getattr(settings, name)
        if not least <= value < math.inf:  # also not where it is no number
            raise UserError(f"{prefix}{name}: is {value}; give {least:g} or more")


def one_of(name: str, value: str, known: Any) -> None:
    """Raise a UserError that names the setting, unless its value is one of the ``known``."""
    if value not in known:
        raise UserError(f"{name}: {value!r} is unknown; choose one of {', '.join(known)}")


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the step.

    ``kind`` "cosine": from ``rate`` along half a cosine to zero at the last step (Loshchilov and Hutter 2017, Eq. 5, without
    restarts). "step": ``rate``, multiplied by ``factor`` at each of ``milestones`` (fractions of the run). Both rise linearly
    over the first ``warmup`` steps.
    """

    kind: str = "cosine"
    rate: float = 5e-4
    warmup: int = 0
    milestones: tuple[float, ...] = ()
    factor: float = 0.5

    def __post_init__(self) -> None:
        one_of("schedule.kind", self.kind, ("cosine", "step"))
        _at_least(self, 0, "rate", "warmup", "factor", prefix="schedule.")
        if not all(0.0 <= milestone <= 1.0 for milestone in self.milestones):
            raise UserError(
                f"schedule.milestones: {self.milestones} are fractions of the run; give numbers from 0 to 1"
            )


@dataclass(frozen=True)
class Content:
    """The content loss (:func:`superfine.losses.content`) on the features of ``backbone``; ``weight`` 0 turns it off.

    ``rescale`` multiplies the features. SRGAN's 1/12.75 belongs to VGG19's published weights; weights whose activations are
    normalised to mean 1 want 1. ``window`` is the side in pixels of windows whose means are compared, instead of positions; 0
    is none. ``unit_length`` divides the features of each position by their length.
    """

    weight: float = 0.0
    backbone: str = "vgg19"
    layers: tuple[str, ...] = ("54",)
    before_activation: bool = False
    distance: str = "mse"
    reduction: str = "positions"
    rescale: float = SRGAN_RESCALE
    window: int = 0
    unit_length: bool = False

    def __post_init__(self) -> None:
        _at_least(self, 0, "weight", prefix="content.")
        if not 0.0 < self.rescale < math.inf:
            raise UserError(f"content.rescale: {self.rescale} is no factor of features; give a number above 0")
        one_of("content.distance", self.distance, DISTANCES)
        one_of("content.reduction", self.reduction, REDUCTIONS)
        apart = stride(self.names)
        if self.window < 0 or self.window % (2 * apart):
            raise UserError(
                f"content.window: {self.window} cannot be halved into the positions of {', '.join(self.layers)}; give a "
                f"multiple of {2 * apart}, or 0"
            )

    @property
    def names(self) -> list[str]:
        """The layers, each called as its convolution."""
        return [layer_name(self.backbone, layer) for layer in self.layers]


@dataclass(frozen=True)
class PixelRecipe:
    """A run of the pixel stage: a network minimises ``pixel_weight``·pixel + content + ``consistency``·|B(result) − B(target)|
    + ``checkerboard``·|what repeats every s pixels| + ``total_variation``·TV.

    ``batch`` crops of ``patch``×``patch`` low-resolution pixels per step; ``loss`` is the pixel loss, ``psnr_epsilon`` the ε of
    "psnr" and "psnr_ycbcr". ``degradation`` says how the crops were made small: "pack" takes the pack's own, by MATLAB's
    bicubic, a name in :data:`superfine.data.degrade.DEGRADATIONS` makes others from the large crops as the run goes.
    ``teacher_weight`` is the part of a teacher's results in the target, beside the photograph
    (:mod:`superfine.data.teaching`). ``optimiser`` is "adam" with ``betas``, "muon" (:class:`superfine.training.muon.Muon`), or
    "sgd" with the first of them as its momentum; the last layer learns at ``last_layer_rate`` times the rate. ``average`` is
    the decay of the weights' moving average, 0 turns it off. ``precision`` is "bf16" (autocast) or "f32".
    """

    network: GeneratorConfig
    loss: str = "l1"
    pixel_weight: float = 1.0
    psnr_epsilon: float = 1e-4
    content: Content = field(default_factory=Content)
    consistency: float = 0.0
    checkerboard: float = 0.0
    total_variation: float = 0.0
    steps: int = 100_000
    batch: int = 16
    patch: int = 48
    degradation: str = PACK
    teacher_weight: float = 0.0
    optimiser: str = "adam"
    schedule: Schedule = field(default_factory=Schedule)
    betas: tuple[float, float] = (0.9, 0.999)
    last_layer_rate: float = 1.0
    average: float = 0.999
    precision: str = "bf16"

    def __post_init__(self) -> None:
        _at_least(self, 1, "steps", "batch", "patch")
        _at_least(self, 0, "pixel_weight", "consistency", "checkerboard", "total_variation", "last_layer_rate")
        one_of("loss", self.loss, PIXEL_LOSSES)
        one_of("degradation", self.degradation, (PACK, *DEGRADATIONS))
        one_of("optimiser", self.optimiser, ("adam", "muon", "sgd"))
        one_of("precision", self.precision, ("bf16", "f32"))
        if self.consistency and self.patch < 5:
            raise UserError(f"patch: {self.patch}, but consistency leaves out two pixels at each edge; give 5 or more")
        if self.checkerboard and self.patch < CHECKERBOARD_WINDOW:
            raise UserError(
                f"patch: {self.patch}, but checkerboard looks at windows of {CHECKERBOARD_WINDOW}; give that or more"
            )
        if self.content.weight:
            names = self.content.names
            side, window = self.patch * self.network.scale, self.content.window
            least = max(stride(names), window)
            if side < least:
                raise UserError(
                    f"patch: {self.patch} makes crops of {side} HR pixels, too small for "
                    f"{f'windows of {window}' if window else max(names)}; give {math.ceil(least / self.network.scale)} or more"
                )
        if not 0.0 <= self.average < 1.0:
            raise UserError(f"average: {self.average} is outside [0, 1); 0.999 is usual, 0 turns it off")
        if not 0.0 < self.psnr_epsilon < math.inf:
            raise UserError(f"psnr_epsilon: {self.psnr_epsilon} is no error; give a number above 0, such as 1e-4")
        if not 0.0 <= self.teacher_weight <= 1.0:
            raise UserError(f"teacher_weight: {self.teacher_weight} is outside [0, 1]; 0 is without a teacher")
        if len(self.betas) != 2:
            raise UserError(f"betas: {self.betas} are not two numbers; give for instance 0.9,0.999")
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise UserError(f"betas: {self.betas} are outside [0, 1); give for instance 0.9,0.999")
        weights = self._weights()
        if not any(weights.values()):
            raise UserError(f"{', '.join(weights)}: all are 0, so nothing is learnt; give one of them")

    def _weights(self) -> dict[str, float]:
        """The weights of what can be learnt from."""
        return {
            "pixel_weight": self.pixel_weight,
            "content.weight": self.content.weight,
            "consistency": self.consistency,
        }

    @property
    def architecture(self) -> str:
        return name_of(self.network)


@dataclass(frozen=True)
class AdversarialRecipe(PixelRecipe):
    """A run of the adversarial stage: what the pixel stage minimises, plus ``adversarial_weight`` · adversarial.

    ``adversarial`` names the loss of both sides, ``discriminator_updates`` is k, its updates for each of the generator's, and
    ``discriminator_rate`` times the generator's rate is its own (two time-scales: Heusel et al. 2017).
    ``discriminator_input`` is what it looks at: "picture", or "residual", what it loses when it is made small
    (:func:`superfine.networks.discriminators.residual`). ``r1`` is γ, the weight of the gradient penalty on photographs
    (:func:`superfine.losses.gradient_penalty`), 0 turns it off. ``artefacts`` is the weight of the loss against them
    (:func:`superfine.losses.artefacts`).
    """

    discriminator: DiscriminatorConfig = field(default_factory=SRGANDiscriminatorConfig)
    adversarial: str = "vanilla"
    adversarial_weight: float = 1e-3
    discriminator_updates: int = 1
    discriminator_rate: float = 1.0
    discriminator_input: str = "picture"
    r1: float = 0.0
    artefacts: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher_weight:
            raise UserError("teacher_weight: a discriminator is to see photographs; leave it 0")
        _at_least(self, 0, "adversarial_weight", "r1", "artefacts")
        one_of("adversarial", self.adversarial, ADVERSARIAL_LOSSES)
        one_of("discriminator_input", self.discriminator_input, INPUTS)
        _at_least(self, 1, "discriminator_updates")
        if not 0.0 < self.discriminator_rate < math.inf:
            raise UserError("discriminator_rate: must be more than 0; 1 gives both networks one rate")
        side = self.patch * self.network.scale
        crop = getattr(self.discriminator, "crop", None)
        if crop not in (None, side):
            raise UserError(
                f"discriminator.crop: is {crop}, but crops have {side} HR pixels; give --set discriminator.crop={side}"
            )
        multiple = {PatchDiscriminatorConfig: 4, UNetDiscriminatorConfig: 8}.get(type(self.discriminator), 1)
        if side % multiple:
            raise UserError(
                f"patch: {self.patch} makes crops of {side} HR pixels, which the discriminator cannot halve often enough; "
                f"give a patch whose crops have a multiple of {multiple}"
            )

    def _weights(self) -> dict[str, float]:
        return super()._weights() | {"adversarial_weight": self.adversarial_weight}


_SRRESNET = SRResNetConfig()
_SRGAN = Schedule(kind="step", rate=1e-4, milestones=(0.5,), factor=0.1)
_VGG22 = Content(weight=1.0, layers=("22",))
_VGG54 = Content(weight=1.0, layers=("54",))

# Wang et al. 2018, from RRDB-PSNR's weights, §3.4 and §4.1: L_percep + 5e-3 L_RaGAN + 1e-2 L1; 1e-4, halved at 50k, 100k, 200k
# and 300k.
_ESRGAN = AdversarialRecipe(
    RRDBConfig(),
    pixel_weight=1e-2,
    content=Content(weight=1.0, before_activation=True, distance="l1", reduction="mean", rescale=1.0),
    steps=400_000,
    patch=32,
    schedule=Schedule(kind="step", rate=1e-4, milestones=(0.125, 0.25, 0.5, 0.75)),
    discriminator=ESRGANDiscriminatorConfig(),
    adversarial="relativistic",
    adversarial_weight=5e-3,
)

# The small network for everyday use. Ours, no paper's: L1 for PSNR; then L1, consistency with what was enlarged, and a
# discriminator that compares the residuals of pairs, patch by patch. No features: they are left to judge the result.
_FIDELITY = PixelRecipe(CompactConfig(), optimiser="muon", schedule=Schedule(rate=2e-3, warmup=200))
_TEXTURE = AdversarialRecipe(
    CompactConfig(),
    pixel_weight=0.2,
    consistency=1.0,
    steps=50_000,
    batch=8,
    patch=24,
    schedule=Schedule(rate=2e-4, warmup=50),
    betas=(0.5, 0.999),
    discriminator=PatchDiscriminatorConfig(),
    adversarial="paired",
    adversarial_weight=0.03,
    discriminator_input="residual",
    r1=3e-3,
)

RECIPES: dict[str, PixelRecipe] = {
    # Dong et al. 2016 §4: crops of 33 HR pixels (32 here, the multiple of 4), 128 a batch, momentum 0.9, rate 1e-4 and a
    # tenth of it in the last layer; half the summed squared error of a crop, as its framework counts, is 512 × the mean's.
    # Deviations: borders are kept instead of cut in training (the network pads), bf16 and the average are off.
    "srcnn": PixelRecipe(
        SRCNNConfig(),
        loss="mse_y",
        pixel_weight=512.0,
        steps=1_000_000,
        batch=128,
        patch=8,
        optimiser="sgd",
        schedule=Schedule(kind="step", rate=1e-4),
        last_layer_rate=0.1,
        average=0.0,
        precision="f32",
    ),
    # Ledig et al. 2017 §3.2: 16 crops of 96 HR pixels, Adam at 1e-4 for 1e6 updates, low-resolution pixels by bicubic; the
    # Gaussian filter and down-sampling of its §2 is --set degradation=gaussian. Deviations in all recipes of the paper:
    # bf16 autocast, and a moving average of the weights. The MSE is on [−1,1] there, four times that on [0,1].
    "srresnet-mse": PixelRecipe(
        _SRRESNET, loss="mse", pixel_weight=4.0, steps=1_000_000, patch=24, schedule=Schedule(kind="step", rate=1e-4)
    ),
    # §2.2 of the preprint adds a total-variation term of 2e-8 to the VGG22 loss.
    "srresnet-vgg22": PixelRecipe(
        _SRRESNET,
        pixel_weight=0.0,
        content=_VGG22,
        total_variation=2e-8,
        steps=1_000_000,
        patch=24,
        schedule=Schedule(kind="step", rate=1e-4),
    ),
    # From SRResNet-MSE's weights: 1e5 updates at 1e-4, 1e5 at 1e-5, k = 1; content + 1e-3 adversarial (Eq. 3).
    "srgan-mse": AdversarialRecipe(_SRRESNET, loss="mse", pixel_weight=4.0, steps=200_000, patch=24, schedule=_SRGAN),
    "srgan-vgg22": AdversarialRecipe(
        _SRRESNET, pixel_weight=0.0, content=_VGG22, steps=200_000, patch=24, schedule=_SRGAN
    ),
    "srgan-vgg54": AdversarialRecipe(
        _SRRESNET, pixel_weight=0.0, content=_VGG54, steps=200_000, patch=24, schedule=_SRGAN
    ),
    # Wang et al. 2018 §4.1: crops of 128 HR pixels, L1, Adam at 2e-4, halved every 2e5 of 1e6 updates.
    "rrdb-psnr": PixelRecipe(
        RRDBConfig(),
        steps=1_000_000,
        patch=32,
        schedule=Schedule(kind="step", rate=2e-4, milestones=(0.2, 0.4, 0.6, 0.8)),
    ),
    "esrgan": _ESRGAN,
    # §3.3: the features of a VGG16 trained for materials, conv5_3 before its activation; bring the file with --features.
    "esrgan-minc": replace(_ESRGAN, content=replace(_ESRGAN.content, backbone="minc", layers=("53",))),
    "compact-fidelity": _FIDELITY,
    "compact-texture": _TEXTURE,
    # The same for photographs as they are found: mostly compressed, some soft, some noisy, a few ruined.
    "compact-photo-fidelity": replace(_FIDELITY, degradation="everyday"),
    "compact-photo-texture": replace(_TEXTURE, degradation="everyday"),
}


def recipe(name: str) -> PixelRecipe:
    """The recipe called ``name``; UserError if there is none."""
    if name not in RECIPES:
        raise UserError(f"recipe {name!r}: unknown; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]
