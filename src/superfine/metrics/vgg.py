"""The distance of two pictures in an early layer of VGG19, which knows textures and not things."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from superfine.metrics.weights import missing_torch


def vgg_distance(
    a: NDArray[Any], b: NDArray[Any], *, crop: int, weights: Path | None = None, device: str = "cpu"
) -> float:
    """``mean_hw Σ_c |φ(a) − φ(b)|`` with φ the features conv3_1 of VGG19 before their activation, of unit length.

    As LPIPS without weights (Zhang et al. 2018, Eq. 1), but with the L1 norm, and of one layer. The network is loaded once in
    a process.

    Parameters
    ----------
    a, b : H×W×3 RGB in [0,1].
    crop : pixels that are removed on each side first.
    weights : a file of VGG19's weights, its tensors named ``features.N.weight`` or ``convI_J.weight``; the published ones if
        left out, which are looked for in the caches and in torch hub's, or fetched. Weights whose channels are rescaled
        give other values.
    device : torch's name of where the network runs.

    Returns
    -------
    float, 0 for equal pictures.

    Raises
    ------
    ValueError
        Different shapes.
    UserError
        Too small a picture; torch is not installed; weights that are missing, damaged or of another network.
    """
    try:
        from superfine.metrics import features
    except ModuleNotFoundError:
        raise missing_torch("vgg_distance") from None
    network = features.load("vgg19", weights, device)
    (difference,) = features.differences(network, a, b, crop=crop, device=device)
    return float(difference.abs().sum(0).mean())
