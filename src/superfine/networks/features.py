"""VGG features for content losses: the papers' φ(i,j), from weights that are named and checked, never random ones.

Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", Table 1, D and E.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from superfine.errors import UserError
from superfine.pretrained import VGG16, VGG19, Published, fetched, read_tensors


@dataclass(frozen=True)
class Backbone:
    """A network to take features from: its convolutions before each max-pooling, and how its input is prepared."""

    convs: tuple[int, int, int, int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    published: Published | None

    def names(self) -> list[str]:
        """``conv1_1`` and so on, in their order."""
        return [f"conv{i}_{j}" for i, convs in enumerate(self.convs, 1) for j in range(1, convs + 1)]


_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_AS_IT_IS = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

BACKBONES: dict[str, Backbone] = {
    "vgg19": Backbone((2, 2, 4, 4, 4), *_IMAGENET, VGG19),
    "vgg16": Backbone((2, 2, 3, 3, 3), *_IMAGENET, VGG16),
    "minc": Backbone((2, 2, 3, 3, 3), *_AS_IT_IS, None),
}
"""VGG19 and VGG16 with torchvision's weights for ImageNet; ESRGAN's VGG16 for materials (its §3.3), which its authors' code
feeds pixels in [0,1] as they are, and whose weights are no longer published."""


class Features(nn.Module):
    """Maps N×3×H×W RGB in [0,1] to the feature maps of the layers asked for: a dict by name (``conv2_2``).

    φ(i,j) is the j-th convolution before the i-th max-pooling (Ledig et al. 2017, §2.2.1), after its ReLU, or before it
    (ESRGAN, §3.2). ImageNet's normalisation, where the weights want it, is part of the network. It stops behind the last layer
    asked for. The weights are frozen; the input has a gradient.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: str, layers: Sequence[str], state: Mapping[str, Tensor], *, before_activation: bool
    ) -> None:
        """``state`` holds ``convI_J.weight`` and ``.bias`` of all layers up to the last one; see :func:`load_features`."""
        super().__init__()
        entry = BACKBONES[backbone]
        self.layers = tuple(layer_name(backbone, layer) for layer in layers)
        self.before_activation = before_activation
        channels = 3
        # Without memory: there are no weights that could be used by mistake.
        with torch.device("meta"):
            for name in _up_to(entry, self.layers):
                outputs = min(64 * 2 ** (int(name[4]) - 1), 512)
                self.add_module(name, nn.Conv2d(channels, outputs, 3, padding=1))
                channels = outputs
        self.load_state_dict(state, strict=True, assign=True)
        self.register_buffer("mean", torch.tensor(entry.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(entry.std)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        x = (x - self.mean) / self.std
        for name, conv in self.named_children():
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            raw = conv(x)
            x = F.relu(raw)
            if name in self.layers:
                features[name] = raw if self.before_activation else x
        return features


def layer_name(backbone: str, layer: str) -> str:
    """The convolution that ``22``, ``2_2`` or ``conv2_2`` means: ``conv2_2``.

    Raises
    ------
    UserError
        The backbone is unknown or has no such layer.
    """
    if backbone not in BACKBONES:
        raise UserError(f"features {backbone!r}: unknown; choose one of {', '.join(BACKBONES)}")
    match = re.fullmatch(r"(?:conv)?(\d)_?(\d)", layer)
    name = f"conv{match[1]}_{match[2]}" if match else layer
    names = BACKBONES[backbone].names()
    if name not in names:
        raise UserError(
            f"layer {layer!r}: {backbone} has none of this name; give 22 for conv2_2, and so on from {names[0]} to {names[-1]}"
        )
    return name


def stride(layers: Iterable[str]) -> int:
    """Pixels between two positions of the last of ``layers``, such as ``conv5_4``: each max-pooling doubles them.

    That is also the side of the smallest picture that has features of them all.
    """
    return max((2 ** (int(name[4]) - 1) for name in layers), default=1)


def load_features(
    backbone: str, layers: Sequence[str], *, before_activation: bool, weights: Path | None = None
) -> Features:
    """The features ``layers`` (:func:`layer_name`) of ``backbone`` (:data:`BACKBONES`).

    Parameters
    ----------
    weights
        A file of safetensors or of torch, which is read without running code. Its tensors are named ``convI_J.weight``,
        ``features.N.weight`` (torchvision's VGG without batch norm) or ``convIJ.weight`` (ESRGAN's MINC). Without a file, the
        backbone's published one is taken (:func:`superfine.pretrained.fetched`).

    Raises
    ------
    UserError
        An unknown backbone or layer, a file that is missing, damaged, of another network, or that ends before the last layer;
        no file and no connection.
    """
    names = [layer_name(backbone, layer) for layer in layers]
    if not names:
        raise UserError(f"features {backbone}: no layer is named; give at least one, such as 22")
    if weights is None:
        published = BACKBONES[backbone].published
        if published is None:
            raise UserError(f"features {backbone}: are no longer published; give your own file of these weights")
        weights = fetched(published)
    state = _select(backbone, names, read_tensors(Path(weights)), Path(weights))
    return Features(backbone, names, state, before_activation=before_activation)


def _up_to(entry: Backbone, layers: Sequence[str]) -> list[str]:
    """All convolutions up to the last of ``layers``."""
    names = entry.names()
    return names[: max(names.index(layer) for layer in layers) + 1]


def _layouts(entry: Backbone) -> tuple[dict[str, str], ...]:
    """For each layout of checkpoints, its name of every convolution."""
    names = entry.names()
    # torchvision counts every layer: a convolution and its ReLU are two, a pooling before a new block is one.
    positions = [2 * i + int(name[4]) - 1 for i, name in enumerate(names)]
    return (
        {name: name for name in names},
        {name: f"features.{position}" for name, position in zip(names, positions, strict=True)},
        {name: name.replace("_", "") for name in names},
    )


def _select(backbone: str, layers: Sequence[str], tensors: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The tensors of all convolutions up to the last layer, by our names."""
    entry = BACKBONES[backbone]
    layout = next((names for names in _layouts(entry) if f"{names['conv1_1']}.weight" in tensors), None)
    if layout is None:
        raise UserError(f"{file}: not weights of {backbone} (no conv1_1 in it); give a file of its convolutions")
    state: dict[str, Tensor] = {}
    channels = 3
    for name in _up_to(entry, layers):
        outputs = min(64 * 2 ** (int(name[4]) - 1), 512)
        for part, shape in (("weight", (outputs, channels, 3, 3)), ("bias", (outputs,))):
            tensor = tensors.get(f"{layout[name]}.{part}")
            if tensor is None:
                raise UserError(
                    f"{file}: has no {name}, which {', '.join(layers)} needs; give a file of {backbone} with all its layers"
                )
            if tuple(tensor.shape) != shape or not tensor.is_floating_point():
                raise UserError(f"{file}: {name}.{part} has the shape {tuple(tensor.shape)}, {backbone}'s is {shape}")
            state[f"{name}.{part}"] = tensor.float()
        channels = outputs
    return state
