"""Fixtures shared by all tests."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from superfine.training.recipes import PixelRecipe

# The same examples every time, however slow the machine.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# A shell's background job is born deaf to Ctrl-C, and so are its children; the tests of Ctrl-C send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the benchmarks, the photographs and the feature weights, which lies beside the checkout."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the data folder {SHARED}, which is absent")
    return SHARED


@pytest.fixture(scope="session")
def write_noise() -> Callable[..., None]:
    """Writes a PNG of seeded noise: ``write_noise(path, height, width, seed, channels=3)``."""

    def write(path: Path, height: int, width: int, seed: int, channels: int = 3) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
        pyvips.Image.new_from_array(pixels, interpretation="srgb").write_to_file(str(path))

    return write


@pytest.fixture
def photos(tmp_path: Path, write_noise: Callable[..., None]) -> Path:
    """Five good pictures of different sizes, one of them in a folder below."""
    folder = tmp_path / "photos"
    for i, (height, width) in enumerate([(40, 60), (64, 64), (33, 47), (80, 41)]):
        write_noise(folder / f"{i}.png", height, width, i)
    write_noise(folder / "more" / "4.png", 48, 52, 4)
    return folder


@pytest.fixture(scope="session")
def trained_by() -> Callable[[Sequence[str]], tuple[PixelRecipe, int]]:
    """The recipe that the words of a ``train`` command train by, and its seed."""
    from superfine.cli.main import app
    from superfine.training.recipes import recipe
    from superfine.training.settings import override

    def read(words: Sequence[str]) -> tuple[PixelRecipe, int]:
        given = app.parse_args(words, exit_on_error=False, print_error=False)[1].arguments
        settings = dict(text.split("=", 1) for text in given.get("settings") or [])
        settings |= {name: str(given[name]) for name in ("steps", "batch", "patch") if given.get(name) is not None}
        return override(recipe(given["recipe"]), settings), given.get("seed", 1)

    return read
