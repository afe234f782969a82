"""The card of a model (``model.json``): what it is, how it was trained, what it measured, what its files hash to."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from superfine.errors import UserError
from superfine.modelfile.dial import mixture

FORMAT = 1
"""The version of the model folder's layout that this code reads and writes."""

GRAPH = "graph.onnx"
"""The name of the graph's file in every model folder."""


@dataclass(frozen=True)
class Variant:
    """One set of weights of a model.

    Parameters
    ----------
    file
        Plain name of the safetensors file, beside the card.
    description
        One sentence for whoever picks a variant.
    training
        Recipe, command, seed, steps, data with its SHA-256, versions: what it takes to train it again.
    measured
        One entry for each pair of set and protocol, such as ``{"set": "Set5", "protocol": "standard", "psnr_y": 30.1}``.
    """

    file: str
    description: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    measured: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Card:
    """A model's card.

    Parameters
    ----------
    architecture, config
        Name and hyper-parameters of the network, batch norm folded.
    scale
        Output pixels for each input pixel, along one side.
    radius
        Receptive-field radius in low-resolution pixels: no output depends on an input pixel further away.
    halo
        For a network of a large radius, what a tile needs to carry on each side, in the same pixels: measured, so that what
        is left out changes no output by as much as half a level of eight bits. None where it was not measured.
    multiple
        A tile must begin at a multiple of this many pixels, counted from the picture's first row and column, because the
        network puts pixels together in cells of this side.
    precision
        ``f32`` for a network that loses by running in half precision, else ``auto``: the device's choice.
    dial
        Where the dial stands for those who do not turn it, as they would type it.
    variants
        In order; the graph's external data lies in the first one's file.
    files
        SHA-256, in hexadecimal, of every other file of the folder.
    """

    format: int = FORMAT
    name: str
    architecture: str
    config: dict[str, Any]
    scale: int
    radius: int
    halo: int | None = None
    multiple: int = 1
    precision: str = "auto"
    dial: str = "0"
    variants: dict[str, Variant]
    licence: str
    files: dict[str, str] = field(default_factory=dict)

    @property
    def margin(self) -> int:
        """What a tile carries on each side: the halo where it was measured, else the radius."""
        return self.radius if self.halo is None else self.halo

    def to_json(self) -> str:
        """The text of ``model.json``: indented, keys in the order of the fields; ``halo``, ``multiple``, ``precision`` and
        ``dial`` where they say something, so that a model that needs none of them is read by every version.

        Raises
        ------
        ValueError
            A number that is not finite, which JSON cannot hold.
        """
        data = {key: value for key, value in asdict(self).items() if key not in _OPTIONAL or value != _OPTIONAL[key][1]}
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # A command may name a file whose name is no text; its bytes are surrogates, which no encoding has.
        return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)

    @classmethod
    def from_json(cls, text: str, file: Path) -> "Card":
        """Read a card; ``file`` is named in errors.

        Raises
        ------
        UserError
            Broken JSON, another format version, a key that is missing, unknown or of the wrong kind, a file name that
            leaves the folder.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: damaged, not JSON ({error}); copy the model again") from None
        if not isinstance(data, dict) or "format" not in data:
            raise UserError(f"{file}: not a model's card; give a folder written by `superfine models publish`")
        if data["format"] != FORMAT:
            raise UserError(f"{file}: format {data['format']!r}, this superfine reads {FORMAT}; update superfine")
        _check(data, _CARD | {key: kind for key, (kind, _) in _OPTIONAL.items() if key in data}, f"{file}")
        for name, entry in data["variants"].items():
            _check(entry, _VARIANT, f"{file}: variant {name!r}")
            for measured in entry["measured"]:
                if not _is_measured(measured):
                    raise UserError(
                        f"{file}: variant {name!r}: `measured` holds {measured!r}, not numbers with a set and a protocol; "
                        "measure again"
                    )
        card = cls(**(data | {"variants": {name: Variant(**entry) for name, entry in data["variants"].items()}}))
        card._check_values(file)
        return card

    def _check_values(self, file: Path) -> None:
        if self.scale < 1 or self.radius < 0:
            raise UserError(f"{file}: scale {self.scale}, radius {self.radius}: impossible; copy the model again")
        if not 0 <= self.margin <= self.radius or not 1 <= self.multiple <= self.radius + 1:
            raise UserError(
                f"{file}: halo {self.halo}, multiple {self.multiple}: impossible with the radius {self.radius}; "
                "copy the model again"
            )
        if self.precision not in ("auto", "f32"):
            raise UserError(f"{file}: precision {self.precision!r}: is not auto or f32; update superfine")
        if not self.variants:
            raise UserError(f"{file}: names no variant; publish the model again")
        try:
            mixture(self.dial, self.variants, "it")
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        weights = [variant.file for variant in self.variants.values()]
        for name in [*weights, *self.files]:
            if not _plain(name):
                raise UserError(f"{file}: file name {name!r} leaves the folder; do not use this model")
        if len(set(weights)) < len(weights):
            raise UserError(f"{file}: two variants share one file; publish the model again")
        if set(self.files) != {GRAPH, *weights}:
            raise UserError(f"{file}: `files` must hold {GRAPH} and each variant's file; publish the model again")
        for name, digest in self.files.items():
            if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
                raise UserError(f"{file}: {digest!r} is no SHA-256 of {name}; copy the model again")


_CARD: dict[str, type] = {
    "format": int,
    "name": str,
    "architecture": str,
    "config": dict,
    "scale": int,
    "radius": int,
    "variants": dict,
    "licence": str,
    "files": dict,
}
_OPTIONAL: dict[str, tuple[type, Any]] = {
    "halo": (int, None),
    "multiple": (int, 1),
    "precision": (str, "auto"),
    "dial": (str, "0"),
}
"""What a card need not hold: its kind, and what its absence means."""
_VARIANT: dict[str, type] = {"file": str, "description": str, "training": dict, "measured": list}
_KINDS = {int: "a whole number", str: "text", dict: "an object", list: "a list"}


def _check(data: object, kinds: Mapping[str, type], where: str) -> None:
    """Hold ``data`` to exactly the keys and kinds of ``kinds``."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: must be an object; publish the model again")
    if unknown := sorted(set(data) - set(kinds)):
        raise UserError(f"{where}: unknown key {', '.join(unknown)}; update superfine or publish the model again")
    for key, kind in kinds.items():
        if key not in data:
            raise UserError(f"{where}: `{key}` is missing; publish the model again")
        if not isinstance(data[key], kind) or isinstance(data[key], bool):
            raise UserError(f"{where}: `{key}` must be {_KINDS[kind]}; publish the model again")


def _is_measured(entry: object) -> bool:
    kinds = {"set": str, "protocol": str}
    return (
        isinstance(entry, dict)
        and kinds.keys() <= entry.keys()
        and all(isinstance(value, kinds.get(key, int | float)) for key, value in entry.items())
    )


def _plain(name: str) -> bool:
    """Whether ``name`` stays in its folder, on every system: no separator, drive, parent or control character."""
    return name not in ("", ".", "..", "model.json") and not re.search(r'[/\\:*?"<>|\x00-\x1f]', name)
