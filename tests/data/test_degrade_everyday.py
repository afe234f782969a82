"""The everyday degradation: its shares, its steps, and that nothing but (seed, step, number of the sample) decides it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from superfine.data.degrade import DEGRADATIONS, Classical, Everyday, Photo
from superfine.data.degrade.jpeg import jpeg

torch.set_num_threads(1)
EVERYDAY = Everyday()
NOTHING = Everyday(ruined=0.0, blurred=0.0, noisy=0.0, compressed=0.0)


def pictures(n: int, side: int = 64) -> torch.Tensor:
    smooth = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    return (F.interpolate(smooth, (side, side), mode="bicubic").clamp(0, 1) * 255).round() / 255


def test_the_same_numbers_give_the_same_pixels_and_a_part_is_part_of_the_whole() -> None:
    hr = pictures(8)
    whole = EVERYDAY(hr, scale=4, seed=3, step=11)
    assert whole.shape == (8, 3, 16, 16)
    assert torch.equal(whole, (whole * 255).round() / 255)
    for part in (slice(0, 4), slice(4, 8), slice(1, 8, 3)):
        assert torch.equal(EVERYDAY(hr[part], scale=4, seed=3, step=11, part=part), whole[part])
    for seed, step in ((3, 12), (4, 11)):
        assert not torch.equal(EVERYDAY(hr, scale=4, seed=seed, step=step), whole)
    assert EVERYDAY(hr[8:], scale=4, seed=1, step=1, part=slice(8, 12)).shape == (0, 3, 16, 16)


def test_without_any_step_it_is_matlabs_bicubic() -> None:
    hr = pictures(4)
    assert torch.equal(NOTHING(hr, scale=4, seed=1, step=1), Classical()(hr, scale=4))


def test_a_ruined_sample_is_that_of_photo() -> None:
    hr = pictures(8)
    made, ruin = EVERYDAY(hr, scale=4, seed=2, step=5), Photo()(hr, scale=4, seed=2, step=5)
    ruined = [plan.ruined for plan in EVERYDAY.plan(seed=2, step=5, samples=range(8))]
    assert 0 < sum(ruined) < 8
    for n, bad in enumerate(ruined):
        assert torch.equal(made[n], ruin[n]) == bad


def test_each_step_does_what_its_plan_says() -> None:
    hr = pictures(4)
    compressed = replace(NOTHING, compressed=1.0)
    plans = compressed.plan(seed=1, step=1, samples=range(4))
    wanted = jpeg(Classical()(hr, scale=4), np.array([plan.quality for plan in plans]))
    assert torch.equal(compressed(hr, scale=4, seed=1, step=1), wanted)

    noisy = replace(NOTHING, noisy=1.0, noise=(8.0, 8.0), grey=1.0)
    middle = torch.full((1, 3, 256, 256), 0.5)
    noise = noisy(middle, scale=4, seed=1, step=1) - 0.5
    assert noise.std().item() * 255 == pytest.approx(8.0, rel=0.05)
    assert torch.equal(noise[:, 0], noise[:, 1]), "grey"

    # How far a step is spread, in pixels²: the blur adds its variance to that of bicubic.
    edge = torch.full((1, 3, 64, 64), 0.25)
    edge[..., 32:] = 0.75
    at = torch.arange(15.0) - 7.0

    def spread(small: torch.Tensor) -> float:
        return ((slope := small[0, 0, 8].diff() / 0.5) * at**2).sum().item() - (slope * at).sum().item() ** 2

    soft = replace(NOTHING, blurred=1.0, sigma=(0.7, 0.7))(edge, scale=4, seed=1, step=1)
    assert spread(soft) - spread(Classical()(edge, scale=4)) == pytest.approx(0.7**2, abs=0.06)  # 8 bits


def test_shares_and_ranges() -> None:
    plans = [plan for step in range(40) for plan in EVERYDAY.plan(seed=1, step=step, samples=range(50))]
    for share, wanted in (
        (np.mean([plan.ruined for plan in plans]), 0.25),
        (np.mean([plan.sigma > 0 for plan in plans]), 0.4),
        (np.mean([plan.noise > 0 for plan in plans]), 0.4),
        (np.mean([plan.quality > 0 for plan in plans]), 0.75),
    ):
        assert share == pytest.approx(wanted, abs=0.03)
    assert {plan.quality for plan in plans} == {0, *range(40, 99)}
    assert max(plan.sigma for plan in plans) < 0.7
    assert max(plan.noise for plan in plans) < 8.0


def test_it_is_described() -> None:
    lines = EVERYDAY.describe(scale=4, seed=2, step=5, samples=range(8))
    plans = EVERYDAY.plan(seed=2, step=5, samples=range(8))
    for line, plan, ruin in zip(lines, plans, Photo().describe(scale=4, seed=2, step=5, samples=range(8)), strict=True):
        assert (line == ruin) == plan.ruined
        if not plan.ruined:
            assert ("JPEG" in line, "noise" in line, "blur" in line) == tuple(
                value > 0 for value in (plan.quality, plan.noise, plan.sigma)
            )
    assert DEGRADATIONS["everyday"] == EVERYDAY
