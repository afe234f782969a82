"""Batch norm behind a convolution, and how to fold it away."""

from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn


class NormedConv(nn.Module):
    """A convolution that keeps the size, followed by batch norm, which takes the bias' place; or without, with a bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=not batch_norm)
        self.norm = nn.BatchNorm2d(outputs) if batch_norm else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        if self.norm is not None:
            y = self.norm(y)
        return y


def fold(net: nn.Module) -> nn.Module:
    """An equal network without batch norm, in evaluation mode; a copy where there is none.

    Ioffe and Szegedy 2015, "Batch Normalization", Alg. 2: with the moving averages μ and σ², batch norm is the affine map
    γ(y − μ)/√(σ² + ε) + β, so the convolution before it, which has no bias, absorbs it: W ← γ/√(σ² + ε) · W,
    b = β − γ/√(σ² + ε) · μ.

    Parameters
    ----------
    net
        A network of :data:`superfine.networks.NETWORKS`. Its batch norms are those of :class:`NormedConv`, and its
        configuration has the field ``batch_norm``.

    Returns
    -------
    nn.Module
        The same class, its configuration with ``batch_norm=False``; dtype and device stay. It shares no tensor with
        ``net``. For pictures in evaluation mode both give the same, up to rounding.
    """
    norms = {name: module for name, module in net.named_modules() if isinstance(module, NormedConv) and module.norm}
    if not norms:
        return deepcopy(net).eval()
    state = {key: value.detach().clone() for key, value in net.state_dict().items()}
    cls, config = cast(Any, type(net)), cast(Any, net.config)
    # Built without memory, so that no random numbers are drawn for weights that are replaced at once.
    with torch.device("meta"):
        folded: nn.Module = cls(replace(config, batch_norm=False))
    keys = folded.state_dict()
    for name, module in norms.items():
        norm = cast(nn.BatchNorm2d, module.norm)
        gain = norm.weight / torch.sqrt(cast(Tensor, norm.running_var) + norm.eps)
        state = {key: value for key, value in state.items() if not key.startswith(f"{name}.")}
        # A network may have a plain convolution there when it has no batch norm.
        conv = f"{name}.conv" if f"{name}.conv.weight" in keys else name
        state[f"{conv}.weight"] = (module.conv.weight * gain[:, None, None, None]).detach()
        state[f"{conv}.bias"] = (norm.bias - cast(Tensor, norm.running_mean) * gain).detach()
    folded.load_state_dict(state, strict=True, assign=True)
    return folded.eval()
