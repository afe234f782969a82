"""LPIPS: the distance of two pictures in the features of a network, weighted as people judged."""

from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from superfine.metrics.weights import LINEAR, missing_torch


def lpips(
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    net: Literal["alex", "vgg", "squeeze"],
    crop: int,
    weights: Path | None = None,
    device: str = "cpu",
) -> float:
    """Learned perceptual similarity, version 0.1: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features", Eq. 1.

    ``Σ_l mean_hw ‖w_l ⊙ (φ_l(a) − φ_l(b))‖²``, where φ_l are the features of a network's layer l, of unit length over the
    channels, and w_l² are the weights that its authors fitted to people's judgements. AlexNet is for reporting, VGG for
    optimising. The network is loaded once in a process.

    Parameters
    ----------
    a, b : H×W×3 RGB in [0,1].
    net : the network, AlexNet, VGG16 or SqueezeNet 1.1.
    crop : pixels that are removed on each side first.
    weights : a folder with the files of its weights, see :func:`superfine.metrics.weights.given_files`; the published ones
        if left out, which are looked for in the caches, in torch hub's and in an installed package ``lpips``, or fetched.
    device : torch's name of where the network runs.

    Returns
    -------
    float, 0 for equal pictures; some 0.1 to 0.3 for results of super-resolution.

    Raises
    ------
    ValueError
        Different shapes, or an unknown network.
    UserError
        Too small a picture; torch is not installed; weights that are missing, damaged or of another network.
    """
    if net not in LINEAR:
        raise ValueError(f"unknown network {net!r}; choose one of {', '.join(LINEAR)}")
    try:
        from superfine.metrics import features
    except ModuleNotFoundError:
        raise missing_torch(f"lpips_{net}") from None
    network = features.load(net, weights, device)
    differences = features.differences(network, a, b, crop=crop, device=device)
    layers = zip(differences, network.linear, strict=True)
    return float(sum((difference.square() * weight).sum(0).mean() for difference, weight in layers))
