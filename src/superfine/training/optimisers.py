"""The optimisers of a recipe, and its learning rate set for a step."""

import torch
from torch import nn
from torch.optim import Optimizer

from superfine.training.muon import Muon
from superfine.training.recipes import PixelRecipe
from superfine.training.schedules import learning_rate


def optimiser_of(recipe: PixelRecipe, network: nn.Module, *, last_layer_rate: float = 1.0) -> Optimizer:
    """Adam, Muon, or SGD with momentum; the last layer is a group of its own where it learns at another rate."""
    groups = [{"params": list(network.parameters()), "share": 1.0}]
    if last_layer_rate != 1.0:
        last = list(_last_layer(network).parameters())
        chosen = {id(parameter) for parameter in last}
        others = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
        groups = [{"params": others, "share": 1.0}, {"params": last, "share": last_layer_rate}]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.schedule.rate, momentum=recipe.betas[0])
    if recipe.optimiser == "muon":
        return Muon(groups, lr=recipe.schedule.rate, betas=recipe.betas)
    fused = next(network.parameters()).device.type != "mps"
    return torch.optim.Adam(groups, lr=recipe.schedule.rate, betas=recipe.betas, fused=fused)


def set_rate(optimiser: Optimizer, recipe: PixelRecipe, step: int, *, factor: float = 1.0) -> float:
    """Set the rate for update ``step`` (from 0), times ``factor``, and return it."""
    rate = learning_rate(recipe.schedule, step, recipe.steps) * factor
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]
    return rate


def _last_layer(network: nn.Module) -> nn.Module:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
