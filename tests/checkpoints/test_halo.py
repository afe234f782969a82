"""The measured halo: small where a network's influence fades, the radius where it does not, and enough in the engine."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import superfine
from superfine import networks
from superfine.checkpoints import halo, variant
from superfine.checkpoints.halo import LIMIT, Halo, measure_halo
from superfine.checkpoints.interpolation import interpolate
from superfine.checkpoints.publish import publish
from superfine.modelfile import ModelFolder, open_model, write_model

Run = Callable[..., Path]
SMALL = {"channels": 6, "growth": 3, "blocks": 5}
TINY = {"channels": 4, "growth": 2, "blocks": 1}


def far_seeing(config: dict[str, int], gain: float = 20) -> nn.Module:
    """RRDB whose blocks matter as much as they do once they are trained; a fresh one's hardly do."""
    torch.manual_seed(0)
    network = networks.build("rrdb", config).eval()
    with torch.no_grad():
        for conv in network.body.modules():
            if isinstance(conv, nn.Conv2d):
                conv.weight *= gain
        network.conv_last.weight *= 0.2 / network(torch.rand(1, 3, 64, 64)).std()
        network.conv_last.bias.fill_(0.5)
    return network


def write_run(make_run: Run, network: nn.Module, name: str) -> Path:
    run = make_run("rrdb", config=networks.hyper_parameters(network), name=name)
    safetensors.torch.save_file(network.state_dict(), run / "weights.safetensors")
    return run


def from_so_much(network: nn.Module, picture: Tensor, around: int) -> Tensor:
    """The middle 32 × 32 pixels, from a window with ``around`` pixels on each side."""
    middle, s = picture.shape[-1] // 2, network.scale
    window = slice(middle - 16 - around, middle + 16 + around)
    with torch.no_grad():
        return network(picture[..., window, window])[
            ..., s * around : s * (around + 32), s * around : s * (around + 32)
        ]


@pytest.mark.parametrize(("scale", "gain"), [(4, 24), (2, 20)])
def test_it_is_enough_for_other_pictures(scale: int, gain: float) -> None:
    network = far_seeing(SMALL | {"scale": scale}, gain)
    found = measure_halo(network)
    assert found.bound == network.radius == 79 * 4 // scale
    assert 16 * 4 // scale <= found.pixels < found.bound
    assert 0 < found.differs_by <= LIMIT
    picture = torch.rand(1, 3, 2 * network.radius + 32, 2 * network.radius + 32)
    whole = from_so_much(network, picture, network.radius)
    assert float((from_so_much(network, picture, found.pixels) - whole).abs().max()) < 1 / 510
    # And that it is not far too much: a third of it is not enough.
    less = found.pixels // 3 // 2 * 2
    assert float((from_so_much(network, picture, less) - whole).abs().max()) > LIMIT


class Shift(nn.Module):
    """Each output pixel is the input pixel ``radius`` rows, or columns, away: nothing nearer matters."""

    def __init__(self, radius: int, *, down: bool) -> None:
        super().__init__()
        self.radius, self.scale, self.down = radius, 1, down

    def forward(self, x: Tensor) -> Tensor:
        moved = torch.zeros_like(x)
        if self.down:
            moved[..., self.radius :, :] = x[..., : -self.radius, :]
        else:
            moved[..., self.radius :] = x[..., : -self.radius]
        return moved


@pytest.mark.parametrize("down", [False, True])
def test_what_looks_far_away_alone_needs_its_radius(down: bool) -> None:
    """From one window to the next nothing changes, as both are black; only the long strip shows what is missing."""
    assert measure_halo(Shift(100, down=down)) == Halo(100, 0.0, 100)


def test_the_pictures_are_always_the_same_unlike_each_other_and_in_range() -> None:
    pictures = halo._pictures(200)
    assert torch.equal(pictures, halo._pictures(200))
    assert pictures.shape == (3, 3, 200, 200)
    assert pictures.dtype == torch.float32
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert (pictures.std(dim=(2, 3)) > 0.1).all()
    assert np.abs(np.corrcoef(pictures.mean(1).flatten(1).numpy()) - np.eye(3)).max() < 0.1


