"""The networks: pure ``nn.Module``\\ s, each with a frozen configuration, its scale and its receptive-field radius."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, cast

from torch import Tensor, nn

from superfine.errors import UserError
from superfine.networks.compact import Compact, CompactConfig
from superfine.networks.discriminators import (
    ESRGANDiscriminator,
    ESRGANDiscriminatorConfig,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    SRGANDiscriminator,
    SRGANDiscriminatorConfig,
    UNetDiscriminator,
    UNetDiscriminatorConfig,
)
from superfine.networks.rrdb import RRDBConfig, RRDBNet
from superfine.networks.srcnn import SRCNN, SRCNNConfig
from superfine.networks.srresnet import SRResNet, SRResNetConfig


class Network(Protocol):
    """What every network offers besides being an ``nn.Module``.

    Called with N×3×H×W RGB in [0,1] it returns N×3×sH×sW RGB. ``radius`` is the receptive field's radius in
    low-resolution pixels: an output pixel depends on no input pixel further away.
    """

    config: Any
    scale: int
    radius: int

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Architecture:
    """A configuration class and the module built from it."""

    config: type[Any]
    build: Callable[[Any], nn.Module]


NETWORKS: dict[str, Architecture] = {
    "compact": Architecture(CompactConfig, Compact),
    "srcnn": Architecture(SRCNNConfig, SRCNN),
    "srresnet": Architecture(SRResNetConfig, SRResNet),
    "rrdb": Architecture(RRDBConfig, RRDBNet),
}

DISCRIMINATORS: dict[str, Architecture] = {
    "srgan": Architecture(SRGANDiscriminatorConfig, SRGANDiscriminator),
    "esrgan": Architecture(ESRGANDiscriminatorConfig, ESRGANDiscriminator),
    "patch": Architecture(PatchDiscriminatorConfig, PatchDiscriminator),
    "unet": Architecture(UNetDiscriminatorConfig, UNetDiscriminator),
}
"""Each maps N×3×H×W RGB in [0,1] to logits; trained with, never published."""


def build(architecture: str, config: Mapping[str, Any]) -> nn.Module:
    """Build the network ``architecture`` from its hyper-parameters, with freshly initialised weights.

    Raises
    ------
    UserError
        Unknown architecture, unknown hyper-parameter or a value that the configuration refuses.
    """
    return _build(NETWORKS, "architecture", architecture, config)


def build_discriminator(name: str, config: Mapping[str, Any]) -> nn.Module:
    """:func:`build` for the discriminator ``name``, and with the same errors."""
    return _build(DISCRIMINATORS, "discriminator", name, config)


def _build(table: Mapping[str, Architecture], what: str, name: str, config: Mapping[str, Any]) -> nn.Module:
    if name not in table:
        raise UserError(f"{what} {name!r}: unknown; choose one of {', '.join(table)}")
    entry = table[name]
    known = {field.name for field in fields(entry.config)}
    unknown = sorted(set(config) - known)
    if unknown:
        raise UserError(f"{name}: unknown hyper-parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return entry.build(entry.config(**config))


def name_of(config: object) -> str:
    """The architecture, or the discriminator, that a configuration object belongs to."""
    for name, entry in (NETWORKS | DISCRIMINATORS).items():
        if isinstance(config, entry.config):
            return name
    raise UserError(f"{type(config).__name__}: no architecture has this configuration")


def hyper_parameters(network: nn.Module) -> dict[str, Any]:
    """The hyper-parameters that :func:`build` needs to build ``network`` again."""
    return asdict(cast(Network, network).config)
