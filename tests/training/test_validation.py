"""Validation measures what evaluation measures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from superfine.images import imresize
from superfine.metrics import measure, pairs
from superfine.networks.compact import Compact, CompactConfig
from superfine.training.validation import Validation


def test_a_network_that_only_repeats_pixels_scores_as_nearest(photos: Path) -> None:
    network = Compact(CompactConfig(channels=4, convs=1))
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.train()
    measured = Validation(photos, 4, None)(network, torch.device("cpu"), "f32")
    expected = []
    for pair in pairs(photos, 4):
        nearest = imresize(pair.lr, scale=4.0, kernel="nearest")
        options = {"metrics": ["psnr_y"], "protocol": "standard", "scale": 4, "grey": pair.grey}
        expected.append(measure(nearest, pair.hr, pair.lr, **options)["psnr_y"])
    assert measured.psnr_y == pytest.approx(np.mean(expected), abs=1e-6)
    assert network.training, "the mode is put back"
