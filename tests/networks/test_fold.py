"""Folding batch norm must not change what the network computes."""

import pytest
import torch
from torch import nn

from superfine.networks.compact import Compact, CompactConfig
from superfine.networks.fold import fold
from superfine.networks.srresnet import SRResNet, SRResNetConfig


def randomise(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give every batch norm the statistics and the affine map of a trained network."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 1.5 + 0.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return net.eval()


@pytest.mark.parametrize("scale", [2, 4])
def test_the_folded_network_is_equal(scale: int) -> None:
    net = randomise(SRResNet(SRResNetConfig(channels=16, blocks=4, scale=scale)).double())
    picture = torch.rand(2, 3, 13, 17, dtype=torch.float64)
    folded = fold(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        expected = net(picture)
        assert (folded(picture) - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_the_folded_network_is_the_one_without_batch_norm() -> None:
    folded = fold(randomise(SRResNet(SRResNetConfig(channels=8, blocks=2))))
    plain = SRResNet(SRResNetConfig(channels=8, blocks=2, batch_norm=False))
    assert type(folded) is SRResNet
    assert folded.config == plain.config
    assert {k: (v.shape, v.dtype) for k, v in folded.state_dict().items()} == {
        k: (v.shape, v.dtype) for k, v in plain.state_dict().items()
    }
    assert not folded.training
    assert all(parameter.requires_grad for parameter in folded.parameters())


def test_folding_leaves_the_network_and_the_random_numbers_alone() -> None:
    net = randomise(SRResNet(SRResNetConfig(channels=8, blocks=1)))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.get_rng_state()
    folded = fold(net)
    assert torch.equal(torch.get_rng_state(), state)
    for parameter in folded.parameters():
        parameter.data.zero_()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_network_without_batch_norm_is_copied() -> None:
    net = Compact(CompactConfig(channels=4, convs=1)).train()
    folded = fold(net)
    picture = torch.rand(1, 3, 6, 7)
    assert torch.equal(folded(picture), net(picture))
    assert not folded.training
    assert net.training
    assert folded.body[0].weight.data_ptr() != net.body[0].weight.data_ptr()
