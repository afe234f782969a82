"""The upsamplers: sizes, first weights, and what each does to a picture."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from superfine.errors import UserError
from superfine.networks import build
from superfine.networks.upsampler import UPSAMPLERS, Upsampler, conv_of_shuffled, icnr, initialise


@pytest.mark.parametrize("kind", UPSAMPLERS)
def test_it_doubles(kind: str) -> None:
    assert Upsampler(5, kind)(torch.rand(2, 5, 4, 7)).shape == (2, 5, 8, 14)


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="upsampler 'cubic': unknown; choose one of subpixel, subpixel-icnr, nearest, "):
        Upsampler(4, "cubic")


def test_icnr_begins_as_repeated_pixels() -> None:
    torch.manual_seed(0)
    step = Upsampler(6, "subpixel-icnr")
    initialise(step, "subpixel-icnr", 0.2)
    x = torch.rand(1, 6, 5, 4)
    small = F.conv2d(x, step[0].weight[::4], step[0].bias[::4], padding=1)
    # The bias of torch's initialisation differs in each cell, so it is taken out.
    output = step(x) - F.pixel_shuffle(step[0].bias[None, :, None, None].expand(1, 24, 5, 4), 2)
    expected = (small - step[0].bias[::4, None, None]).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(output, expected)
    assert not torch.equal(icnr(torch.rand(8, 1, 1, 1)), torch.rand(8, 1, 1, 1))


def test_plain_subpixel_is_left_alone() -> None:
    step = Upsampler(4, "subpixel")
    before = step[0].weight.clone()
    initialise(step, "subpixel", 0.2)
    assert torch.equal(step[0].weight, before)


def test_a_transposed_convolution_keeps_the_variance() -> None:
    torch.manual_seed(0)
    step = Upsampler(64, "transposed")
    initialise(step, "transposed", 0.2)
    x = F.leaky_relu(torch.randn(4, 64, 16, 16), 0.2)
    output = step(x).detach()[..., 1:-1, 1:-1]
    assert 0.9 < output.std() < 1.1
    # None of the four places of a cell is favoured, which would draw a grid.
    places = [output[..., i::2, j::2].std() for i in (0, 1) for j in (0, 1)]
    assert max(places) / min(places) < 1.1


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_interpolation_comes_before_the_convolution(kind: str) -> None:
    step = Upsampler(3, kind)
    step[1].weight.data.zero_()
    step[1].bias.data.zero_()
    for i in range(3):
        step[1].weight.data[i, i, 1, 1] = 1
    x = torch.rand(1, 3, 4, 4)
    settings = {"align_corners": False} if kind == "bilinear" else {}
    torch.testing.assert_close(step(x), F.interpolate(x, scale_factor=2, mode=kind, **settings))


@pytest.mark.parametrize("kind", UPSAMPLERS)
@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("srresnet", {"channels": 3, "blocks": 1, "scale": 8}),
        ("srresnet", {"channels": 3, "blocks": 2, "scale": 2}),
        ("rrdb", {"channels": 3, "growth": 2, "blocks": 1}),
    ],
)
def test_radius_with_each(kind: str, architecture: str, config: dict, reach: Callable[[nn.Module], int]) -> None:
    torch.manual_seed(0)
    network = build(architecture, {**config, "upsampler": kind})
    assert reach(network) == network.radius


@pytest.mark.parametrize("architecture", ["srresnet", "rrdb"])
def test_networks_begin_with_it(architecture: str) -> None:
    torch.manual_seed(0)
    network = build(architecture, {"channels": 8, "blocks": 1, "upsampler": "subpixel-icnr"})
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.out_channels == 32 and m.in_channels == 8]
    icnr_convs = [m for m in convs if torch.equal(m.weight, icnr(m.weight))]
    assert len(icnr_convs) == 2
    with pytest.raises(UserError, match="upsampler 'none'"):
        build(architecture, {"upsampler": "none"})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", [1, 5, 9])
def test_a_convolution_of_what_is_shuffled(side: int, bias: bool) -> None:
    torch.manual_seed(side)
    conv = nn.Conv2d(2, 3, side, padding=side // 2, bias=bias).double()
    x = torch.rand(2, 8, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(conv_of_shuffled(x, conv), conv(F.pixel_shuffle(x, 2)), rtol=1e-12, atol=1e-12)