def test_tiles_with_it_equal_the_picture_in_one_piece(make_run: Run, tmp_path: Path) -> None:
    """Through the whole of it: published, opened, and computed in the smallest tiles there are."""
    published = publish(write_run(make_run, far_seeing(SMALL), "run"), tmp_path / "model")
    card = published.card
    assert card.radius == 79
    assert card.halo is not None
    assert card.halo <= 48
    assert card.variants["fidelity"].training["halo"]["bound"] == 79
    model = superfine.load(published.path, device="cpu")
    model.backend = model.backend.in_float32()
    pixels = np.random.default_rng(1).random((47, 150, 3), dtype=np.float32)
    tiled = model.upscale(pixels, tile=16)
    model.card = replace(card, halo=None)
    whole = model.upscale(pixels, tile=1000)
    difference = np.abs(tiled - whole).max()
    assert 0 < difference < 1 / 510
    assert np.abs(np.rint(255 * tiled) - np.rint(255 * whole)).max() <= 1


def test_networks_of_a_small_radius_have_none(make_run: Run, tmp_path: Path) -> None:
    model = publish(make_run(), tmp_path / "model")
    assert (model.card.halo, model.card.multiple, model.card.margin) == (None, 1, model.card.radius)
    text = (model.path / "model.json").read_text(encoding="utf-8")
    assert "halo" not in text
    assert "multiple" not in text


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What each call measures, to be filled by the test; in the place of measuring, which takes its time."""
    halos: list[float] = []
    monkeypatch.setattr(variant, "LARGE", 10)
    monkeypatch.setattr(variant, "measure_halo", lambda network: Halo(halos.pop(0), 1e-4, network.radius))
    return halos


def test_the_variant_that_needs_the_most_decides(make_run: Run, tmp_path: Path, measured: list[float]) -> None:
    runs = [make_run("rrdb", config=TINY | {"scale": 2}, seed=seed, name=f"run{seed}") for seed in range(3)]
    measured += [16, 32, 24]
    out = tmp_path / "model"
    assert publish(runs[0], out).card.halo == 16
    card = publish(runs[1], out, variant="texture").card
    assert (card.halo, card.multiple) == (32, 2)
    card = publish(runs[2], out, variant="texture").card
    assert card.halo == 24
    assert [entry.training["halo"]["pixels"] for entry in card.variants.values()] == [16, 24]
    assert measured == []
    assert open_model(out).card == card


def test_a_variant_that_was_never_measured_is(make_run: Run, tmp_path: Path, measured: list[float]) -> None:
    """A folder as it was written before there were halos goes on working, and catches up when it is added to."""
    runs = [make_run("rrdb", config=TINY, seed=seed, name=f"run{seed}") for seed in range(2)]
    measured += [16, 16, 19]
    folder = publish(runs[0], tmp_path / "model")
    entry = folder.card.variants["fidelity"]
    entry = replace(entry, training={key: value for key, value in entry.training.items() if key != "halo"})
    older = replace(folder.card, halo=None, variants={"fidelity": entry})
    write_model(folder.path, older, folder.read("graph.onnx"), {"fidelity": folder.weights("fidelity")})
    assert "halo" not in json.loads((folder.path / "model.json").read_text(encoding="utf-8"))
    assert open_model(folder.path).card.margin == 19
    card = publish(runs[1], folder.path, variant="texture").card
    assert [entry.training["halo"]["pixels"] for entry in card.variants.values()] == [16, 19]
    assert card.halo == 19


def test_between_two_models(make_run: Run, tmp_path: Path, measured: list[float]) -> None:
    measured += [16, 32]
    runs = [make_run("rrdb", config=TINY | {"scale": 2}, seed=seed, name=f"run{seed}") for seed in range(2)]
    ends: list[ModelFolder] = [publish(run, tmp_path / f"model{i}") for i, run in enumerate(runs)]
    middle = interpolate((ends[0].path, None), (ends[1].path, None), 0.5, tmp_path / "middle")
    assert (middle.card.halo, middle.card.multiple) == (32, 2)
    unmeasured = replace(ends[1].card, halo=None)
    write_model(ends[1].path, unmeasured, ends[1].read("graph.onnx"), {"fidelity": ends[1].weights("fidelity")})
    far = interpolate((ends[0].path, None), (ends[1].path, None), 0.5, tmp_path / "far")
    assert far.card.margin == far.card.radius
