"""The dial as a file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superfine.checkpoints.interpolation import interpolate
from superfine.checkpoints.publish import publish
from superfine.errors import UserError
from superfine.modelfile import ModelFolder, lerp, open_model, trainings
from superfine.openvino_core import core

Run = Callable[..., Path]


@pytest.fixture(scope="module")
def published(write_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both models, which are copied."""
    folder = tmp_path_factory.mktemp("published")
    publish(write_run(folder, seed=1, name="run-a"), folder / "a", licence="CC-BY-4.0")
    publish(write_run(folder, seed=2, name="run-b"), folder / "b", licence="CC-BY-4.0")
    publish(write_run(folder, seed=3, name="run-c"), folder / "b", variant="texture")
    return folder


@pytest.fixture
def ends(published: Path, tmp_path: Path) -> tuple[ModelFolder, ModelFolder]:
    """Two models of one network; the second has two variants."""
    a, b = (open_model(shutil.copytree(published / name, tmp_path / name)) for name in "ab")
    return a, b


def run(graph: Path) -> np.ndarray:
    x = np.random.default_rng(0).random((1, 3, 9, 11), np.float32)
    return np.array(core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0])


def test_the_folder_is_the_dials_position(ends: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    a, b = ends
    interpolate((a.path, None), (b.path, "texture"), 0.8, tmp_path / "mixed")
    mixed = open_model(tmp_path / "mixed")
    expected = lerp(a.weights("fidelity"), b.weights("texture"), 0.8)
    (variant,) = mixed.card.variants
    for key, values in mixed.weights(variant).items():
        np.testing.assert_array_equal(values, expected[key])
    # Any tool reads the folder as it is, and it is what the dial of one model gives.
    np.testing.assert_array_equal(run(mixed.path / "graph.onnx"), run(mixed.materialise(tmp_path / "out")))
    inside = interpolate((b.path, "fidelity"), (b.path, "texture"), 0.3, tmp_path / "inside")
    np.testing.assert_array_equal(run(inside.path / "graph.onnx"), run(b.materialise(tmp_path / "dialled", 0.3)))


def test_the_card_says_of_what(ends: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    a, b = ends
    card = interpolate((a.path, None), (b.path, "texture"), 0.75, tmp_path / "mixed").card
    assert (card.name, card.licence, card.config, card.radius) == ("mixed", "CC-BY-4.0", a.card.config, a.card.radius)
    (variant,) = card.variants.values()
    assert variant.description == "0.25 of a, fidelity and 0.75 of b, texture"
    facts = variant.training["interpolated"]
    assert facts["alpha"] == 0.75
    assert facts["b"] == {
        "name": "b",
        "variant": "texture",
        "sha256": b.card.files["texture.safetensors"],
        "licence": "CC-BY-4.0",
        "training": b.card.variants["texture"].training,
    }


def test_mixed_again_the_card_tells_of_each_run_once(ends: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    a, b = ends
    mixed = interpolate((a.path, None), (b.path, "texture"), 0.75, tmp_path / "mixed")
    (variant,) = interpolate((mixed.path, None), (a.path, None), 0.5, tmp_path / "again").card.variants.values()
    told = [training["seed"] for training in trainings(variant.training)]
    assert told == [
        training["seed"]
        for end in (a.card.variants["fidelity"], b.card.variants["texture"])
        for training in trainings(end.training)
    ]


def test_two_licences_are_both_named(make_run: Run, tmp_path: Path) -> None:
    a = publish(make_run(seed=1, name="run-a"), tmp_path / "a", licence="CC-BY-4.0")
    b = publish(make_run(seed=2, name="run-b"), tmp_path / "b", licence="MIT")
    assert interpolate((a.path, None), (b.path, None), 0.5, tmp_path / "m").card.licence == "CC-BY-4.0 and MIT"
    assert interpolate((a.path, None), (b.path, None), 0.5, tmp_path / "n", licence="X").card.licence == "X"


def test_what_cannot_be_interpolated(ends: tuple[ModelFolder, ModelFolder], make_run: Run, tmp_path: Path) -> None:
    a, b = (end.path for end in ends)
    wide = publish(make_run(name="wide", config={"channels": 9, "convs": 2, "scale": 4}), tmp_path / "w").path
    other = publish(make_run("srresnet", name="other"), tmp_path / "s").path
    out = tmp_path / "mixed"
    cases: list[tuple[str, tuple[Path, str | None], tuple[Path, str | None], float]] = [
        (r"architecture srresnet, .*fidelity has compact", (a, None), (other, None), 0.5),
        (r"w:fidelity: channels 9, .*a:fidelity has 8;", (a, None), (wide, None), 0.5),
        (r"the same weights", (b, "fidelity"), (b, None), 0.5),
        (r"has only fidelity, texture", (a, None), (b, "oil"), 0.5),
        (r"^--alpha 1\.2: outside", (a, None), (b, None), 1.2),
        (r"^--alpha -0\.1: outside", (a, None), (b, None), -0.1),
        (r"^--alpha nan: outside", (a, None), (b, None), float("nan")),
        (r"no such model", (tmp_path / "absent", None), (b, None), 0.5),
    ]
    for words, first, second, alpha in cases:
        with pytest.raises(UserError, match=words) as error:
            interpolate(first, second, alpha, out)
        assert "\n" not in str(error.value)
        assert "; " in str(error.value)
        assert not out.exists()


def test_nothing_that_is_there_is_replaced(ends: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    a, b = (end.path for end in ends)
    before = (b / "model.json").read_bytes()
    with pytest.raises(UserError, match="there already; give a new folder"):
        interpolate((a, None), (b, None), 0.5, b)
    assert (b / "model.json").read_bytes() == before
