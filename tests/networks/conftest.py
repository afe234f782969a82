"""What the tests of the networks share."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The networks of these tests are small: more threads would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def reach() -> Callable[[nn.Module], int]:
    """The furthest LR pixel, in rows, that has a gradient from some output pixel over the middle of a narrow strip.

    A gradient shows what a difference of two outputs would lose to rounding: through many convolutions the outermost pixel's
    share is some 1e-20 of the others'. Two LR pixels next to each other are looked at, for networks that see pairs of them.
    """

    def measure(network: nn.Module) -> int:
        network = network.double().eval()
        middle = network.radius + 4
        furthest = 0
        for pixel in (middle, middle + 1):
            for row in (0, network.scale - 1):  # the outermost inside an LR pixel reach furthest
                for turned in (False, True):
                    strip = torch.rand(1, 3, 2 * middle + 2, 6, dtype=torch.float64)
                    strip = (strip.transpose(2, 3) if turned else strip).requires_grad_()
                    output = network(strip)
                    output = output.transpose(2, 3) if turned else output
                    output[0, :, pixel * network.scale + row, 2 * network.scale].sum().backward()
                    rows = strip.grad.abs().sum((0, 1, 2 if turned else 3)).nonzero()
                    furthest = max(furthest, int((rows - pixel).abs().max()))
        return furthest

    return measure


@pytest.fixture
def touched() -> Callable[[nn.Module], int]:
    """How far from a changed input pixel, in LR pixels, an output changes."""

    def measure(network: nn.Module) -> int:
        network = network.double().eval()
        furthest = 0
        for middle in (network.radius + 4, network.radius + 5):
            size = 2 * network.radius + 10
            picture = torch.rand(1, 3, size, size, dtype=torch.float64)
            changed = picture.clone()
            changed[0, :, middle, middle] += 0.5
            with torch.no_grad():
                places = (network(changed) != network(picture))[0].any(0).nonzero()
            furthest = max(furthest, int((places // network.scale - middle).abs().max()))
        return furthest

    return measure
