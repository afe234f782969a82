"""Validation measures what evaluation measures."""

from pathlib import Path

import pytest
import torch

from superfine.evaluation import Interpolation, evaluate
from superfine.networks.compact import Compact, CompactConfig
from superfine.training.validation import Validation


def test_a_network_that_only_repeats_pixels_scores_as_nearest(photos: Path) -> None:
    network = Compact(CompactConfig(channels=4, convs=1))
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.train()
    measured = Validation(photos, 4, None)(network, torch.device("cpu"), "f32")
    assert measured.psnr_y == pytest.approx(evaluate(Interpolation("nearest"), photos).mean, abs=1e-6)
    assert network.training, "the mode is put back"
