"""SRCNN: the paper's layers, MATLAB's bicubic, luma alone, receptive field."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from superfine.errors import UserError
from superfine.images import imresize
from superfine.networks.srcnn import KERNELS, SRCNN, Bicubic, SRCNNConfig, luma


def test_the_papers_network() -> None:
    # Dong et al. 2016: 9-1-5 has 8,032 weights, 9-5-5 has 57,184.
    for kernels, weights in (("9-1-5", 8032), ("9-5-5", 57184)):
        network = SRCNN(SRCNNConfig(kernels=kernels))
        convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert sum(m.weight.numel() for m in convs) == weights
        assert "-".join(str(m.kernel_size[0]) for m in convs) == kernels
        assert list(network.state_dict()) == [f"conv{i}.{part}" for i in (1, 2, 3) for part in ("weight", "bias")]


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_bicubic_is_matlabs(scale: int) -> None:
    picture = np.random.default_rng(scale).random((11, 14, 3))
    picture[0], picture[-1] = 1, 0  # an edge with nothing like it beyond
    enlarged = Bicubic(scale)(torch.from_numpy(picture).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(enlarged, imresize(picture, scale=scale), atol=1e-12)


def test_bicubic_of_a_pixel() -> None:
    x = torch.rand(1, 3, 1, 1)
    torch.testing.assert_close(Bicubic(3)(x), x.expand(1, 3, 3, 3))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_replaces_luma_and_keeps_colour(scale: int) -> None:
    torch.manual_seed(0)
    network = SRCNN(SRCNNConfig(channels=8, mapped=4, scale=scale)).double()
    x = torch.rand(2, 3, 9, 7, dtype=torch.float64)
    with torch.no_grad():
        output, bicubic = network(x), Bicubic(scale)(x)
        assert output.shape == (2, 3, 9 * scale, 7 * scale)
        # Of BT.601: Cb is a multiple of B − Y, Cr of R − Y, where Y has full range.
        gain = output - bicubic
        torch.testing.assert_close(gain, gain[:, :1].expand_as(gain))
        assert gain.abs().max() > 0.1
        network.conv3.weight.data.zero_()
        network.conv3.bias.data.fill_(0.5)
        torch.testing.assert_close(luma(network(x)), torch.full((2, 1, 9 * scale, 7 * scale), 0.5).double())


def test_luma() -> None:
    # BT.601: black 16, white 235, and the primaries 81, 145 and 41 (rounded).
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    values = luma(colours[:, :, None, None]).flatten() * 255
    assert values.round().tolist() == [16, 235, 81, 145, 41]


def test_grey_stays_grey_and_flat_stays_flat() -> None:
    torch.manual_seed(0)
    network = SRCNN(SRCNNConfig(channels=8, mapped=4))
    grey = network(torch.rand(1, 1, 8, 8).expand(1, 3, 8, 8))
    torch.testing.assert_close(grey, grey[:, :1].expand_as(grey))
    # No border of zeros: a flat picture has no frame.
    flat = network(torch.full((1, 3, 8, 8), 0.7))
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat))


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("scale", [2, 3, 4, 7])
def test_radius_is_the_receptive_field(kernels: str, scale: int, reach: Callable[[nn.Module], int]) -> None:
    torch.manual_seed(0)
    network = SRCNN(SRCNNConfig(kernels=kernels, channels=8, mapped=8, scale=scale))
    for conv in (network.conv1, network.conv2):
        conv.bias.data.fill_(20)  # no unit is off, so nothing hides
    assert reach(network) == network.radius


def test_a_pixel_changes_no_output_beyond_the_radius(touched: Callable[[nn.Module], int]) -> None:
    torch.manual_seed(0)
    network = SRCNN(SRCNNConfig(channels=8, mapped=8))
    assert network.radius == 3
    assert touched(network) == 3


def test_how_it_starts() -> None:
    torch.manual_seed(0)
    paper = SRCNN(SRCNNConfig(start="gaussian"))
    assert 0.9e-3 < paper.conv1.weight.std() < 1.1e-3
    assert all(torch.equal(conv.bias, torch.zeros_like(conv.bias)) for conv in (paper.conv1, paper.conv2, paper.conv3))
    kaiming = SRCNN(SRCNNConfig())
    assert kaiming.conv1.weight.std().item() == pytest.approx((2 / 81) ** 0.5, rel=0.05)
    with torch.no_grad():
        assert 0.05 < luma(kaiming(torch.rand(1, 3, 16, 16))).std() < 5


@pytest.mark.parametrize("kernels", KERNELS)
def test_it_can_start_at_the_bicubic_picture(kernels: str) -> None:
    torch.manual_seed(0)
    network = SRCNN(SRCNNConfig(kernels=kernels, start="identity"))
    x = torch.rand(1, 3, 12, 12)
    output, bicubic = network(x), Bicubic(4)(x)
    assert (output - bicubic).abs().max() < 0.04
    luma(output).sum().backward()
    assert all((p.grad != 0).any() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_no_filter_is_off_or_on_for_good_at_the_start(level: float) -> None:
    torch.manual_seed(0)
    network = SRCNN(SRCNNConfig(kernels="9-5-5", start="identity"))
    x = (level + 0.05 * torch.randn(1, 1, 16, 16)).expand(1, 3, 16, 16).clamp(0, 1)
    y = luma(Bicubic(4)(x))
    with torch.no_grad():
        first = network.conv1(y)[0, 1:].flatten(1)
        second = network.conv2(network.act(network.conv1(y)))[0, 1:].flatten(1)
    for layer in (first, second):
        on = (layer > 0).float().mean(1)
        assert ((on > 0.01) & (on < 0.99)).float().mean() > 0.9


@pytest.mark.parametrize(
    "wrong", [{"kernels": "9-9-9"}, {"scale": 1}, {"channels": 0}, {"mapped": 0}, {"start": "zeros"}]
)
def test_settings_that_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        SRCNNConfig(**wrong)
