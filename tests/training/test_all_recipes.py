"""Every recipe, made small: it learns, resumes bit for bit, and its model folder enlarges pictures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import pyvips
import torch
from safetensors.torch import save_file

from superfine.checkpoints.publish import publish, read_run
from superfine.cli.main import main
from superfine.data import Pack, pack
from superfine.images import read
from superfine.networks import Network
from superfine.networks.features import BACKBONES
from superfine.training import adversarial_stage, pixel_stage
from superfine.training.recipes import RECIPES, AdversarialRecipe, PixelRecipe
from superfine.training.runs import Run
from superfine.training.settings import override
from superfine.training.setup import Options

NETWORKS = {
    "compact": {"network.channels": "8", "network.convs": "2"},
    "srcnn": {"network.channels": "8", "network.mapped": "8"},
    "srresnet": {"network.channels": "8", "network.blocks": "1"},
    "rrdb": {"network.channels": "8", "network.growth": "4", "network.blocks": "1"},
}
LEARNING = {"schedule.rate": "2e-3", "schedule.warmup": "0"}

SMALL: dict[str, dict[str, str]] = {
    "srcnn": {"batch": "8", "schedule.rate": "2e-4"},
    "srresnet-mse": {},
    "srresnet-vgg22": {},
    "srgan-mse": {},
    "srgan-vgg22": {},
    "srgan-vgg54": {"patch": "4", "content.weight": "100"},
    "rrdb-psnr": {},
    "esrgan": {"patch": "8", "content.weight": "10"},
    "esrgan-minc": {"patch": "8", "content.weight": "10"},
    "compact-fidelity": {},
    "compact-texture": {},
    "compact-photo-fidelity": {"patch": "12", "batch": "4"},
    "compact-photo-texture": {"patch": "12"},
}
"""What the recipe needs besides. ESRGAN's discriminator takes crops of 32; φ5,4 makes one feature vector of 16×16 pixels.
Random features differ so little that their content loss wants more weight to be the greatest term, as it is with real ones.
Noise and JPEG leave little to see in tiny crops."""


@dataclass(frozen=True)
class Small:
    """A recipe made small, and how it is run; after so many ``steps`` it has learnt something."""

    name: str
    recipe: PixelRecipe
    options: Options
    steps: int

    def train(self, data: Pack, out: Path, *, steps: int, log_every: int = 100, minutes: float | None = None) -> Run:
        recipe = override(self.recipe, {"steps": str(steps)})
        options = Options(features=self.options.features, device="cpu", log_every=log_every, minutes=minutes)
        stage = adversarial_stage.train if isinstance(recipe, AdversarialRecipe) else pixel_stage.train
        return stage(self.name, recipe, data, out, options=options)


@pytest.fixture(scope="session")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Two pictures of the same coloured waves: one crop is like the next, so that a few steps teach something."""
    folder = tmp_path_factory.mktemp("patterns")
    y, x = np.indices((64, 80))[..., None]
    for i in range(2):
        waves = np.sin(y * (0.1, 0.12, 0.08) + x * (0.12, 0.08, 0.1) + i)
        pixels = np.rint(127.5 + 110 * waves).astype(np.uint8)
        pyvips.Image.new_from_array(pixels, interpretation="srgb").write_to_file(str(folder / f"{i}.png"))
    return pack(folder, folder.parent / f"{folder.name}.pack")


@pytest.fixture(scope="session")
def random_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG19's convolutions with random weights (He et al. 2015); as VGG16's are among them in name and shape, MINC's too."""
    state, channels = {}, 3
    rng = torch.Generator().manual_seed(0)
    for name in BACKBONES["vgg19"].names():
        outputs = min(64 * 2 ** (int(name[4]) - 1), 512)
        std = (2 / (9 * channels)) ** 0.5
        state[f"{name}.weight"] = (torch.randn(outputs, channels, 3, 3, generator=rng) * std).half()
        state[f"{name}.bias"] = torch.zeros(outputs).half()
        channels = outputs
    file = tmp_path_factory.mktemp("features") / "random.safetensors"
    save_file(state, file)
    return file


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Small:
    """The recipe ``request.param``; asks for the feature weights that it needs."""
    name = request.param
    paper = RECIPES[name]
    settings = {"batch": "2", "patch": "6"} | NETWORKS[paper.architecture] | LEARNING | SMALL[name]
    features, deep = None, False
    if paper.content.weight:
        deep = any(layer[0] > "3" for layer in paper.content.layers)
        settings["content.rescale"] = "1"  # neither file has the activations that 1/12.75 is for
        if deep:
            features = request.getfixturevalue("random_features")
        else:
            features = request.getfixturevalue("shared") / "data" / "weights" / "vgg19_conv3_1.safetensors"
    if isinstance(paper, AdversarialRecipe):
        settings["discriminator.channels"] = "4"
        if hasattr(paper.discriminator, "crop"):
            settings["discriminator.crop"] = str(int(settings["patch"]) * paper.network.scale)
    # Those of deep features learn as soon as others, and take ten times as long for a step.
    return Small(name, override(paper, settings), Options(features=features), steps=20 if deep else 50)


def test_no_recipe_is_forgotten() -> None:
    assert SMALL.keys() == RECIPES.keys()


@pytest.mark.parametrize("small", SMALL, indirect=True)
def test_it_learns_and_its_model_enlarges_pictures(small: Small, patterns: Pack, tmp_path: Path) -> None:
    run = small.train(patterns, tmp_path / "run", steps=small.steps, log_every=small.steps // 5)
    assert run.finished
    log = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    # Not the adversarial term: against a discriminator that learns too, it need not fall.
    terms = {small.recipe.loss, "content", "consistency", "checkerboard", "tv"}
    losses = [sum(value for name, value in record.items() if name in terms) for record in log]
    assert len(losses) == 5
    assert losses[-1] < 0.95 * losses[0]

    model = tmp_path / "model"
    publish(run.path, model, name=small.name)
    picture = tmp_path / "small.png"
    noise = np.random.default_rng(0).integers(0, 256, (52, 56, 3), np.uint8)
    pyvips.Image.new_from_array(noise, interpretation="srgb").write_to_file(str(picture))
    assert main(["upscale", str(picture), "--model", str(model), "--device", "cpu"]) == 0
    made = read(tmp_path / "small@4x.png").pixels
    network = read_run(run.path).network
    with torch.no_grad():
        wanted = network(torch.from_numpy(noise / np.float32(255)).permute(2, 0, 1)[None]).clamp(0, 1)
    assert made.shape == (208, 224, 3)
    edge = 4 * cast(Network, network).radius  # where what lies beyond the picture counts
    difference = np.abs(made - wanted[0].permute(1, 2, 0).numpy())[edge:-edge, edge:-edge]
    assert difference.size
    assert difference.mean() < 0.005, "bf16 and 8 bits, but these weights"


@pytest.mark.parametrize("small", SMALL, indirect=True)
def test_pausing_and_going_on_ends_with_the_same_bits(small: Small, patterns: Pack, tmp_path: Path) -> None:
    whole = small.train(patterns, tmp_path / "whole", steps=3)
    assert not small.train(patterns, tmp_path / "paused", steps=3, minutes=0.0).finished
    paused = small.train(patterns, tmp_path / "paused", steps=3)
    assert (whole.path / "weights.safetensors").read_bytes() == (paused.path / "weights.safetensors").read_bytes()
    ends = [torch.load(run.path / "checkpoint.pt", weights_only=True) for run in (whole, paused)]
    for end in ends:
        end.pop("health", None)  # windows end where attempts do
    torch.testing.assert_close(*ends, rtol=0, atol=0)
