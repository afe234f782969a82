"""A finished run folder, as training writes it."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from superfine import networks

SMALL = {
    "compact": {"channels": 8, "convs": 2, "scale": 4},
    "srresnet": {"channels": 8, "blocks": 2, "scale": 4, "batch_norm": True},
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are computed soonest by one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_run(tmp_path: Path, write_run: Callable[..., Path]) -> Callable[..., Path]:
    """Write a run of a small network with random weights and statistics."""
    return partial(write_run, tmp_path)


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """The same, in a folder that is named."""

    def write(
        inside: Path,
        architecture: str = "compact",
        *,
        seed: int = 1,
        name: str = "run",
        config: dict[str, Any] | None = None,
    ) -> Path:
        config = config or SMALL[architecture]
        torch.manual_seed(seed)
        network = networks.build(architecture, config)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.1)
        record = {
            "name": f"{architecture}-mse",
            "architecture": architecture,
            "config": config,
            "recipe": {"steps": 10, "learning_rate": 1e-4},
            "command": f"superfine train {architecture}-mse --data photos.pack",
            "seed": seed,
            "steps": 10,
            "data": {"name": "photos", "sha256": "ab" * 32, "pictures": 3, "megapixels": 0.5},
            "versions": {"superfine": "0.1.0", "torch": torch.__version__},
            "finished": True,
            "validation": None,
        }
        folder = inside / name
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        safetensors.torch.save_file(state, folder / "weights.safetensors")
        return folder

    return write
