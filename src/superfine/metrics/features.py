"""The networks of the perceptual metrics, in torch: flat tables of their layers, run on tensors by torchvision's names.

AlexNet: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks". VGG: Simonyan and Zisserman 2015,
Table 1, D and E. SqueezeNet 1.1: Iandola et al. 2016 and its authors' later release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from superfine.errors import UserError
from superfine.metrics.psnr import inside
from superfine.metrics.weights import BACKBONES, LINEAR, given_files, linear_file
from superfine.pretrained import fetched, read_tensors


class Conv(NamedTuple):
    """``features.<place>``: a convolution of ``kernel``×``kernel``, without activation."""

    place: int
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


class Fire(NamedTuple):
    """``features.<place>``: 1×1 to ``squeeze`` channels, then 1×1 and 3×3 side by side to ``expand`` each; ReLU after each."""

    place: int
    inputs: int
    squeeze: int
    expand: int


class Pool(NamedTuple):
    """The maximum of ``kernel``×``kernel`` at every second pixel; with ``ceil`` also where it leaves the picture."""

    kernel: int
    ceil: bool = False


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, for RGB in [0,1]. LPIPS' authors write −0.030, −0.088, −0.188 and 0.458, 0.448, 0.450, for RGB in [−1,1]."""

RELU, TAP = "relu", "tap"
"""An activation; a place whose features are wanted."""

Layer = Conv | Fire | Pool | str


def _vgg(blocks: Sequence[Sequence[int]], channels: Sequence[int]) -> tuple[Layer, ...]:
    """VGG's blocks by the places of their convolutions; wanted is what leaves the last ReLU of each."""
    layers: list[Layer] = []
    inputs = 3
    for places, outputs in zip(blocks, channels, strict=True):
        for place in places:
            layers += [Conv(place, inputs, outputs), RELU]
            inputs = outputs
        layers += [TAP, Pool(2)]
    return tuple(layers[:-1])


NETWORKS: dict[str, tuple[Layer, ...]] = {
    "alex": (
        *(Conv(0, 3, 64, kernel=11, stride=4, padding=2), RELU, TAP, Pool(3)),
        *(Conv(3, 64, 192, kernel=5, padding=2), RELU, TAP, Pool(3)),
        *(Conv(6, 192, 384), RELU, TAP),
        *(Conv(8, 384, 256), RELU, TAP),
        *(Conv(10, 256, 256), RELU, TAP),
    ),
    "vgg": _vgg(
        [(0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)],
        [64, 128, 256, 512, 512],
    ),
    "squeeze": (
        *(Conv(0, 3, 64, stride=2, padding=0), RELU, TAP, Pool(3, ceil=True)),
        *(Fire(3, 64, 16, 64), Fire(4, 128, 16, 64), TAP, Pool(3, ceil=True)),
        *(Fire(6, 128, 32, 128), Fire(7, 256, 32, 128), TAP, Pool(3, ceil=True)),
        *(Fire(9, 256, 48, 192), TAP),
        *(Fire(10, 384, 48, 192), TAP),
        *(Fire(11, 384, 64, 256), TAP),
        *(Fire(12, 512, 64, 256), TAP),
    ),
    # To conv3_1, before its activation.
    "vgg19": (
        *(Conv(0, 3, 64), RELU, Conv(2, 64, 64), RELU, Pool(2)),
        *(Conv(5, 64, 128), RELU, Conv(7, 128, 128), RELU, Pool(2)),
        *(Conv(10, 128, 256), TAP),
    ),
}


@dataclass(frozen=True, eq=False)
class Network:
    """A network's tensors by torchvision's names, and LPIPS' weights for its features, C×1×1 each, where there are such."""

    name: str
    state: Mapping[str, Tensor]
    linear: Sequence[Tensor]


def load(net: str, weights: Path | None, device: str) -> Network:
    """A network of :data:`NETWORKS`, read and checked once in a process.

    Parameters
    ----------
    weights : a user's folder (:func:`superfine.metrics.weights.given_files`), or for ``vgg19`` a file; None for the
        published files, which are looked for and fetched.

    Raises
    ------
    UserError
        A file that is missing, damaged, of another network, or that cannot be fetched; a device that is not here.
    """
    with _loading:  # pictures are measured in several threads; the others wait for the first to load it
        return _load(net, weights, device)


_loading = Lock()


@lru_cache(maxsize=4)
def _load(net: str, weights: Path | None, device: str) -> Network:
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError):  # a torch built without it says so by an assertion
        raise UserError(f"device {device}: torch cannot use it here; use `cpu`") from None
    # For the whole process: within a block, pictures that are measured in other threads would meet either. A distance that
    # is rounded to TF32, as cuDNN's convolutions are by default, would be another on a GPU than on a CPU.
    torch.backends.cudnn.allow_tf32 = False
    linear: list[Tensor] = []
    if net in LINEAR:
        backbone, file = (fetched(BACKBONES[net]), linear_file(net)) if weights is None else given_files(weights, net)
        linear = [tensor[0].to(device) for tensor in read_linear(net, file)]
    else:
        backbone = fetched(BACKBONES[net]) if weights is None else weights
    return Network(net, {name: tensor.to(device) for name, tensor in read_backbone(net, backbone).items()}, linear)


