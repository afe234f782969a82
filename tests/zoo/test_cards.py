"""What the cards of the bundled models say can be done again."""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from superfine import zoo
from superfine.modelfile import open_model
from superfine.training.recipes import PixelRecipe

TRAINED = [
    pytest.param(variant.training, id=f"{name}:{variant_name}")
    for name, folder in zoo.catalogue().items()
    for variant_name, variant in open_model(folder).card.variants.items()
]


def all_the_way(training: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A training, that of the weights it started from, and so on; of weights made of others, the trainings of these."""
    while training:
        if made := training.get("interpolated") or training.get("carried"):
            for end in made.values():
                if isinstance(end, dict):
                    yield from all_the_way(end["training"])
            return
        yield training
        training = (training.get("start") or {}).get("training")


def differing(recorded: Any, made: Any, prefix: str = "") -> list[str]:
    """The settings that were recorded, and are others now."""
    if not isinstance(recorded, dict):
        return [] if recorded == made else [f"{prefix}: {recorded!r}, now {made!r}"]
    return [
        line
        for name, value in recorded.items()
        if name != "name"  # of a discriminator, which its settings tell too
        for line in differing(value, made.get(name, "nothing"), f"{prefix}.{name}")
    ]


@pytest.mark.parametrize("training", TRAINED)
def test_the_command_on_a_card_trains_by_the_recorded_settings(
    training: dict[str, Any], trained_by: Callable[[Sequence[str]], tuple[PixelRecipe, int]]
) -> None:
    for step in all_the_way(training):
        made, seed = trained_by(shlex.split(step["command"])[1:])
        settings = json.loads(json.dumps(asdict(made)))
        assert differing(step["recipe"], settings) == [], step["command"]
        assert (seed, made.steps) == (step["seed"], step["steps"])


def test_every_variant_is_measured_on_the_three_sets() -> None:
    for folder in zoo.catalogue().values():
        card = open_model(folder).card
        assert card.licence == "Apache-2.0"
        for name, variant in card.variants.items():
            assert [entry["set"] for entry in variant.measured] == ["Set5", "Set14", "BSD100"], f"{card.name}:{name}"
            assert all({"psnr_y", "ssim_y", "protocol"} <= set(entry) for entry in variant.measured)
