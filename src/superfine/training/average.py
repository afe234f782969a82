"""The moving average of a network's weights, which is what gets published."""

from dataclasses import asdict

import torch
from torch import Tensor, nn

from superfine.networks import build
from superfine.training.recipes import PixelRecipe

Average = dict[str, Tensor]


def start(network: nn.Module) -> Average:
    """The average before the first update: the network's own state."""
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


@torch.no_grad()
def follow(average: Average, network: nn.Module, decay: float, step: int) -> None:
    """``average ← d · average + (1 − d) · weights`` after update ``step`` (from 1).

    ``d = min(decay, step / (step + 10))``: the smaller decay at the start lets the average leave the random weights quickly.
    Batch statistics are copied: they are averages already.
    """
    weights = dict(network.named_parameters())
    weight = 1.0 - min(decay, step / (step + 10))
    torch._foreach_lerp_([average[key] for key in weights], list(weights.values()), weight)
    for key, value in network.named_buffers():
        average[key].copy_(value)


def is_finite(average: Average) -> bool:
    """Whether no tensor holds NaN or infinity, or squares whose sum does. Waits for the device."""
    norms = torch._foreach_norm([value for value in average.values() if value.is_floating_point()])
    return bool(torch.stack(norms).isfinite().all())


def apply(average: Average, recipe: PixelRecipe) -> nn.Module:
    """A network of the recipe with the averaged weights, on their device."""
    network = build(recipe.architecture, asdict(recipe.network))
    network.load_state_dict(average)
    return network.to(next(iter(average.values())).device)
