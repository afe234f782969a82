"""What the cards of the bundled models say can be done again."""

import csv
import hashlib
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from superfine import zoo
from superfine.modelfile import open_model, told_once, trainings
from superfine.training.recipes import PixelRecipe

ROOT = Path(__file__).resolve().parents[2]

TRAINED = [
    pytest.param(variant.training, id=f"{name}:{variant_name}")
    for name, folder in zoo.catalogue().items()
    for variant_name, variant in open_model(folder).card.variants.items()
]


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
    for step in trainings(training):
        made, seed = trained_by(shlex.split(step["command"])[1:])
        settings = json.loads(json.dumps(asdict(made)))
        assert differing(step["recipe"], settings) == [], step["command"]
        assert (seed, made.steps) == (step["seed"], step["steps"])


def test_a_card_tells_all_that_the_kept_run_does() -> None:
    records = [json.loads(file.read_text(encoding="utf-8")) for file in (ROOT / "runs" / "zoo").glob("*/run.json")]
    runs = {record["command"]: record for record in records}
    for training in (param.values[0] for param in TRAINED):
        assert isinstance(training, dict)
        run = runs[training["command"]]
        keys = ("recipe", "seed", "steps", "data", "versions", "discriminator_start", "teacher")
        told = {key: run.get(key) for key in keys}
        assert told == {key: training.get(key) for key in told}, training["command"]
        begun = [(record.get("start") or {}).get("sha256") for record in (run, training)]
        assert begun[0] == begun[1], training["command"]


@pytest.mark.parametrize("training", TRAINED)
def test_a_card_tells_of_each_run_once(training: dict[str, Any]) -> None:
    assert told_once(training) == training


def test_the_list_of_photographs_is_that_of_the_pack() -> None:
    """The pack's hash is made of its pictures' sizes and hashes, in the order of their names."""
    with (ROOT / "docs" / "corpus.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    digest = hashlib.sha256("".join(f"{row['height']} {row['width']} {row['sha256']}\n" for row in rows).encode())
    packs = {step["data"]["name"]: step["data"] for param in TRAINED for step in trainings(param.values[0])}
    assert (digest.hexdigest(), len(rows)) == (packs["corpus"]["sha256"], packs["corpus"]["pictures"])
    assert all(row["licence"] and row["repository"] and row["path"] for row in rows)


def test_every_variant_is_measured_on_the_three_sets() -> None:
    for folder in zoo.catalogue().values():
        card = open_model(folder).card
        assert card.licence == "Apache-2.0"
        for name, variant in card.variants.items():
            assert [entry["set"] for entry in variant.measured] == ["Set5", "Set14", "BSD100"], f"{card.name}:{name}"
            assert all({"psnr_y", "ssim_y", "protocol"} <= set(entry) for entry in variant.measured)