def differences(network: Network, a: NDArray[Any], b: NDArray[Any], *, crop: int, device: str) -> list[Tensor]:
    """Of each wanted feature of two pictures H×W×3 in [0,1] the difference, C×h×w, of the vectors made one of length 1.

    Unit length over the channels, and ImageNet's normalisation of the pictures: Zhang et al. 2018, §3.

    Raises
    ------
    ValueError
        Different shapes.
    UserError
        Smaller pictures than the network can look at.
    """
    a, b = inside(a, b, crop=crop)
    height, width = a.shape[:2]
    side = least(network.name)
    if min(height, width) < side:
        raise UserError(
            f"a picture of {width}×{height} inside its border: smaller than the {side}×{side} that {network.name} needs; "
            "leave it out"
        )
    with torch.inference_mode():
        x = torch.from_numpy(np.stack([a, b]).astype(np.float32)).to(device).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (MEAN, STD))
        found = []
        for layer in features(network.name, network.state, (x - mean) / std):
            first, second = layer / (layer.square().sum(1, keepdim=True).sqrt() + 1e-10)
            found.append(first - second)
        return found


def features(net: str, state: Mapping[str, Tensor], x: Tensor) -> list[Tensor]:
    """The wanted features of N×3×H×W, already prepared for the network, by the tensors of :func:`read_backbone`."""
    wanted = []
    for layer in NETWORKS[net]:
        if isinstance(layer, Conv):
            x = _conv(state, f"features.{layer.place}", x, layer.stride, layer.padding)
        elif isinstance(layer, Fire):
            name = f"features.{layer.place}"
            x = F.relu(_conv(state, f"{name}.squeeze", x))
            sides = _conv(state, f"{name}.expand1x1", x), _conv(state, f"{name}.expand3x3", x, padding=1)
            x = F.relu(torch.cat(sides, 1))
        elif isinstance(layer, Pool):
            x = F.max_pool2d(x, layer.kernel, 2, ceil_mode=layer.ceil)
        elif layer == RELU:
            x = F.relu(x)
        else:
            wanted.append(x)
    return wanted


def channels(net: str) -> list[int]:
    """How many channels each of the wanted features has."""
    counts, count = [], 3
    for layer in NETWORKS[net]:
        if isinstance(layer, Conv):
            count = layer.outputs
        elif isinstance(layer, Fire):
            count = 2 * layer.expand
        elif layer == TAP:
            counts.append(count)
    return counts


def shapes(net: str) -> dict[str, tuple[int, ...]]:
    """The tensors that a network needs, by torchvision's names."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in NETWORKS[net]:
        if isinstance(layer, Conv):
            convs = {"": (layer.outputs, layer.inputs, layer.kernel)}
        elif isinstance(layer, Fire):
            convs = {
                ".squeeze": (layer.squeeze, layer.inputs, 1),
                ".expand1x1": (layer.expand, layer.squeeze, 1),
                ".expand3x3": (layer.expand, layer.squeeze, 3),
            }
        else:
            continue
        for part, (outputs, inputs, kernel) in convs.items():
            found[f"features.{layer.place}{part}.weight"] = (outputs, inputs, kernel, kernel)
            found[f"features.{layer.place}{part}.bias"] = (outputs,)
    return found


def least(net: str) -> int:
    """The smallest side of a picture that a network can look at."""
    side = 1
    while not _fits(NETWORKS[net], side):
        side += 1
    return side


def _fits(layers: Sequence[Layer], side: int) -> bool:
    for layer in layers:
        if isinstance(layer, Conv):
            side = (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        elif isinstance(layer, Pool):
            side = (side - layer.kernel + layer.ceil) // 2 + 1
        if side < 1:
            return False
    return True


def read_backbone(net: str, file: Path) -> dict[str, Tensor]:
    """The tensors of a network: torchvision's state dict, or for VGG19 also ``convI_J.weight``; other tensors are ignored.

    Raises
    ------
    UserError
        The file is missing, damaged, or of another network.
    """
    tensors = read_tensors(file)
    if net == "vgg19" and "conv1_1.weight" in tensors:
        tensors = {_VGG19_NAMES.get(name, name): tensor for name, tensor in tensors.items()}
    return _picked(tensors, shapes(net), file, f"weights of {net}")


def read_linear(net: str, file: Path) -> list[Tensor]:
    """LPIPS' weights for each of the wanted features, 1×C×1×1, in the layout of the package ``lpips``; raises likewise."""
    wanted = {f"lin{i}.model.1.weight": (1, count, 1, 1) for i, count in enumerate(channels(net))}
    return list(_picked(read_tensors(file), wanted, file, f"LPIPS weights for {net}").values())


_VGG19_NAMES = {
    f"{ours}.{part}": f"features.{place}.{part}"
    for ours, place in {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10}.items()
    for part in ("weight", "bias")
}


def _picked(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], file: Path, what: str
) -> dict[str, Tensor]:
    picked = {}
    for name, shape in wanted.items():
        tensor = tensors.get(name)
        if tensor is None or tuple(tensor.shape) != shape or not tensor.is_floating_point():
            found = "is not in it" if tensor is None else f"has the shape {tuple(tensor.shape)}, not {shape}"
            raise UserError(f"{file}: not {what} ({name} {found}); give another file")
        picked[name] = tensor.float()
    return picked


def _conv(state: Mapping[str, Tensor], name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, padding)
