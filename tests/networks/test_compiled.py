"""Compiled for training, networks have the gradients that they have as they are."""

import pytest
import torch
from torch import nn

from superfine.networks import build


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_every_weight_of_rrdb_learns() -> None:
    """Once the gradient was zero before its first doubling (:func:`superfine.networks.upsampler.doubled`)."""
    torch.manual_seed(0)
    network = build("rrdb", {"channels": 32, "blocks": 1, "block": "residual"}).to(memory_format=torch.channels_last)
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
