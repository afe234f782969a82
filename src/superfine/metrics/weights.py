"""Files of the networks' weights: found on this machine or fetched, and checked; never random ones."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from superfine.download import download
from superfine.errors import UserError

_TORCH = "https://download.pytorch.org/models"
_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"


@dataclass(frozen=True)
class Published:
    """A file of weights: what it is called where it is kept here, where it comes from, and what it is then."""

    name: str
    url: str
    sha256: str
    size: int


BACKBONES: dict[str, Published] = {
    "alex": Published(
        "alexnet-owt-7be5be79.pth",
        f"{_TORCH}/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
    ),
    "vgg": Published(
        "vgg16-397923af.pth",
        f"{_TORCH}/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
    ),
    "squeeze": Published(
        "squeezenet1_1-b8a52dc0.pth",
        f"{_TORCH}/squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        4_958_839,
    ),
    "vgg19": Published(
        "vgg19-dcbb9e9d.pth",
        f"{_TORCH}/vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361,
    ),
}
"""torchvision's networks, trained to tell ImageNet's classes: AlexNet, VGG16, SqueezeNet 1.1 and VGG19."""

LINEAR: dict[str, Published] = {
    "alex": Published(
        "lpips_v0.1_alex.pth",
        f"{_LPIPS}/alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        6_009,
    ),
    "vgg": Published(
        "lpips_v0.1_vgg.pth",
        f"{_LPIPS}/vgg.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        7_289,
    ),
    "squeeze": Published(
        "lpips_v0.1_squeeze.pth",
        f"{_LPIPS}/squeeze.pth",
        "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
        10_811,
    ),
}
"""The weights of LPIPS v0.1 on top of them, as its authors publish them."""


def backbone_file(net: str) -> Path:
    """The published file of a network of :data:`BACKBONES`: ours, torch hub's, or else fetched to ours.

    Raises
    ------
    UserError
        It is another file than the published one; it is nowhere and cannot be fetched.
    """
    hub = Path(os.environ.get("TORCH_HOME") or _cache() / "torch") / "hub" / "checkpoints"
    return _fetched(BACKBONES[net], [hub / BACKBONES[net].name])


def linear_file(net: str) -> Path:
    """The published weights of LPIPS for a network: ours, those of an installed package ``lpips``, or else fetched to ours.

    The package is looked at, but not imported, as it would import torchvision. Raises as :func:`backbone_file`.
    """
    package = find_spec("lpips")
    folders = [] if package is None else [Path(folder) for folder in package.submodule_search_locations or ()]
    return _fetched(LINEAR[net], [folder / "weights" / "v0.1" / f"{net}.pth" for folder in folders])


def given_files(folder: Path, net: str) -> tuple[Path, Path]:
    """The backbone and LPIPS' weights in a user's folder, by their published names, or with the ending ``.safetensors``.

    Raises
    ------
    UserError
        One is not there.
    """
    found = []
    for published, what in ((BACKBONES[net], "backbone"), (LINEAR[net], "LPIPS weights")):
        names = (published.name, Path(published.name).with_suffix(".safetensors").name)
        file = next((folder / name for name in names if (folder / name).is_file()), None)
        if file is None:
            raise UserError(f"{folder}: has no {what} for {net}; place {' or '.join(names)} there")
        found.append(file)
    return found[0], found[1]


def missing_torch(metric: str) -> UserError:
    """What to say where torch is not installed."""
    return UserError(f"metric {metric}: needs torch, which is not installed; pip install 'superfine[train]'")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _fetched(published: Published, elsewhere: list[Path]) -> Path:
    ours = _cache() / "superfine" / published.name
    file = next((file for file in (ours, *elsewhere) if file.is_file()), ours)
    way_out = f"fetch it elsewhere and place it at {ours} (SHA-256 {published.sha256})"
    return download(published.url, file, sha256=published.sha256, size=published.size, way_out=way_out)
