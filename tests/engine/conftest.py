"""Small models, published as real ones are, with random weights that make every layer matter."""

from pathlib import Path

import numpy as np
import pytest
import torch

from superfine import modelfile, networks
from superfine.checkpoints.graph import export_graph
from superfine.networks.fold import fold

CONFIGS = {
    "compact": {"channels": 8, "convs": 2, "scale": 4},
    "srcnn": {"channels": 8, "mapped": 4, "start": "identity"},
    "srresnet": {"channels": 8, "blocks": 1},
    "rrdb": {"channels": 8, "growth": 4, "blocks": 1, "scale": 2},
}


def write(directory: Path, architecture: str, gain: float = 1.0) -> Path:
    """A model folder with the variants ``fidelity`` and ``texture``; ``gain`` multiplies one layer and divides the next."""
    variants = {}
    for seed, variant in enumerate(("fidelity", "texture")):
        torch.manual_seed(seed)
        network = networks.build(architecture, CONFIGS[architecture]).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.05 * torch.randn(parameter.shape)
            if gain != 1:
                network.body[0].weight *= gain
                network.body[0].bias *= gain
                network.body[2].weight /= gain
        variants[variant] = (network, modelfile.half({k: v.numpy() for k, v in fold(network).state_dict().items()}))
    network, weights = variants["fidelity"]
    graph = export_graph(fold(network), "fidelity.safetensors", modelfile.offsets(weights))
    card = modelfile.Card(
        name=directory.name,
        architecture=architecture,
        config=CONFIGS[architecture],
        scale=network.scale,
        radius=network.radius,
        multiple=getattr(network, "multiple", 1),
        precision=getattr(network, "precision", "auto"),
        variants={name: modelfile.Variant(f"{name}.safetensors") for name in variants},
        licence="none",
    )
    modelfile.write_model(directory, card, graph, {name: weights for name, (_, weights) in variants.items()})
    return directory


@pytest.fixture(scope="session")
def compact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "small-compact", "compact")


@pytest.fixture(scope="session")
def srcnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "small-srcnn", "srcnn")


@pytest.fixture(scope="session")
def srresnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "small-srresnet", "srresnet")


@pytest.fixture(scope="session")
def twofold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RRDB for ×2, which sees its input in cells of 2×2 pixels."""
    return write(tmp_path_factory.mktemp("models") / "small-rrdb-x2", "rrdb")


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(7)
