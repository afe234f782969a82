"""Checkpoints that only spandrel knows: an optional package that recognises many more architectures."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from superfine.checkpoints.agreement import pictures
from superfine.checkpoints.reading import Checkpoint
from superfine.errors import UserError

_LONGEST = 1100
"""Length of the longest strip on which the receptive field is looked for; RRDB with 23 blocks needs some 720."""

_ACROSS = 16
_PERIOD = 4


def by_spandrel(checkpoint: Checkpoint) -> tuple[str, nn.Module]:
    """The network that spandrel builds for a checkpoint, with ``scale`` and ``radius``; and its name for the card.

    Only networks that are plain functions from RGB to RGB, of any size and of a limited receptive field.

    Raises
    ------
    UserError
        spandrel is missing, does not know the checkpoint either, or describes another kind of network.
    """
    file = checkpoint.file
    begin = ", ".join(sorted(checkpoint.state)[:3])
    try:
        import spandrel
    except ModuleNotFoundError:
        raise UserError(
            f"{file}: a layout that superfine does not know (tensors {begin}, …); "
            'spandrel may know it, pip install "superfine[spandrel]"'
        ) from None
    try:
        found = spandrel.ModelLoader("cpu").load_from_state_dict(dict(checkpoint.state))
    except Exception as error:  # besides UnsupportedModelError, whatever its architectures raise on strange shapes
        raise UserError(
            f"{file}: a layout that neither superfine nor spandrel knows (tensors {begin}, …; {_line(error)}); "
            "give the checkpoint of another network"
        ) from None
    name = f"spandrel {found.architecture.id}"
    network: Any = found.model.float().eval()
    try:
        if (found.input_channels, found.output_channels) != (3, 3):
            raise ValueError(f"{found.input_channels} channels in and {found.output_channels} out")
        for picture in map(torch.from_numpy, pictures()):
            with torch.no_grad():
                result = network(picture)
            if result.shape[2:] != tuple(found.scale * side for side in picture.shape[2:]):
                raise ValueError("its results are of another size")
            if not torch.allclose(result.clamp(0, 1), found(picture), rtol=0, atol=1e-4):
                raise ValueError("its pictures need preparation")
        torch.fx.symbolic_trace(network)
        network.scale, network.radius = found.scale, receptive_radius(network, found.scale)
    except Exception as error:  # what spandrel's networks raise when they are traced is as various as they are
        raise UserError(
            f"{file}: {name}, which is no plain function of a picture ({_line(error)}); it cannot be imported"
        ) from None
    return name, network


def receptive_radius(network: nn.Module, scale: int) -> int:
    """How many input pixels away, at most, an output pixel depends on the input.

    In a copy in which all weights are positive nothing cancels, so the gradient of an output pixel is positive just on its
    receptive field. In each channel they sum up to two, and float64 holds the products of hundreds of layers of these.

    Raises
    ------
    ValueError
        The output depends on the whole picture; or on none of it, where an activation saturates.
    """
    copy = deepcopy(network).double().requires_grad_(False)
    for parameter in copy.parameters():
        parameter.fill_(2 / parameter[0].numel() if parameter.dim() > 1 else 1)
    return max(_reach(copy, scale, lying=False), _reach(copy, scale, lying=True))


def _reach(network: nn.Module, scale: int, *, lying: bool) -> int:
    """The radius along one axis, looked for on a narrow strip, which takes little memory."""
    length = 65
    while length <= _LONGEST:
        shape = (_ACROSS, length) if lying else (length, _ACROSS)
        x = torch.ones(1, 3, *shape, dtype=torch.float64, requires_grad=True)
        y = network(x) if lying else network(x).mT
        reach = 0
        # Networks that unshuffle their input look differently far from even and from odd places.
        for middle in range(length // 2, length // 2 + _PERIOD):
            pixel = y[..., middle * scale : (middle + 1) * scale].sum()
            (gradient,) = torch.autograd.grad(pixel, x, retain_graph=True)
            reached = gradient[0].sum(0).sum(0 if lying else 1).nonzero()
            if not len(reached):
                raise ValueError("how far it looks cannot be found, as it saturates")
            reach = max(reach, int((reached - middle).abs().max()))
        if reach < length // 2 - _PERIOD:
            return reach
        length = 2 * length - 1
    raise ValueError("its output depends on the whole picture")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
