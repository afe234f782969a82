"""Muon: steps along the orthogonalised momentum of each convolution's weights.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; that a convolution's weights are one matrix, a
row for each filter, is from there. Scaled as in Liu et al. 2025, "Muon is Scalable for LLM Training", §2.2.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

QUINTIC = (3.4445, -4.7750, 2.0315)
"""a, b and c of a·x + b·x³ + c·x⁵, which five times over brings all of (0, 1] near 1: Jordan et al."""

UPDATE = 0.2
"""Root mean square of an update at rate 1: that of Adam, whose rates therefore suit."""


class Muon(Optimizer):
    """Muon for matrices, Adam for the rest: biases, slopes, a layer with a single filter.

    The update of a matrix with the gradient G is ``m ← μ m + (1 − μ) G``, ``W ← W − lr · 0.2 √max(rows, columns) ·
    orthogonal(μ m + (1 − μ) G)``, where orthogonal keeps the singular vectors and makes all singular values about 1.

    Parameters
    ----------
    params : parameters, or groups of them, as for any optimiser of torch.
    lr : the rate, of the size that Adam takes.
    momentum : μ above, for matrices.
    betas, eps : Adam's, for the rest.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            matrices: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                shape = parameter.flatten(1).shape if parameter.ndim > 1 else torch.Size((1,))
                if min(shape) > 1:
                    matrices[shape].append(parameter)
                else:
                    self._adam(parameter, group)
            for shape, parameters in matrices.items():
                self._muon(parameters, group, UPDATE * max(shape) ** 0.5)

    def _muon(self, parameters: list[Tensor], group: dict[str, Any], scale: float) -> None:
        """Matrices of one shape, all at once."""
        wanted = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            assert parameter.grad is not None
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            wanted.append(parameter.grad.lerp(state["momentum"], group["momentum"]).flatten(1))
        updates = orthogonal(torch.stack(wanted))
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update.view(parameter.shape), alpha=-group["lr"] * scale)

    def _adam(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Kingma and Ba 2015, Algorithm 1."""
        state, (first, second) = self.state[parameter], group["betas"]
        assert parameter.grad is not None
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        state["mean"].lerp_(parameter.grad, 1 - first)
        state["square"].lerp_(parameter.grad.square(), 1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        deviation = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
        parameter.addcdiv_(mean, deviation, value=-group["lr"])


def orthogonal(matrices: Tensor) -> Tensor:
    """N×R×C with the singular vectors of ``matrices``, N×R×C, and singular values from about 0.7 to 1.2.

    Those that are less than a thousandth of the largest may end smaller. Zero stays zero.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
