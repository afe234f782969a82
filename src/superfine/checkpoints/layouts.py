"""The layouts of third parties' checkpoints: how each is recognised, and which of our tensors each of theirs is.

Read from the public code of each project; a layout is here only if our network computes the very same function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from superfine.checkpoints.reading import Checkpoint
from superfine.errors import UserError


@dataclass(frozen=True)
class Layout:
    """How one project names the tensors of a network.

    Parameters
    ----------
    name
        For the model's card and for messages.
    has, lacks
        Tensors that every file of this layout has, and that none has; together they tell it from all others.
    architecture
        A key of :data:`superfine.networks.NETWORKS`.
    config
        The hyper-parameters, from the shapes of the tensors.
    modules
        Their name for each of our modules, ``{i}`` standing for the number of a block; None where all names are ours.
    implied
        Tensors of ours that the file does not hold, because their network has them by construction, and their value.
    unit_range
        Whether their last layer speaks of [0,1], where ours speaks of [−1,1] and is halved and lifted by one half.
    """

    name: str
    has: tuple[str, ...]
    architecture: str
    config: Callable[[Checkpoint], dict[str, Any]]
    modules: Mapping[str, str] | None = None
    implied: Mapping[str, float] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    unit_range: bool = False


@dataclass(frozen=True)
class Refused:
    """A layout that is recognised, and why it cannot be imported; with ``by_spandrel``, it can where spandrel is installed."""

    name: str
    has: tuple[str, ...]
    why: str
    lacks: tuple[str, ...] = ()
    by_spandrel: bool = False


def detect(checkpoint: Checkpoint) -> Layout | None:
    """The layout of a checkpoint; None for one that is in neither table, or that is left to spandrel.

    Raises
    ------
    UserError
        One of :data:`REFUSED`.
    """
    for refused in REFUSED:
        if _is(refused, checkpoint) and not (refused.by_spandrel and find_spec("spandrel")):
            raise UserError(f"{checkpoint.file}: {refused.name}; {refused.why}")
    return next((layout for layout in LAYOUTS if _is(layout, checkpoint)), None)


def _is(layout: Layout | Refused, checkpoint: Checkpoint) -> bool:
    return all(key in checkpoint.state for key in layout.has) and not any(
        key in checkpoint.state for key in layout.lacks
    )


def _compact(checkpoint: Checkpoint) -> dict[str, Any]:
    convolutions = checkpoint.count(r"body\.(\d+)\.bias$")
    channels, _ = checkpoint.convolution("body.0.weight")
    outputs, _ = checkpoint.convolution(f"body.{2 * (convolutions - 1)}.weight")
    return {"channels": channels, "convs": convolutions - 2, "scale": round((outputs / 3) ** 0.5)}


def _srresnet(first: str, block: str, up: str) -> Callable[[Checkpoint], dict[str, Any]]:
    """Hyper-parameters from their first convolution, the pattern of a block and that of an up-sampling step."""

    def config(checkpoint: Checkpoint) -> dict[str, Any]:
        channels, _ = checkpoint.convolution(first)
        return {
            "channels": channels,
            "blocks": checkpoint.count(block),
            "scale": 2 ** checkpoint.count(up),
            "batch_norm": any(key.endswith("running_mean") for key in checkpoint.state),
        }

    return config


def _rrdb(first: str, growing: str, block: str) -> Callable[[Checkpoint], dict[str, Any]]:
    """Hyper-parameters from their first convolution, the first of a dense block, and the pattern of a block."""

    def config(checkpoint: Checkpoint) -> dict[str, Any]:
        channels, inputs = checkpoint.convolution(first)
        growth, _ = checkpoint.convolution(growing)
        if inputs not in _UNSHUFFLED:
            raise UserError(
                f"{checkpoint.file}: {inputs} input channels, a colour picture has 3; it cannot be imported"
            )
        scale, blocks = _UNSHUFFLED[inputs], checkpoint.count(block)
        return {"channels": channels, "growth": growth, "blocks": blocks, "scale": scale}

    return config


_UNSHUFFLED = {3: 4, 12: 2, 48: 1}
"""The scale of an RRDB by its input channels: ×2 and ×1 are ×4 on a picture unshuffled to a half and a quarter."""


def _dense(ours: str, theirs: str, end: str = "") -> dict[str, str]:
    """The fifteen convolutions of an RRDB; in either name ``{d}`` stands for the dense block."""
    return {
        f"{ours.replace('{d}', str(d))}.conv{c}": f"{theirs.replace('{d}', str(d))}.conv{c}{end}"
        for d in (1, 2, 3)
        for c in (1, 2, 3, 4, 5)
    }


_ESRGAN_OLD = {
    "conv_first": "model.0",
    **_dense("body.{i}.rdb{d}", "model.1.sub.{i}.RDB{d}", ".0"),
    "conv_body": "model.1.sub.{n}",
    "conv_up1": "model.3",
    "conv_up2": "model.6",
    "conv_hr": "model.8",
    "conv_last": "model.10",
}

_ESRGAN_NEW = {
    "conv_first": "conv_first",
    **_dense("body.{i}.rdb{d}", "RRDB_trunk.{i}.RDB{d}"),
    "conv_body": "trunk_conv",
    "conv_up1": "upconv1",
    "conv_up2": "upconv2",
    "conv_hr": "HRconv",
    "conv_last": "conv_last",
}


def _lornatang(first: str, second: str, third: str) -> dict[str, str]:
    """SRGAN-PyTorch of 2022 and later; between versions the names of three modules changed."""
    return {
        "head.0": f"{first}.0",
        "head.1": f"{first}.1",
        "blocks.{i}.first.conv": "trunk.{i}.rcb.0",
        "blocks.{i}.first.norm": "trunk.{i}.rcb.1",
        "blocks.{i}.act": "trunk.{i}.rcb.2",
        "blocks.{i}.second.conv": "trunk.{i}.rcb.3",
        "blocks.{i}.second.norm": "trunk.{i}.rcb.4",
        "trunk.conv": f"{second}.0",
        "trunk.norm": f"{second}.1",
        "up.0": "upsampling.0.upsample_block.0",
        "up.2": "upsampling.0.upsample_block.2",
        "up.3": "upsampling.1.upsample_block.0",
        "up.5": "upsampling.1.upsample_block.2",
        "up.6": "upsampling.2.upsample_block.0",
        "up.8": "upsampling.2.upsample_block.2",
        "last": third,
    }


_TWTYGQYY = {
    "head.0": "conv_input",
    "blocks.{i}.first.conv": "residual.{i}.conv1",
    "blocks.{i}.first.norm": "residual.{i}.bn1",
    "blocks.{i}.second.conv": "residual.{i}.conv2",
    "blocks.{i}.second.norm": "residual.{i}.bn2",
    "trunk.conv": "conv_mid",
    "trunk.norm": "bn_mid",
    "up.0": "upscale4x.0",
    "up.3": "upscale4x.3",
    "last": "conv_output",
}

_TWTYGQYY_IMPLIED = {
    # LeakyReLU(0.2), which is a PReLU of that slope; no convolution has a bias.
    "head.0.bias": 0.0,
    "head.1.weight": 0.2,
    "blocks.{i}.act.weight": 0.2,
    "up.0.bias": 0.0,
    "up.2.weight": 0.2,
    "up.3.bias": 0.0,
    "up.5.weight": 0.2,
    "last.bias": 0.0,
}

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "RRDB, BasicSR",
        has=("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_up1.weight"),
        architecture="rrdb",
        config=_rrdb("conv_first.weight", "body.0.rdb1.conv1.weight", r"body\.(\d+)\."),
    ),
    Layout(
        "RRDB, ESRGAN",
        has=("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", "upconv2.weight"),
        architecture="rrdb",
        config=_rrdb("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", r"RRDB_trunk\.(\d+)\."),
        modules=_ESRGAN_NEW,
    ),
    Layout(
        "RRDB, old ESRGAN",
        has=("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", "model.3.weight", "model.10.weight"),
        architecture="rrdb",
        config=_rrdb("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", r"model\.1\.sub\.(\d+)\.RDB"),
        modules=_ESRGAN_OLD,
        # ×8, with one more doubling; ESRGAN+, with one more convolution.
        lacks=("model.13.weight", "model.1.sub.0.RDB1.conv1x1.weight"),
    ),
    Layout(
        "compact (SRVGGNet)",
        has=("body.0.weight", "body.1.weight", "body.2.weight"),
        architecture="compact",
        config=_compact,
    ),
    Layout(
        "SRResNet, superfine's own",
        has=("head.0.weight", "blocks.0.first.conv.weight", "up.0.weight", "last.weight"),
        architecture="srresnet",
        config=_srresnet("head.0.weight", r"blocks\.(\d+)\.", r"up\.(\d+)\.bias$"),
    ),
    Layout(
        "SRResNet, Lornatang/SRGAN-PyTorch",
        # It ends with a clamp to [0,1], as every picture that is written does here.
        has=("conv1.0.weight", "trunk.0.rcb.0.weight", "conv3.weight"),
        architecture="srresnet",
        config=_srresnet("conv1.0.weight", r"trunk\.(\d+)\.", r"upsampling\.(\d+)\."),
        modules=_lornatang("conv1", "conv2", "conv3"),
        unit_range=True,
    ),
    Layout(
        "SRResNet, Lornatang/SRGAN-PyTorch of early 2022",
        has=("conv_block1.0.weight", "trunk.0.rcb.0.weight", "conv_block3.weight"),
        architecture="srresnet",
        config=_srresnet("conv_block1.0.weight", r"trunk\.(\d+)\.", r"upsampling\.(\d+)\."),
        modules=_lornatang("conv_block1", "conv_block2", "conv_block3"),
        unit_range=True,
    ),
    Layout(
        "SRResNet, twtygqyy/pytorch-SRResNet",
        has=("conv_input.weight", "residual.0.conv1.weight", "bn_mid.running_mean", "conv_output.weight"),
        architecture="srresnet",
        config=_srresnet("conv_input.weight", r"residual\.(\d+)\.", r"upscale4x\.(\d+)\."),
        modules=_TWTYGQYY,
        implied=_TWTYGQYY_IMPLIED,
        unit_range=True,
    ),
)
"""Each layout that can be imported."""

_DISCRIMINATOR = "it judges pictures and makes none, give the generator's file"
_ONLY_X4 = (
    "superfine's RRDB doubles twice, and makes ×2 of that by unshuffling its input; "
    'spandrel can read it, pip install "superfine[spandrel]"'
)

REFUSED: tuple[Refused, ...] = (
    Refused("a discriminator or a classifier", ("features.0.weight", "classifier.0.weight"), _DISCRIMINATOR),
    Refused("a discriminator (BasicSR, VGG)", ("conv0_0.weight", "linear1.weight"), _DISCRIMINATOR),
    Refused("a discriminator (BasicSR, U-Net)", ("conv0.weight", "conv1.weight_orig"), _DISCRIMINATOR),
    Refused(
        "a discriminator (leftthomas/SRGAN)", ("net.0.weight", "net.2.weight", "net.3.running_mean"), _DISCRIMINATOR
    ),
    Refused(
        "RRDB, old ESRGAN, of another scale",
        ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"),
        _ONLY_X4,
        lacks=("model.10.weight",),
        by_spandrel=True,
    ),
    Refused(
        "RRDB, ESRGAN, of another scale",
        ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight"),
        _ONLY_X4,
        lacks=("upconv2.weight",),
        by_spandrel=True,
    ),
    Refused(
        "three convolutions, such as SRCNN's",
        ("conv1.weight", "conv2.weight", "conv3.weight"),
        "the file does not say how many times they enlarge, so it cannot be imported; of superfine's own, keep the model",
        lacks=("conv4.weight",),
        by_spandrel=True,
    ),
    Refused(
        "compact (SRVGGNet) with fixed activations",
        ("body.0.weight", "body.2.weight"),
        "the file does not say whether they are ReLU or leaky ReLU; only files with PReLU can be imported",
        lacks=("body.1.weight",),
    ),
    Refused(
        "SRResNet, leftthomas/SRGAN",
        ("block1.0.weight", "block2.conv1.weight", "block8.0.conv.weight"),
        "it ends with tanh, which superfine's SRResNet has not, so the pictures would differ; it cannot be imported",
    ),
    Refused(
        "SRResNet, Lornatang/SRGAN-PyTorch of 2021",
        ("conv1.0.weight", "conv3.0.weight"),
        "it ends with tanh, which superfine's SRResNet has not, so the pictures would differ; it cannot be imported",
    ),
    Refused(
        "SRResNet, twtygqyy/pytorch-SRResNet with instance norm",
        ("conv_input.weight", "residual.0.in1.weight"),
        "instance norm depends on the whole picture, so it can be neither folded nor tiled; it cannot be imported",
    ),
    Refused(
        "MSRResNet (BasicSR)",
        ("conv_first.weight", "body.0.conv1.weight", "upconv1.weight"),
        "it adds the enlarged input and has one more convolution than SRResNet, another network; it cannot be imported",
    ),
    Refused(
        "MSRResNet (KAIR, ESRGAN's BasicSR)",
        ("conv_first.weight", "recon_trunk.0.conv1.weight", "HRconv.weight"),
        "it adds the enlarged input and has one more convolution than SRResNet, another network; it cannot be imported",
    ),
    Refused(
        "MSRResNet (KAIR, version 0)",
        ("model.0.weight", "model.1.sub.0.res.0.weight"),
        "it enlarges by repeating pixels, another network than SRResNet; it cannot be imported",
    ),
)
"""Layouts that are known, and computed by no network of superfine."""
