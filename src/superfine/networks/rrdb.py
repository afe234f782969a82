"""RRDB, the generator of ESRGAN: residual-in-residual dense blocks.

Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", §3.1, Fig. 3 and 4. The names of the
tensors are those of BasicSR and Real-ESRGAN, so that checkpoints go both ways. ×2 by pixel unshuffle: Real-ESRGAN (Wang et
al. 2021), §3.3.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from superfine.errors import UserError
from superfine.networks import upsampler
from superfine.networks.fold import NormedConv
from superfine.networks.upsampler import Upsampler

BLOCKS = ("rrdb", "residual")

_SLOPE = 0.2
_RESIDUAL = 0.2
"""β of Fig. 4: the share of a residual that is added."""
_CONVS = 5
_DENSE = 3


@dataclass(frozen=True)
class RRDBConfig:
    """The default is the paper's network; ``blocks=16`` is its smaller one.

    ``block`` and ``batch_norm`` are for the paper's ablation (Fig. 8): ``residual`` has the plain blocks of SRGAN's generator
    (conv – LeakyReLU – conv), two convolutions each; its network there has 16. ``batch_norm`` puts one behind each convolution
    of the trunk. ``scale`` is 4, or 2: the network for ×4 on the picture unshuffled to half its size and 12 channels.
    """

    channels: int = 64
    growth: int = 32
    blocks: int = 23
    scale: int = 4
    block: str = "rrdb"
    batch_norm: bool = False
    upsampler: str = "nearest"

    def __post_init__(self) -> None:
        for name in ("channels", "growth", "blocks"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: {getattr(self, name)} is not positive; give 1 or more")
        if self.scale not in (2, 4):
            raise UserError(f"scale: {self.scale} is none of RRDB's; give 2 or 4")
        if self.block not in BLOCKS:
            raise UserError(f"block: {self.block!r} is unknown; choose one of {', '.join(BLOCKS)}")
        upsampler.check(self.upsampler)


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the input and the results of all before it; x + 0.2 · the last one's."""

    def __init__(self, channels: int, growth: int, *, batch_norm: bool) -> None:
        super().__init__()
        for i in range(_CONVS):
            outputs = channels if i == _CONVS - 1 else growth
            setattr(self, f"conv{i + 1}", _conv(channels + i * growth, outputs, batch_norm=batch_norm))
        self.act = nn.LeakyReLU(_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for i in range(_CONVS - 1):
            seen.append(self.act(getattr(self, f"conv{i + 1}")(torch.cat(seen, 1))))
        y: Tensor = getattr(self, f"conv{_CONVS}")(torch.cat(seen, 1))
        return x + y * _RESIDUAL


class RRDB(nn.Module):
    """Three dense blocks; x + 0.2 · their result."""

    def __init__(self, channels: int, growth: int, *, batch_norm: bool) -> None:
        super().__init__()
        for i in range(_DENSE):
            setattr(self, f"rdb{i + 1}", DenseBlock(channels, growth, batch_norm=batch_norm))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(_DENSE):
            y = getattr(self, f"rdb{i + 1}")(y)
        return x + y * _RESIDUAL


class ResidualBlock(nn.Module):
    """x + conv(LeakyReLU(conv(x))): the block that RRDBs replace."""

    def __init__(self, channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels, batch_norm=batch_norm)
        self.conv2 = _conv(channels, channels, batch_norm=batch_norm)
        self.act = nn.LeakyReLU(_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.act(self.conv1(x)))
        return x + y


class RRDBNet(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×3×sH×sW RGB, nominally in [0,1] (not clipped).

    At ×2 the picture is unshuffled in cells of 2×2 pixels, counted from its first row and column; an odd side is continued by
    its edge pixel and what this adds is cut off the result. A window of a larger picture therefore gives the same as the whole
    only where it begins at an even row and column: at a multiple of ``multiple``.

    Initialisation (§3.1 asks for a smaller one): He et al. 2015 for LeakyReLU, the convolutions of the blocks × 0.1 where
    no batch norm follows, which would undo it, and the last convolution × 0.1.
    """

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        self.multiple = 4 // config.scale
        width, batch_norm = config.channels, config.batch_norm
        self.conv_first = nn.Conv2d(3 * self.multiple**2, width, 3, padding=1)
        self.body = nn.Sequential(*(_block(config) for _ in range(config.blocks)))
        self.conv_body = _conv(width, width, batch_norm=batch_norm)
        self.conv_up1 = _up(width, config.upsampler)
        self.conv_up2 = _up(width, config.upsampler)
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)
        self.act = nn.LeakyReLU(_SLOPE, inplace=True)
        self.radius = _radius(config)

        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        damped = [] if batch_norm else [layer for layer in self.body.modules() if isinstance(layer, nn.Conv2d)]
        for conv in [*damped, self.conv_last]:
            conv.weight.data.mul_(0.1)
        upsampler.initialise([*self.conv_up1.modules(), *self.conv_up2.modules()], config.upsampler, _SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv_first(x if self.multiple == 1 else F.pixel_unshuffle(pad_even(x), 2))
        features = features + self.conv_body(self.body(features))
        for conv in (self.conv_up1, self.conv_up2):
            if self.config.upsampler == "nearest":
                features = upsampler.doubled(features, "nearest")
            features = self.act(conv(features))
        hr: Tensor = self.conv_last(self.act(self.conv_hr(features)))
        return hr if self.multiple == 1 else crop_to_double(hr, x)


# Both depend on the picture's size, which a trace of the network cannot show, so the trace keeps them whole.
@fx.wrap
def pad_even(x: Tensor) -> Tensor:
    """Continue N×C×H×W by its last row and column where there is an odd number of them."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")


@fx.wrap
def crop_to_double(y: Tensor, x: Tensor) -> Tensor:
    """The first 2H rows and 2W columns of ``y``, for ``x`` of H×W."""
    height, width = x.shape[-2:]
    return y[..., : 2 * height, : 2 * width]


def _conv(inputs: int, outputs: int, *, batch_norm: bool) -> nn.Module:
    """A 3×3 convolution; without batch norm a plain one, which has the tensors' published names."""
    if batch_norm:
        return NormedConv(inputs, outputs, 3, batch_norm=True)
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _block(config: RRDBConfig) -> nn.Module:
    if config.block == "residual":
        return ResidualBlock(config.channels, batch_norm=config.batch_norm)
    return RRDB(config.channels, config.growth, batch_norm=config.batch_norm)


def _up(channels: int, kind: str) -> nn.Module:
    """One doubling; of ``nearest`` the convolution only, so that it has its published name."""
    return nn.Conv2d(channels, channels, 3, padding=1) if kind == "nearest" else Upsampler(channels, kind)


def _radius(config: RRDBConfig) -> int:
    """The receptive field's radius in LR pixels: the greatest of all rows that the network makes of one of its own."""
    cell = 4 // config.scale
    trunk = config.blocks * (_DENSE * _CONVS if config.block == "rrdb" else 2) + 2
    radius = 0
    for row in range(4):
        first, last = row - 2, row + 2
        for _ in range(2):
            first, last = upsampler.seen(config.upsampler, first, last)
        own = row // config.scale
        radius = max(radius, own - (first - trunk) * cell, (last + trunk) * cell + cell - 1 - own)
    return radius
