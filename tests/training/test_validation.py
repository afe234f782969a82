"""Validation measures what evaluation measures."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from superfine.errors import UserError
from superfine.images import Picture, imresize, in_unit, read, write
from superfine.metrics import measure, pairs
from superfine.networks.compact import Compact, CompactConfig
from superfine.networks.features import Features, layer_name
from superfine.training import validation
from superfine.training.runs import Run
from superfine.training.validation import Validation


def repeating() -> Compact:
    """It only repeats pixels."""
    network = Compact(CompactConfig(channels=4, convs=1))
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    return network


def test_a_network_that_only_repeats_pixels_scores_as_nearest(photos: Path) -> None:
    network = repeating()
    network.train()
    measured = Validation(photos, 4, None)(network, torch.device("cpu"), "f32")
    expected = []
    for pair in pairs(photos, 4):
        nearest = imresize(pair.lr, scale=4.0, kernel="nearest")
        options = {"metrics": ["psnr_y"], "protocol": "standard", "scale": 4, "grey": pair.grey}
        expected.append(measure(nearest, pair.hr, pair.lr, **options)["psnr_y"])
    assert measured.psnr_y == pytest.approx(np.mean(expected), abs=1e-6)
    assert network.training, "the mode is put back"


def test_its_pictures_are_those_of_an_evaluation(tmp_path: Path, write_noise: Callable[..., None]) -> None:
    for name in ("001", "002"):
        write_noise(tmp_path / "store" / f"{name}_HR.png", 16, 20, 1)
        write_noise(tmp_path / "store" / f"{name}_LR.png", 4, 5, 2)
    (tmp_path / "set").symlink_to("store")
    validation = Validation(tmp_path / "set", 4, None)
    assert validation.name == "set"
    assert [pair.name for pair in validation.pairs] == ["001", "002"]
    np.testing.assert_array_equal(validation.pairs[0].lr, read(tmp_path / "store" / "001_LR.png").pixels)
    write_noise(tmp_path / "store" / "002_LR.png", 4, 5, 2, channels=1)
    with pytest.raises(UserError, match=r"002_LR\.png: is grey, its original in colour"):
        Validation(tmp_path / "set", 4, None)


def test_the_middle_is_shown_and_judged_by_features_of_unit_length(
    tmp_path: Path, write_noise: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zhang et al. 2018, Eq. 1 with all weights equal: the mean of two layers' mean squared distances."""
    monkeypatch.setattr(validation, "CROP", 8)
    write_noise(tmp_path / "set" / "a.png", 48, 64, 1)
    torch.manual_seed(0)
    convs = {"conv1_1": nn.Conv2d(3, 64, 3), "conv1_2": nn.Conv2d(64, 64, 3), "conv2_1": nn.Conv2d(64, 128, 3)}
    state = nn.ModuleDict(convs).state_dict()
    features = Features("vgg19", ("12", "21"), state, before_activation=False)
    measured = Validation(tmp_path / "set", 4, features)(repeating(), torch.device("cpu"), "f32")

    (pair,) = pairs(tmp_path / "set", 4)
    middle = np.s_[8:40, 16:48]
    shown, made, wanted = np.split(measured.panel[:-4], 3, axis=1)
    np.testing.assert_array_equal(wanted, in_unit(pair.hr[middle]))
    np.testing.assert_allclose(made, pair.lr.repeat(4, 0).repeat(4, 1)[middle], atol=1e-6)
    np.testing.assert_allclose(shown, made, atol=1e-6)
    expected = 0.0
    a, b = (features(torch.from_numpy(pixels).permute(2, 0, 1)[None]) for pixels in (made, wanted))
    for name in ("conv1_2", "conv2_1"):
        first, second = (x / x.square().sum(1, keepdim=True).sqrt() for x in (a[name], b[name]))
        expected += float(((first - second) ** 2).sum(1).mean()) / 2
    assert measured.perceptual == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("side", "layer", "least"), [(8, None, 9), (12, "51", 16)])
def test_a_picture_too_small_to_be_measured_is_told_before_a_run_begins(
    tmp_path: Path, write_noise: Callable[..., None], side: int, layer: str | None, least: int
) -> None:
    write_noise(tmp_path / "set" / "good.png", 40, 40, 1)
    write_noise(tmp_path / "set" / "small.png", side, 40, 1)
    features = None if layer is None else SimpleNamespace(layers=(layer_name("vgg19", layer),))
    message = rf"set: small is 40×{side}, and validation measures {least}×{least} or more; leave it out"
    with pytest.raises(UserError, match=message):
        Validation(tmp_path / "set", 4, features)  # type: ignore[arg-type]
    write_noise(tmp_path / "set" / "small.png", 16, 40, 1)
    Validation(tmp_path / "set", 4, features)  # type: ignore[arg-type]


def test_a_flat_picture_does_not_hide_the_others(photos: Path, tmp_path: Path) -> None:
    flat = np.full((40, 40, 3), 0.4, np.float32)
    (tmp_path / "flat").mkdir()
    write(Picture(flat), tmp_path / "flat" / "grey.png")
    assert Validation(tmp_path / "flat", 4, None)(repeating(), torch.device("cpu"), "f32").psnr_y == math.inf
    before = Validation(photos, 4, None)(repeating(), torch.device("cpu"), "f32").psnr_y
    write(Picture(flat), photos / "grey.png")
    assert Validation(photos, 4, None)(repeating(), torch.device("cpu"), "f32").psnr_y == pytest.approx(before)


def test_the_best_is_the_best_on_one_set(tmp_path: Path) -> None:
    description = {"recipe": {}, "data": {"sha256": ""}}
    run = Run.start(tmp_path / "run", description, {})
    assert run.note_validation("easy", 1, math.inf, None) == []
    assert json.loads((run.path / "run.json").read_text())["validation"] == {
        "set": "easy",
        "psnr_y": None,
        "step": 1,
        "best": {},
    }
    assert run.note_validation("easy", 2, 40.0, 0.2) == ["psnr", "perceptual"]
    assert run.note_validation("easy", 3, 39.0, 0.1) == ["perceptual"]
    assert run.note_validation("hard", 4, 25.0, None) == ["psnr"], "another set begins anew"


def test_what_was_best_on_the_way_that_was_given_up_is_forgotten(tmp_path: Path) -> None:
    run = Run.start(tmp_path / "run", {"recipe": {}, "data": {"sha256": ""}}, {})
    run.forget_validations(0)
    run.note_validation("set", 2, 28.0, 0.1)
    run.note_validation("set", 4, 30.0, 0.2)
    run.forget_validations(3)
    assert json.loads((run.path / "run.json").read_text())["validation"]["best"] == {
        "perceptual": {"value": 0.1, "step": 2}
    }
    assert run.note_validation("set", 4, 29.0, 0.2) == ["psnr"]
    assert run.note_validation("set", 5, 28.5, 0.2) == []
