"""Textures on a network that has learnt on."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from superfine.checkpoints.carrying import carry
from superfine.checkpoints.publish import publish
from superfine.errors import UserError
from superfine.modelfile import GRAPH, ModelFolder, open_model, write_model

Run = Callable[..., Path]


@pytest.fixture(scope="module")
def published(write_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both models, which are copied."""
    folder = tmp_path_factory.mktemp("published")
    publish(write_run(folder, seed=1, name="run-a"), folder / "before", licence="CC-BY-4.0")
    publish(write_run(folder, seed=2, name="run-b"), folder / "before", variant="texture")
    publish(write_run(folder, seed=3, name="run-c"), folder / "after", licence="MIT")
    return folder


@pytest.fixture
def before(published: Path, tmp_path: Path) -> ModelFolder:
    """A fidelity and the texture that was made from it."""
    return open_model(shutil.copytree(published / "before", tmp_path / "before"))


@pytest.fixture
def after(published: Path, tmp_path: Path) -> ModelFolder:
    return open_model(shutil.copytree(published / "after", tmp_path / "after"))


def test_what_the_texture_learnt_is_added(before: ModelFolder, after: ModelFolder, tmp_path: Path) -> None:
    carry((before.path, "texture"), (before.path, None), (after.path, None), tmp_path / "made")
    made = open_model(tmp_path / "made")
    (variant,) = made.card.variants
    gan, begun, further = before.weights("texture"), before.weights("fidelity"), after.weights("fidelity")
    for key, values in made.weights(variant).items():
        exact = gan[key].astype(np.float64) - begun[key] + further[key]
        np.testing.assert_allclose(values, exact, rtol=2**-10, atol=1e-4)


def test_on_the_network_it_came_from_it_is_the_texture(before: ModelFolder, tmp_path: Path) -> None:
    made = carry((before.path, "texture"), (before.path, None), (before.path, None), tmp_path / "made")
    for key, values in made.weights("fidelity").items():
        np.testing.assert_allclose(values, before.weights("texture")[key], rtol=2**-10, atol=1e-6)


def test_the_card_says_of_what(before: ModelFolder, after: ModelFolder, tmp_path: Path) -> None:
    card = carry((before.path, "texture"), (before.path, None), (after.path, None), tmp_path / "made").card
    assert (card.name, card.licence, card.config) == ("made", "MIT and CC-BY-4.0", after.card.config)
    (variant,) = card.variants.values()
    assert variant.description == "after, fidelity, with what before, texture learnt from before, fidelity"
    facts = variant.training["carried"]
    assert [facts[end]["sha256"] for end in ("texture", "origin", "target")] == [
        before.card.files["texture.safetensors"],
        before.card.files["fidelity.safetensors"],
        after.card.files["fidelity.safetensors"],
    ]


def test_weights_that_float16_does_not_hold_are_refused(
    before: ModelFolder, after: ModelFolder, tmp_path: Path
) -> None:
    for model, variant in ((before, "texture"), (after, "fidelity")):
        contents = {name: model.weights(name) for name in model.card.variants}
        contents[variant] = {key: np.full_like(values, 6e4) for key, values in contents[variant].items()}
        write_model(model.path, model.card, model.read(GRAPH), contents)
    with pytest.raises(UserError, match=r"weights body\.0\.bias: not finite in float16"):
        carry((before.path, "texture"), (before.path, None), (after.path, None), tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_what_cannot_be_carried(before: ModelFolder, after: ModelFolder, make_run: Run, tmp_path: Path) -> None:
    wide = publish(make_run(name="wide", config={"channels": 9, "convs": 2, "scale": 4}), tmp_path / "w").path
    gan, begun, further = (before.path, "texture"), (before.path, None), (after.path, None)
    with pytest.raises(UserError, match=r"before:texture: channels 8, .*w:fidelity has 9; only equal networks"):
        carry(gan, begun, (wide, None), tmp_path / "made")
    with pytest.raises(UserError, match=r"w:fidelity: channels 9, .*after:fidelity has 8; only equal networks"):
        carry(gan, (wide, None), further, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    with pytest.raises(UserError, match="there already; give a new folder"):
        carry(gan, begun, further, after.path)


def test_cards_that_tell_no_hyper_parameters(
    before: ModelFolder, after: ModelFolder, make_run: Run, tmp_path: Path
) -> None:
    """As those of networks that only spandrel knows."""
    wide = publish(make_run(name="wide", config={"channels": 9, "convs": 2, "scale": 4}), tmp_path / "w")
    for model in (before, after, wide):
        contents = {name: model.weights(name) for name in model.card.variants}
        write_model(model.path, replace(model.card, config={}), model.read(GRAPH), contents)
    gan, begun = (before.path, "texture"), (before.path, None)
    carry(gan, begun, (after.path, None), tmp_path / "made")
    with pytest.raises(UserError, match=r"before:texture: other tensors than .*w:fidelity has; only equal networks"):
        carry(gan, begun, (wide.path, None), tmp_path / "other")
    assert not (tmp_path / "other").exists()
