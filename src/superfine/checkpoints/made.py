"""A model folder whose weights are made of those of others, without training."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from superfine.errors import UserError
from superfine.modelfile import GRAPH, Card, ModelFolder, Variant, Weights, open_model, told_once, write_model


class End:
    """One of the networks that another is made of: a model folder and one of its variants, the dial's 0 if None."""

    def __init__(self, path: Path, variant: str | None) -> None:
        self.model = open_model(path)
        variants = self.model.card.variants
        self.variant = variant or ("fidelity" if "fidelity" in variants else next(iter(variants)))
        if self.variant not in variants:
            raise UserError(f"{path}:{self.variant}: {path} has only {', '.join(variants)}; choose one of these")
        self.title = f"{self.model.card.name}, {self.variant}"
        self.sha256 = self.model.card.files[variants[self.variant].file]

    def __str__(self) -> str:
        return f"{self.model.path}:{self.variant}"

    def network(self) -> dict[str, Any]:
        card = self.model.card
        own = {"scale": card.scale, "radius": card.radius, "multiple": card.multiple}
        return {"architecture": card.architecture, **card.config, **own}

    @cached_property
    def weights(self) -> Weights:
        return self.model.weights(self.variant)

    def facts(self) -> dict[str, Any]:
        """What the card of a network that is made of this one tells of it, with its training."""
        card = self.model.card
        training = card.variants[self.variant].training
        facts = {"name": card.name, "variant": self.variant, "sha256": self.sha256, "licence": card.licence}
        return facts | {"training": training}


def check_alike(first: End, *others: End) -> None:
    """Raise a UserError unless all are one network with other weights."""
    ours = first.network()
    for other in others:
        theirs = other.network()
        for part in {**ours, **theirs}:
            if ours.get(part) != theirs.get(part):
                raise UserError(
                    f"{other}: {part} {theirs.get(part)}, {first} has {ours.get(part)}; only equal networks can be mixed"
                )
        # The cards of networks that only spandrel knows tell no hyper-parameters.
        if _shapes(other.weights) != _shapes(first.weights):
            raise UserError(f"{other}: other tensors than {first} has; only equal networks can be mixed")


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: values.shape for name, values in weights.items()}


def write_made(
    out: str | Path,
    weights: Weights,
    ends: Sequence[End],
    description: str,
    training: dict[str, Any],
    name: str | None,
    licence: str | None,
) -> ModelFolder:
    """Write ``weights``, which are made of those of ``ends``, as a model folder of one variant."""
    out = Path(out)
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: there already; give a new folder")
    cards = [end.model.card for end in ends]
    card = cards[0]
    # The graph names the file of the first one's first variant, so the weights take that place: no ONNX library is needed.
    place, there = next(iter(card.variants.items()))
    halos = [card.halo for card in cards if card.halo is not None]
    made = Card(
        name=name or out.resolve().name,
        architecture=card.architecture,
        config=card.config,
        scale=card.scale,
        radius=card.radius,
        halo=max(halos) if len(halos) == len(cards) else None,
        multiple=card.multiple,
        precision="f32" if "f32" in (card.precision for card in cards) else "auto",
        variants={place: Variant(there.file, description, told_once(training))},
        licence=licence or " and ".join(dict.fromkeys(card.licence for card in cards)),
    )
    return write_model(out, made, ends[0].model.read(GRAPH), {place: weights})
