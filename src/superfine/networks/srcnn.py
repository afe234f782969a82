"""SRCNN: three convolutions on the luma of the bicubically enlarged picture.

Dong et al. 2016, "Image Super-Resolution Using Deep Convolutional Networks", §3.1; 9-1-5 and its larger forms: §4.3.2.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from superfine.errors import UserError

KERNELS: dict[str, tuple[int, int, int]] = {"9-1-5": (9, 1, 5), "9-3-5": (9, 3, 5), "9-5-5": (9, 5, 5)}

_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""ITU-R BT.601, limited range, of RGB in [0,1]; plus 16/255."""
_CHROMA_KEPT = 255 / 219
"""What R, G and B each gain when Y gains one and Cb and Cr stay."""


@dataclass(frozen=True)
class SRCNNConfig:
    """``kernels`` is one of :data:`KERNELS`; ``channels`` and ``mapped`` are the paper's n1 and n2; any whole ``scale``.

    ``start``: how the weights begin. ``gaussian`` is the paper's (§3.3: standard deviation 0.001, no biases), from which it
    took 8·10⁸ back-propagations; ``kaiming`` is He et al. 2015, which learns in minutes; ``identity`` is the same, but the
    first filter of each layer passes the luma on, the others see what differs from its mean, and what they add is a hundredth
    of it, so that training begins at the bicubic picture.
    """

    kernels: str = "9-1-5"
    channels: int = 64
    mapped: int = 32
    scale: int = 4
    start: str = "kaiming"

    def __post_init__(self) -> None:
        for name in ("channels", "mapped"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: {getattr(self, name)} is not positive; give 1 or more")
        if self.scale < 2:
            raise UserError(f"scale: {self.scale} does not enlarge; give 2 or more")
        if self.kernels not in KERNELS:
            raise UserError(f"kernels: {self.kernels!r} is none of SRCNN's; choose one of {', '.join(KERNELS)}")
        if self.start not in ("kaiming", "gaussian", "identity"):
            raise UserError(f"start: {self.start!r} is unknown; choose kaiming, gaussian or identity")


class SRCNN(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to N×3×sH×sW RGB, nominally in [0,1] (not clipped).

    The picture is enlarged by MATLAB's bicubic, as in the paper. The network sees its luma Y (BT.601, limited range, so
    16/255 … 235/255) and replaces it; Cb and Cr stay the bicubic ones. As RGB is linear in Y, Cb and Cr, this is
    ``bicubic + 255/219 · (Y′ − Y)`` for R, G and B alike: :func:`luma` of the result is Y′ itself, and grey stays grey.

    The convolutions add no border, as in the paper's training; the luma is continued by its edge pixels beforehand, so that
    the size stays.

    ``precision`` "f32": the luma itself passes through the layers, not a correction of it, and bfloat16 would round it to 8
    bits at each of them. Measured on Set5: 0.03 dB.
    """

    precision = "f32"

    def __init__(self, config: SRCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        first, second, third = KERNELS[config.kernels]
        self.enlarge = Bicubic(config.scale)
        self.conv1 = nn.Conv2d(1, config.channels, first)
        self.conv2 = nn.Conv2d(config.channels, config.mapped, second)
        self.conv3 = nn.Conv2d(config.mapped, 1, third)
        self.border = (first + second + third - 3) // 2
        self.radius = _radius(config.scale, self.border)
        self.act = nn.ReLU()

        for conv in (self.conv1, self.conv2, self.conv3):
            if config.start == "gaussian":
                nn.init.normal_(conv.weight, std=1e-3)
            else:
                nn.init.kaiming_normal_(conv.weight, nonlinearity="linear" if conv is self.conv3 else "relu")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        if config.start == "identity":
            # Filters of mean 0, wherever they see the luma: others would follow its level, and be on or off for good.
            self.conv1.weight.data -= self.conv1.weight.data.mean(dim=(2, 3), keepdim=True)
            self.conv2.weight.data[:, 0] -= self.conv2.weight.data[:, 0].mean(dim=(1, 2), keepdim=True)
            self.conv1.weight.data[0] = 0.0
            self.conv2.weight.data[0] = 0.0
            self.conv3.weight.data *= 0.01
            self.conv3.weight.data[0, 0] = 0.0
            for conv in (self.conv1, self.conv2, self.conv3):
                middle = conv.kernel_size[0] // 2
                conv.weight.data[0, 0, middle, middle] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        bicubic: Tensor = self.enlarge(x)
        y = luma(bicubic)
        wide = F.pad(y, (self.border,) * 4, mode="replicate")
        better: Tensor = self.conv3(self.act(self.conv2(self.act(self.conv1(wide)))))
        return bicubic + (better - y) * _CHROMA_KEPT


def luma(rgb: Tensor) -> Tensor:
    """Y of BT.601 in limited range, N×1×H×W in [16/255, 235/255], of N×3×H×W RGB in [0,1]."""
    red, green, blue = _LUMA
    return rgb[:, 0:1] * red + rgb[:, 1:2] * green + rgb[:, 2:3] * blue + 16 / 255


class Bicubic(nn.Module):
    """MATLAB's bicubic enlargement by a whole factor: N×C×H×W to N×C×sH×sW, any range.

    Keys 1981, Eq. 15, a = −0.5, on a picture that goes on with its edge pixels. torch's ``bicubic`` has a = −0.75; with
    ``antialias`` it has −0.5, and widens the kernel only when it shrinks, but leaves out what lies beyond the edge: so the two
    pixels that the kernel may want there are added before, and cut off afterwards.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        wide = F.pad(x, (2, 2, 2, 2), mode="replicate")
        fine = F.interpolate(wide, scale_factor=float(self.scale), mode="bicubic", antialias=True)
        edge = 2 * self.scale
        return fine[..., edge:-edge, edge:-edge]


def _radius(scale: int, border: int) -> int:
    """The receptive field's radius in LR pixels: how far the bicubic under the outermost enlarged pixel looks."""
    radius = 2
    for position in range(scale):
        # u = (position − border + 1/2)/s − 1/2 in LR pixels; whole numbers are looked at alone.
        whole, rest = divmod(2 * (position - border) + 1 - scale, 2 * scale)
        radius = max(radius, -(whole if rest == 0 else whole - 1))
    return radius
