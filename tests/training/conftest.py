"""A small pack, and a small recipe for it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import pyvips
import torch

from superfine.data import Pack, pack
from superfine.networks.compact import CompactConfig
from superfine.training.recipes import PixelRecipe, Schedule


@pytest.fixture(scope="session")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of coloured waves: unlike noise, something can be learnt from them."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("waves")
    y, x = np.indices((64, 80))
    for i in range(4):
        fy, fx, phase = rng.uniform(0.05, 0.4, 3), rng.uniform(0.05, 0.4, 3), rng.uniform(0, 6, 3)
        waves = np.sin(y[..., None] * fy + x[..., None] * fx + phase)
        pixels = np.rint(127.5 + 120 * waves).astype(np.uint8)
        pyvips.Image.new_from_array(pixels, interpretation="srgb").write_to_file(str(folder / f"{i}.png"))
    return folder


@pytest.fixture(scope="session")
def packed_waves(waves: Path) -> Path:
    return pack(waves, waves.with_name(f"{waves.name}.pack")).path


@pytest.fixture
def small_pack(packed_waves: Path, tmp_path: Path) -> Pack:
    """The waves, packed; a copy, which may be changed."""
    return Pack(shutil.copytree(packed_waves, tmp_path / "small.pack"))


@pytest.fixture
def small_recipe() -> PixelRecipe:
    return PixelRecipe(
        CompactConfig(channels=8, convs=2), steps=12, batch=4, patch=6, schedule=Schedule(rate=2e-3, warmup=2)
    )


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small networks gain nothing from more threads."""
    torch.set_num_threads(1)
