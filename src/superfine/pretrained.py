"""Networks' weights that others publish: found on this machine or fetched, checked, and read; never random ones."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superfine.download import download
from superfine.errors import UserError
from superfine.files import user_cache

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A file of weights: what it is called where it is kept here, where it comes from, and what it is then."""

    name: str
    url: str
    sha256: str
    size: int


def torchvision(name: str, sha256: str, size: int) -> Published:
    """A network of torchvision's, trained to tell ImageNet's classes."""
    return Published(name, f"https://download.pytorch.org/models/{name}", sha256, size)


VGG16 = torchvision(
    "vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 553_433_881
)
VGG19 = torchvision(
    "vgg19-dcbb9e9d.pth", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", 574_673_361
)


def fetched(published: Published, *elsewhere: Path) -> Path:
    """The file where it lies: in our cache, in torch hub's, or ``elsewhere``; or else fetched to ours, which is logged.

    Raises
    ------
    UserError
        It is another file than the published one; it is nowhere and cannot be fetched.
    """
    ours = user_cache() / "superfine" / published.name
    hub = Path(os.environ.get("TORCH_HOME") or user_cache() / "torch") / "hub" / "checkpoints" / published.name
    file = next((file for file in (ours, hub, *elsewhere) if file.is_file()), ours)
    if not file.is_file():
        logger.info("fetching %s, %.0f MB, to %s", published.url, published.size / 1e6, ours)
    way_out = f"give a file of your own, or fetch it elsewhere and place it at {ours} (SHA-256 {published.sha256})"
    return download(published.url, file, sha256=published.sha256, size=published.size, way_out=way_out)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of torch's; no code in it is run.

    Raises
    ------
    UserError
        The file is missing, cannot be read, or is damaged.
    """
    import torch
    from safetensors.torch import load_file

    try:
        handle = file.open("rb")
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; give a .safetensors or .pth file of weights") from None
    with handle:
        try:
            if file.suffix == ".safetensors":
                return load_file(file)
            tensors = torch.load(handle, map_location="cpu", weights_only=True)
        except Exception:  # unpickling what is damaged may raise anything
            raise UserError(f"{file}: damaged, or not a file of weights; give a .safetensors or .pth file") from None
    if not isinstance(tensors, dict):
        raise UserError(f"{file}: holds no tensors by name; give a .safetensors or .pth file of weights")
    return {str(name): tensor for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}
