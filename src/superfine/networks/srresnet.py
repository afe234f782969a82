"""SRResNet, the generator of SRGAN.

Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", Fig. 4;
sub-pixel convolution: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", §3.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from superfine.errors import UserError
from superfine.networks import upsampler
from superfine.networks.fold import NormedConv
from superfine.networks.upsampler import Upsampler

_OUTER = 9
_INNER = 3


@dataclass(frozen=True)
class SRResNetConfig:
    """The paper's network is the default one; ``scale`` may be 2, 4 or 8, and ``batch_norm=False`` is the folded one.

    ``upsampler`` is one of :data:`superfine.networks.upsampler.UPSAMPLERS`; the paper's is ``subpixel``.
    """

    channels: int = 64
    blocks: int = 16
    scale: int = 4
    batch_norm: bool = True
    upsampler: str = "subpixel"

    def __post_init__(self) -> None:
        for name in ("channels", "blocks"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: {getattr(self, name)} is not positive; give 1 or more")
        if self.scale not in (2, 4, 8):
            raise UserError(f"scale: {self.scale} is none of SRResNet's; give 2, 4 or 8")
        upsampler.check(self.upsampler)


class ResidualBlock(nn.Module):
    """x + conv(PReLU(conv(x))), each convolution with batch norm."""

    def __init__(self, channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.first = NormedConv(channels, channels, _INNER, batch_norm=batch_norm)
        self.act = nn.PReLU(channels)
        self.second = NormedConv(channels, channels, _INNER, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.act(self.first(x)))
        return x + y


class SRResNet(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×3×sH×sW RGB, nominally in [0,1] (not clipped).

    The paper's network speaks of HR pixels in [−1,1] (§3.2). Its last layer does so here too; half of it plus one half
    is returned. A mean squared error on [−1,1], as the paper trains with, is therefore four times the one on this output.

    The paper does not say whether the PReLU's slope is shared by the channels; public code has both. It is one for each
    channel here, the main form in He et al. 2015, into which a checkpoint with shared slopes loads by repeating them.
    The PReLU of an up-sampling step comes after the pixel shuffle, as drawn in Fig. 4.

    Initialisation (the paper gives none): He et al. 2015 (Kaiming, fan-in, gain of the PReLU's 0.25), the last convolution
    × 0.1 so that training starts near mid-grey. Without batch norm the second convolution of each block is × 0.1 too, lest
    the variance doubles from block to block (Wang et al. 2018, §3.1 scale residuals for the same reason).
    """

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        width, batch_norm = config.channels, config.batch_norm
        self.head = nn.Sequential(nn.Conv2d(3, width, _OUTER, padding=_OUTER // 2), nn.PReLU(width))
        blocks = [ResidualBlock(width, batch_norm=batch_norm) for _ in range(config.blocks)]
        self.blocks = nn.Sequential(*blocks)
        self.trunk = NormedConv(width, width, _INNER, batch_norm=batch_norm)
        doublings = config.scale.bit_length() - 1
        up: list[nn.Module] = []
        for _ in range(doublings):
            up += [*Upsampler(width, config.upsampler), nn.PReLU(width)]
        self.up = nn.Sequential(*up)
        self.last = nn.Conv2d(width, 3, _OUTER, padding=_OUTER // 2)
        self.radius = _radius(config.blocks, doublings, config.upsampler)

        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for damped in [self.last, *(block.second.conv for block in blocks if not batch_norm)]:
            damped.weight.data.mul_(0.1)
        upsampler.initialise(self.up, config.upsampler, slope=0.25)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)
        features = features + self.trunk(self.blocks(features))
        *up, shuffle, act = self.up
        if self.training and isinstance(shuffle, nn.PixelShuffle) and isinstance(act, nn.PReLU):
            # As below, in less time; what is exported has the layers as they are drawn.
            for layer in up:
                features = layer(features)
            features = F.prelu(features, act.weight.repeat_interleave(4))
            hr = upsampler.conv_of_shuffled(features, self.last)
        else:
            hr = self.last(self.up(features))
        return hr * 0.5 + 0.5


def _radius(blocks: int, doublings: int, kind: str) -> int:
    """The receptive field's radius in LR pixels: the greatest of all rows that one LR row becomes."""
    radius = 0
    for row in range(2**doublings):
        first, last = row - _OUTER // 2, row + _OUTER // 2
        for _ in range(doublings):
            first, last = upsampler.seen(kind, first, last)
        radius = max(radius, -first, last)
    return radius + (2 * blocks + 1) * (_INNER // 2) + _OUTER // 2
