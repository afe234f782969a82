"""Ways to double the height and the width of feature maps, one of which a network's configuration names.

Sub-pixel convolution: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", §3; its initialisation ICNR:
Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", §3.2; enlarging by interpolation before a convolution:
Odena et al. 2016, "Deconvolution and Checkerboard Artifacts".
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from superfine.errors import UserError

UPSAMPLERS = ("subpixel", "subpixel-icnr", "nearest", "bilinear", "transposed")


class Upsampler(nn.Sequential):
    """Maps N×C×H×W to N×C×2H×2W, without an activation.

    ========================  ==============================================================================================
    ``subpixel``              3×3 convolution to 4·C channels, pixel shuffle
    ``subpixel-icnr``         the same, begun so that it repeats pixels; it differs from the one above only by its first weights
    ``nearest``, ``bilinear`` enlarged by interpolation (bilinear: pixel centres, as when a picture is resized), 3×3 convolution
    ``transposed``            4×4 transposed convolution of stride 2, whose kernel its stride divides, lest it draws a grid
    ========================  ==============================================================================================

    The layers have the initialisation of torch; see :func:`initialise`.

    Raises
    ------
    UserError
        Another ``kind``.
    """

    def __init__(self, channels: int, kind: str) -> None:
        check(kind)
        if kind in ("subpixel", "subpixel-icnr"):
            super().__init__(nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2))
        elif kind == "transposed":
            super().__init__(nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1))
        else:
            super().__init__(Doubling(kind), nn.Conv2d(channels, channels, 3, padding=1))


class Doubling(nn.Module):
    """:func:`doubled` as a layer."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return doubled(x, self.mode)


def doubled(x: Tensor, mode: str) -> Tensor:
    """Enlarge N×C×H×W to N×C×2H×2W by interpolation: ``nearest``, or ``bilinear`` between pixel centres.

    Kept out of what ``torch.compile`` makes of a network: between convolutions under autocast, on a CPU, torch 2.13 compiles it
    to something whose gradient is zero, so that nothing before it would learn. Not by ``torch.compiler.disable``: to name that
    is to import the compiler, which takes as long as importing torch.
    """
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break()
    return F.interpolate(x, scale_factor=2.0, mode=mode)


def check(kind: str) -> None:
    """Raise a UserError unless ``kind`` is one of :data:`UPSAMPLERS`."""
    if kind not in UPSAMPLERS:
        raise UserError(f"upsampler {kind!r}: unknown; choose one of {', '.join(UPSAMPLERS)}")


def initialise(layers: Iterable[nn.Module], kind: str, slope: float) -> None:
    """What the layers of an :class:`Upsampler` need beyond the initialisation of every convolution.

    ``transposed``: He et al. 2015 for an activation of the negative ``slope``, counted with the 2×2 taps of each channel that
    meet in an output pixel. ``subpixel-icnr``: the weights of all four positions become those of the first.
    """
    for layer in layers:
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=(2 / (1 + slope**2) / (4 * layer.in_channels)) ** 0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        elif kind == "subpixel-icnr" and isinstance(layer, nn.Conv2d):
            layer.weight.data.copy_(icnr(layer.weight.data))


def icnr(weight: Tensor) -> Tensor:
    """4·C×D×k×k weights before a pixel shuffle by 2 that give each output pixel the weights of its first neighbour.

    Aitken et al. 2017, §3.2: convolution and shuffle then begin as a convolution followed by nearest-neighbour enlargement,
    which has no checkerboard.
    """
    return weight[::4].repeat_interleave(4, 0)


def conv_of_shuffled(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """``conv`` of the pixel shuffle by 2 of ``x``, N×4C×H×W, computed before the shuffle: N×D×2H×2W.

    The k×k kernel touches (k+1)/2 rows and columns of ``x``: its taps are put where they touch them, into 4·D×4·C kernels of
    (k+1)/2 squared, of which they fill 81% for k = 9. It pays where D is small, as in a network's last layer: the libraries'
    kernels compute 16 output channels at least, and one place in place of four here. The same sums in another order. Where the
    four channels that become one have the same activation, it may come before the shuffle too.

    ``conv`` has a stride of 1 and keeps the size with zeros; k is 1, 5, 9, …
    """
    side = conv.kernel_size[0]
    half = (side + 1) // 2
    # An output pixel of an even row begins a row later in the padded kernel than one of an odd row.
    taps = F.pad(conv.weight, (1, 1, 1, 1)).unfold(2, side + 1, 1).unfold(3, side + 1, 1).flip(2, 3)
    taps = taps.reshape(conv.out_channels, conv.in_channels, 2, 2, half, 2, half, 2).permute(0, 2, 3, 1, 5, 7, 4, 6)
    weight = taps.reshape(4 * conv.out_channels, 4 * conv.in_channels, half, half)
    bias = None if conv.bias is None else conv.bias.repeat_interleave(4)
    return F.pixel_shuffle(F.conv2d(x, weight, bias, padding=half // 2), 2)


def seen(kind: str, first: int, last: int) -> tuple[int, int]:
    """The first and the last row of an upsampler's input on which the rows ``first`` … ``last`` of its output depend.

    Rows are counted from any row of the input and from the first of the two that it becomes; a border is not thought of.
    """
    check(kind)
    if kind in ("subpixel", "subpixel-icnr"):
        return first // 2 - 1, last // 2 + 1
    if kind == "bilinear":  # row y lies at (2y − 1)/4, between two rows
        return (2 * first - 3) // 4, (2 * last + 1) // 4 + 1
    return (first - 1) // 2, (last + 1) // 2
