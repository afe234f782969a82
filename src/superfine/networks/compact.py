"""The compact network: a plain stack of 3×3 convolutions that enlarges at its very end.

The layout is that of "SRVGGNetCompact", published with Real-ESRGAN (Wang et al. 2021), so its checkpoints map one to one;
sub-pixel convolution: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", §3.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from superfine.errors import UserError


@dataclass(frozen=True)
class CompactConfig:
    """``convs`` convolutions between ``channels`` and ``channels``, besides the first and the last one."""

    channels: int = 48
    convs: int = 16
    scale: int = 4

    def __post_init__(self) -> None:
        for name in ("channels", "convs", "scale"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: {getattr(self, name)} is not positive; give 1 or more")


class Compact(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×3×sH×sW RGB, nominally in [0,1] (not clipped).

    conv – PReLU, then ``convs`` times conv – PReLU, then a convolution to 3·s² channels and a pixel shuffle; the input,
    enlarged by repeating its pixels, is added, so the convolutions only have to learn the difference.

    Initialisation: He et al. 2015 (Kaiming, fan-in, gain of the PReLU's 0.25), the last convolution × 0.1 so that training
    starts near the enlarged input.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        self.radius = config.convs + 2
        body: list[nn.Module] = []
        width = 3
        for _ in range(config.convs + 1):
            body += [nn.Conv2d(width, config.channels, 3, padding=1), nn.PReLU(config.channels)]
            width = config.channels
        last = nn.Conv2d(width, 3 * config.scale**2, 3, padding=1)
        body.append(last)
        self.body = nn.Sequential(*body)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        last.weight.data.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(
            x, scale_factor=float(self.scale), mode="nearest"
        )
