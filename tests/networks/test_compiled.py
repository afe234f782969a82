"""Compiled for training, networks have the gradients that they have as they are."""

import pytest
import torch
from torch import nn

from superfine.networks.upsampler import Upsampler


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_what_stands_before_a_doubling_learns(kind: str) -> None:
    """Once its gradient was zero (:func:`superfine.networks.upsampler.doubled`); it takes no more layers than these."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 32, 3, padding=1), Upsampler(32, kind), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(32, 3, 3))
    network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 24, 24).to(memory_format=torch.channels_last)
    gradients = []
    for forward in (network, torch.compile(network)):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            result = forward(x)
        result.float().square().mean().backward()
        gradients.append({key: norm(weight) for key, weight in network.named_parameters()})
    assert all(gradients[0].values()), "all weights learn"
    assert gradients[1] == pytest.approx(gradients[0], rel=0.05)


def norm(weight: nn.Parameter) -> float:
    assert weight.grad is not None
    return float(weight.grad.norm())
