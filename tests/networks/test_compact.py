"""The compact network: shape, start, receptive field, layout."""

import pytest
import torch

from superfine.errors import UserError
from superfine.networks import NETWORKS, build, hyper_parameters
from superfine.networks.compact import Compact, CompactConfig


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_enlarges_by_its_scale(scale: int) -> None:
    network = Compact(CompactConfig(channels=8, convs=2, scale=scale))
    assert network(torch.rand(2, 3, 7, 9)).shape == (2, 3, 7 * scale, 9 * scale)


def test_starts_near_the_enlarged_input() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 16, 16)
    difference = Compact(CompactConfig())(x) - x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert 0 < difference.abs().mean() < 0.3


def test_radius_is_the_receptive_field_and_tight() -> None:
    torch.manual_seed(0)
    network = Compact(CompactConfig(channels=6, convs=3)).double()
    assert network.radius == 5
    x = torch.rand(1, 3, 21, 21, dtype=torch.float64)
    touched = x.clone()
    touched[..., 10, 10] += 1
    changed = (network(x) != network(touched)).any(1)[0].nonzero()
    low, high = int(changed.min()), int(changed.max())
    assert (low, high) == ((10 - network.radius) * 4, (10 + network.radius + 1) * 4 - 1)


def test_keys_are_those_of_published_checkpoints() -> None:
    keys = list(Compact(CompactConfig(channels=4, convs=1)).state_dict())
    assert keys == ["body.0.weight", "body.0.bias", "body.1.weight", "body.2.weight", "body.2.bias", "body.3.weight",
                    "body.4.weight", "body.4.bias"]  # fmt: skip


def test_build_from_hyper_parameters() -> None:
    for name in NETWORKS:
        network = build(name, {"channels": 8})
        assert hyper_parameters(build(name, hyper_parameters(network))) == hyper_parameters(network)
    with pytest.raises(UserError, match="'espcn': unknown; choose one of compact"):
        build("espcn", {})
    with pytest.raises(UserError, match="unknown hyper-parameter depth"):
        build("compact", {"depth": 3})
    with pytest.raises(UserError, match="channels: 0 is not positive"):
        build("compact", {"channels": 0})
