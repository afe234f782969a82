"""The discriminators of SRGAN, ESRGAN and Real-ESRGAN, and one of patches: each gives logits, never probabilities."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from superfine.errors import UserError
from superfine.networks.upsampler import doubled

_SLOPE = 0.2
_POOLED = 6
"""Side of SRGAN's last feature maps for the paper's crops of 96 pixels."""


@dataclass(frozen=True)
class SRGANDiscriminatorConfig:
    """The paper's for crops of 96 HR pixels.

    Its dense layer looks at every position, so it belongs to one size of crop, ``crop``. With ``crop=None`` the last feature
    maps are averaged to 6×6 first, which is the paper's network for crops of 96 and takes any other size.
    """

    channels: int = 64
    crop: int | None = 96

    def __post_init__(self) -> None:
        _check(self.channels, self.crop, 1)


class SRGANDiscriminator(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×1 logits of being a photograph.

    Ledig et al. 2017, Fig. 4: eight 3×3 convolutions, 64 to 512 channels, strides 1 and 2 in turn, batch norm behind all but
    the first, LeakyReLU 0.2, a dense layer of 1024, one of 1. The paper's sigmoid is in the losses. Its HR pixels are in
    [−1,1]: they are mapped there here. Initialisation, which the paper does not give: see :func:`_initialise`.
    """

    def __init__(self, config: SRGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inputs = 3
        for i in range(8):
            outputs, first = config.channels * 2 ** (i // 2), i == 0
            layers.append(nn.Conv2d(inputs, outputs, 3, stride=1 + i % 2, padding=1, bias=first))
            layers += [nn.LeakyReLU(_SLOPE)] if first else [nn.BatchNorm2d(outputs), nn.LeakyReLU(_SLOPE)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        side = _POOLED if config.crop is None else -(-config.crop // 16)
        self.pool = nn.AdaptiveAvgPool2d(_POOLED) if config.crop is None else None
        self.dense = nn.Sequential(
            nn.Linear(inputs * side**2, 16 * config.channels), nn.LeakyReLU(_SLOPE), nn.Linear(16 * config.channels, 1)
        )
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        _fits(x, self.config.crop)
        features: Tensor = self.features(x * 2 - 1)
        if self.pool is not None:
            features = self.pool(features)
        logits: Tensor = self.dense(features.flatten(1))
        return logits


@dataclass(frozen=True)
class ESRGANDiscriminatorConfig:
    """ESRGAN's, for crops of 128 HR pixels; ``crop`` may be another multiple of 32."""

    channels: int = 64
    crop: int = 128

    def __post_init__(self) -> None:
        _check(self.channels, self.crop, 32)


class ESRGANDiscriminator(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×1 logits.

    The network that ESRGAN's authors trained with (BasicSR's ``VGGStyleDiscriminator``, whose names its tensors have): five
    pairs of a 3×3 convolution and a 4×4 one of stride 2, batch norm behind all but the first, LeakyReLU 0.2, a dense layer of
    100, one of 1. Initialisation: see :func:`_initialise`.
    """

    def __init__(self, config: ESRGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        inputs = 3
        for stage, factor in enumerate((1, 2, 4, 8, 8)):
            outputs = factor * config.channels
            self.add_module(f"conv{stage}_0", nn.Conv2d(inputs, outputs, 3, padding=1, bias=stage == 0))
            if stage:
                self.add_module(f"bn{stage}_0", nn.BatchNorm2d(outputs))
            self.add_module(f"conv{stage}_1", nn.Conv2d(outputs, outputs, 4, stride=2, padding=1, bias=False))
            self.add_module(f"bn{stage}_1", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.linear1 = nn.Linear(inputs * (config.crop // 32) ** 2, 100)
        self.linear2 = nn.Linear(100, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        _fits(x, self.config.crop)
        for stage in range(5):
            for half in range(2):
                x = self.get_submodule(f"conv{stage}_{half}")(x)
                if stage or half:
                    x = self.get_submodule(f"bn{stage}_{half}")(x)
                x = F.leaky_relu(x, _SLOPE)
        logits: Tensor = self.linear2(F.leaky_relu(self.linear1(x.flatten(1)), _SLOPE))
        return logits


@dataclass(frozen=True)
class UNetDiscriminatorConfig:
    """Real-ESRGAN's."""

    channels: int = 64

    def __post_init__(self) -> None:
        _check(self.channels, None, 1)


class UNetDiscriminator(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×1×H×W logits, one for each pixel. H and W are multiples of 8.

    Real-ESRGAN (Wang et al. 2021), §3.3: three halvings, three bilinear doublings, each added to the features of its size,
    and two more convolutions; spectral norm (Miyato et al. 2018) on all but the first and the last, no batch norm. As spectral
    norm divides by the largest singular value, the initialisation is torch's.
    """

    def __init__(self, config: UNetDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels

        def normed(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
            return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False))

        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(normed(width * 2**i, width * 2 ** (i + 1), 4, 2) for i in range(3))
        self.up = nn.ModuleList(normed(width * 2 ** (i + 1), width * 2**i) for i in (2, 1, 0))
        self.tail = nn.ModuleList(normed(width, width) for _ in range(2))
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height % 8 or width % 8:
            raise UserError(f"the U-Net discriminator was given {width}×{height} pixels; give it multiples of 8")
        x = F.leaky_relu(self.first(x), _SLOPE)
        skips = []
        for conv in self.down:
            skips.append(x)
            x = F.leaky_relu(conv(x), _SLOPE)
        for conv, skip in zip(self.up, reversed(skips), strict=True):
            x = doubled(x, "bilinear")
            x = F.leaky_relu(conv(x), _SLOPE) + skip
        for conv in self.tail:
            x = F.leaky_relu(conv(x), _SLOPE)
        logits: Tensor = self.last(x)
        return logits


@dataclass(frozen=True)
class PatchDiscriminatorConfig:
    """Ours, for steps that must be cheap."""

    channels: int = 32

    def __post_init__(self) -> None:
        _check(self.channels, None, 1)


class PatchDiscriminator(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×1×H/4×W/4 logits, one for each patch of 30×30 pixels. H and W are multiples of 4.

    A PatchGAN (Isola et al. 2017, §3.2.2): six convolutions, LeakyReLU 0.2, no normalisation. It begins with two 3×3
    convolutions at full size, where the patterns of a sub-pixel layer are seen, before two halvings. A crop of 96 pixels gives
    576 logits, where SRGAN's discriminator gives one. Initialisation: see :func:`_initialise`.
    """

    def __init__(self, config: PatchDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        convs = [nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)]
        convs += [nn.Conv2d(width * factor, width * 2 * factor, 4, stride=2, padding=1) for factor in (1, 2)]
        convs += [nn.Conv2d(4 * width, 4 * width, 3, padding=1)]
        layers: list[nn.Module] = [layer for conv in convs for layer in (conv, nn.LeakyReLU(_SLOPE))]
        self.features = nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 3, padding=1))
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height % 4 or width % 4:
            raise UserError(f"crop: the patch discriminator was given {width}×{height} pixels; give a multiple of 4")
        logits: Tensor = self.features(x * 2 - 1)
        return logits


def residual(picture: Tensor, scale: int) -> Tensor:
    """``½ + 4 (picture − B⁻(B(picture)))``, N×3×sH×sW in [0,1]: what a picture loses when MATLAB's bicubic makes it small.

    B⁻ enlarges again. A result has to make up just this, and in it a photograph and a result that was smooth before differ
    most. What both look like from afar is not in it: there a result of a degraded input is wrong in ways that no texture can
    mend. The factor gives it about the contrast of a picture, ½ the middle of its range.
    """
    size = picture.shape[-2:]
    small = F.interpolate(picture, (size[0] // scale, size[1] // scale), mode="bicubic", antialias=True)
    return 0.5 + 4.0 * (picture - F.interpolate(small, size, mode="bicubic", antialias=True))


INPUTS: dict[str, Callable[[Tensor, int], Tensor]] = {"picture": lambda picture, scale: picture, "residual": residual}
"""What a discriminator sees of a picture that was to be enlarged ``scale`` times: the picture as it is, or its residual."""


def _check(channels: int, crop: int | None, multiple: int) -> None:
    if channels < 1:
        raise UserError(f"channels: {channels} is not positive; give 1 or more")
    if crop is not None and (crop < 1 or crop % multiple):
        what = f"a multiple of {multiple}" if multiple > 1 else "1 or more"
        raise UserError(f"crop: the discriminator cannot look at {crop} pixels; give {what}")


def _fits(x: Tensor, crop: int | None) -> None:
    height, width = x.shape[-2:]
    if crop is not None and (height, width) != (crop, crop):
        raise UserError(
            f"crop: the discriminator is built for {crop}×{crop} pixels, not {width}×{height}; give its configuration the crop"
        )


def _initialise(network: nn.Module) -> None:
    """He et al. 2015 (Kaiming, fan-in, LeakyReLU 0.2), no biases; the last layer × 0.1, so that all logits begin near 0."""
    last = None
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            last = layer
    assert last is not None
    last.weight.data.mul_(0.1)
