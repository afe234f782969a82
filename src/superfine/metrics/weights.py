"""Files of the weights of the metrics' networks."""

from importlib.util import find_spec
from pathlib import Path

from superfine.errors import UserError
from superfine.pretrained import VGG16, VGG19, Published, fetched, torchvision

_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"

BACKBONES: dict[str, Published] = {
    "alex": torchvision(
        "alexnet-owt-7be5be79.pth", "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", 244_408_911
    ),
    "vgg": VGG16,
    "squeeze": torchvision(
        "squeezenet1_1-b8a52dc0.pth", "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b", 4_958_839
    ),
    "vgg19": VGG19,
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


def linear_file(net: str) -> Path:
    """The published weights of LPIPS for a network: ours, those of an installed package ``lpips``, or else fetched to ours.

    The package is looked at, but not imported, as it would import torchvision. Raises as
    :func:`superfine.pretrained.fetched`.
    """
    package = find_spec("lpips")
    folders = [] if package is None else [Path(folder) for folder in package.submodule_search_locations or ()]
    return fetched(LINEAR[net], *(folder / "weights" / "v0.1" / f"{net}.pth" for folder in folders))


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
