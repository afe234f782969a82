"""SRResNet: the layers of the paper's figure, its receptive field, its initialisation."""

import pytest
import torch
from torch import nn

from superfine.errors import UserError
from superfine.networks.srresnet import SRResNet, SRResNetConfig


def test_the_papers_network_layer_by_layer() -> None:
    # Ledig et al. 2017, Fig. 4: k9n64, 16 × (k3n64, k3n64), k3n64, 2 × k3n256, k9n3.
    net = SRResNet(SRResNetConfig())
    convs = [(m.kernel_size[0], m.out_channels) for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert convs == [(9, 64)] + [(3, 64)] * 33 + [(3, 256)] * 2 + [(9, 3)]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 33
    assert [m.num_parameters for m in net.modules() if isinstance(m, nn.PReLU)] == [64] * 19
    assert sum(isinstance(m, nn.PixelShuffle) for m in net.modules()) == 2
    assert net.radius == 40


def test_parameters() -> None:
    conv = 64 * 64 * 9
    batch_norm, bias, slopes = 2 * 64, 64, 64
    expected = (
        (3 * 81 * 64 + bias + slopes)
        + 16 * (2 * conv + 2 * batch_norm + slopes)
        + (conv + batch_norm)
        + 2 * (4 * conv + 4 * bias + slopes)
        + (64 * 81 * 3 + 3)
    )
    assert sum(p.numel() for p in SRResNet(SRResNetConfig()).parameters()) == expected


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_output_size(scale: int) -> None:
    net = SRResNet(SRResNetConfig(channels=4, blocks=1, scale=scale))
    assert net(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def reach(net: SRResNet, height: int) -> int:
    """The furthest LR row that has a gradient from some output pixel over the middle of a narrow strip.

    A gradient shows what a difference of two outputs would lose to rounding: through 39 convolutions the outermost
    pixel's share is some 1e-20 of the others'.
    """
    middle = height // 2
    furthest = 0
    for row in (0, net.scale - 1):  # the outermost inside an LR pixel reach furthest
        strip = torch.rand(1, 3, height, 5, dtype=torch.float64, requires_grad=True)
        net(strip)[0, 0, middle * net.scale + row, 2 * net.scale].backward()
        rows = torch.nonzero(strip.grad.abs().sum((0, 1, 3)))
        furthest = max(furthest, int((rows - middle).abs().max()))
    return furthest


@pytest.mark.parametrize(("blocks", "scale"), [(1, 2), (2, 4), (1, 8), (16, 4)])
def test_the_radius_is_what_is_measured(blocks: int, scale: int) -> None:
    torch.manual_seed(0)
    net = SRResNet(SRResNetConfig(channels=3, blocks=blocks, scale=scale)).double().eval()
    assert reach(net, 2 * net.radius + 9) == net.radius


def test_a_pixel_changes_no_output_beyond_the_radius() -> None:
    torch.manual_seed(1)
    net = SRResNet(SRResNetConfig(channels=4, blocks=1)).double().eval()
    size, middle = 2 * net.radius + 9, net.radius + 4
    picture = torch.rand(1, 3, size, size, dtype=torch.float64)
    changed = picture.clone()
    changed[0, :, middle, middle] += 0.5
    with torch.no_grad():
        rows, columns = torch.nonzero((net(changed) - net(picture))[0].abs().sum(0), as_tuple=True)
    distance = torch.maximum((rows // 4 - middle).abs(), (columns // 4 - middle).abs())
    assert int(distance.max()) == net.radius


@pytest.mark.parametrize("scale", [2, 4])
def test_training_computes_what_is_drawn(scale: int) -> None:
    """The last convolution before the shuffle, as training has it: the same result, the same gradients."""
    torch.manual_seed(0)
    net = SRResNet(SRResNetConfig(channels=4, blocks=1, scale=scale, batch_norm=False)).double()
    for name, parameter in net.named_parameters():
        parameter.data += 0.2 * torch.randn_like(parameter) if parameter.ndim == 1 else 0
        assert parameter.ndim in (1, 4), name
    called: list[nn.Module] = []
    net.last.register_forward_hook(lambda module, _, __: called.append(module))
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    seen = []
    for training in (True, False):
        net.train(training).zero_grad()
        output = net(x)
        output.square().sum().backward()
        seen.append([output, *(parameter.grad.clone() for parameter in net.parameters())])
        assert len(called) == (not training)
    torch.testing.assert_close(*seen, rtol=1e-10, atol=1e-10)


def test_it_starts_near_mid_grey() -> None:
    # The last layer speaks of [−1,1]; what comes out is on [0,1].
    torch.manual_seed(0)
    for batch_norm in (True, False):
        net = SRResNet(SRResNetConfig(batch_norm=batch_norm)).train()
        with torch.no_grad():
            output = net(torch.rand(2, 3, 8, 8))
        assert abs(output.mean().item() - 0.5) < 0.2
        assert output.std().item() < 0.6


def test_the_range_of_the_output() -> None:
    net = SRResNet(SRResNetConfig(channels=4, blocks=1))
    net.last.weight.data.zero_()
    for bias, expected in ((-1.0, 0.0), (0.0, 0.5), (1.0, 1.0)):
        net.last.bias.data.fill_(bias)
        assert torch.equal(net(torch.rand(1, 3, 4, 4)), torch.full((1, 3, 16, 16), expected))


@pytest.mark.parametrize("wrong", [{"scale": 3}, {"scale": 1}, {"channels": 0}, {"blocks": 0}])
def test_settings_that_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        SRResNetConfig(**wrong)
