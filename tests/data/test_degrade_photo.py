"""The photo degradation: its chances, and that nothing but (seed, step, number of the sample) decides it."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from superfine.data.degrade import DEGRADATIONS, Photo
from superfine.data.degrade.draws import Draws, numbers
from superfine.data.degrade.jpeg import jpeg
from superfine.data.degrade.kernels import blur
from superfine.data.degrade.noise import gaussian_noise, poisson_noise

torch.set_num_threads(1)
PHOTO = Photo()


def pictures(n: int, side: int = 64) -> torch.Tensor:
    smooth = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    return (F.interpolate(smooth, (side, side), mode="bicubic").clamp(0, 1) * 255).round() / 255


def test_the_same_numbers_give_the_same_pixels() -> None:
    hr = pictures(6)
    once = PHOTO(hr, scale=4, seed=3, step=11)
    assert once.shape == (6, 3, 16, 16)
    assert torch.equal(once, PHOTO(hr, scale=4, seed=3, step=11))
    assert torch.equal(once, (once * 255).round() / 255)
    for seed, step in ((3, 12), (4, 11)):
        other = PHOTO(hr, scale=4, seed=seed, step=step)
        assert all(not torch.equal(once[n], other[n]) for n in range(6))


@pytest.mark.parametrize("parts", [[slice(0, 4), slice(4, 8)], [slice(n, 8, 3) for n in range(3)], [slice(5, 6)]])
def test_a_part_is_that_part_of_the_whole_bit_for_bit(parts: list[slice]) -> None:
    hr = pictures(8)
    whole = PHOTO(hr, scale=4, seed=2, step=1)
    for part in parts:
        assert torch.equal(PHOTO(hr[part], scale=4, seed=2, step=1, part=part), whole[part])


def test_an_empty_part_stays_empty() -> None:
    assert PHOTO(pictures(4)[4:], scale=4, seed=1, step=1, part=slice(4, 8)).shape == (0, 3, 16, 16)


def test_the_torch_generator_of_the_process_plays_no_part() -> None:
    hr = pictures(2)
    torch.manual_seed(1)
    once = PHOTO(hr, scale=2, seed=2, step=1)
    state = torch.get_rng_state()
    assert torch.equal(state, torch.manual_seed(1).get_state())
    torch.manual_seed(2)
    assert torch.equal(once, PHOTO(hr, scale=2, seed=2, step=1))


def test_nothing_is_differentiated() -> None:
    assert not PHOTO(pictures(1).requires_grad_(), scale=4, seed=1, step=1).requires_grad


def test_it_does_what_the_plan_says() -> None:
    """The operators, one after the other, on one sample of each order of the last two steps."""
    plans = PHOTO.plan(seed=5, step=0, samples=range(40))
    hr = pictures(40, 48)
    lr = PHOTO(hr, scale=4, seed=5, step=0)
    for last in (False, True):
        n = next(n for n, plan in enumerate(plans) if plan.sharpened_last == last)
        plan, x = plans[n], hr[n : n + 1]
        for steps, base in ((plan.first, 48), (plan.second, 12)):
            x = blur(x, [steps.blur.kernel])
            side = int(base * steps.factor)
            x = F.interpolate(x, (side, side), mode=steps.resize)
            generator = torch.Generator().manual_seed(steps.field >> 1)
            if steps.noise == "Gaussian":
                x = gaussian_noise(x[0], sigma=steps.strength, grey=steps.grey, generator=generator)[None]
            else:
                x = poisson_noise(x[0], strength=steps.strength, grey=steps.grey, generator=generator)[None]
            if steps is plan.first or last:
                x = jpeg(x, np.array([steps.quality]))
        x = blur(F.interpolate(x, (12, 12), mode=plan.resize), [plan.sinc.kernel])
        if not last:
            x = jpeg(x, np.array([plan.second.quality]))
        assert torch.equal(lr[n], (x[0] * 255).round().clamp(0, 255) / 255)


def test_chances_and_ranges_are_those_of_the_paper() -> None:
    plans = [plan for step in range(10) for plan in PHOTO.plan(seed=1, step=step, samples=range(400))]
    first, second = [p.first for p in plans], [p.second for p in plans]

    def share(of: list[bool]) -> float:
        return float(np.mean(of))

    near = 0.03
    assert share([s.blur.name == "" for s in first]) == 0.0
    assert share([s.blur.name == "" for s in second]) == pytest.approx(0.2, abs=near)
    assert share(["sinc" in s.blur.name for s in first]) == pytest.approx(0.1, abs=near)
    assert share([s.blur.name.startswith("blur") for s in first]) == pytest.approx(0.9 * 0.7, abs=near)
    assert share([s.blur.name.startswith("plateau") for s in first]) == pytest.approx(0.9 * 0.15, abs=near)
    assert share([p.sinc.name == "" for p in plans]) == pytest.approx(0.2, abs=near)
    assert share([p.sharpened_last for p in plans]) == pytest.approx(0.5, abs=near)
    assert {len(s.blur.kernel) for s in first} == set(range(7, 22, 2))
    for steps, (up, down, _), low, high, sigma, poisson in (
        (first, (0.2, 0.7, 0.1), 0.15, 1.5, 30, 3.0),
        (second, (0.3, 0.4, 0.3), 0.3, 1.2, 25, 2.5),
    ):
        factors = np.array([s.factor for s in steps])
        assert share(list(factors > 1)) == pytest.approx(up, abs=near)
        assert share(list(factors < 1)) == pytest.approx(down, abs=near)
        assert (low, high) == (pytest.approx(factors.min(), abs=0.02), pytest.approx(factors.max(), abs=0.02))
        assert share([s.grey for s in steps]) == pytest.approx(0.4, abs=near)
        assert share([s.noise == "Gaussian" for s in steps]) == pytest.approx(0.5, abs=near)
        for kind, lowest, highest in (("Gaussian", 1, sigma), ("Poisson", 0.05, poisson)):
            strengths = [s.strength for s in steps if s.noise == kind]
            assert lowest <= min(strengths) < lowest + 0.1 * highest
            assert 0.97 * highest < max(strengths) <= highest
        assert {s.resize for s in steps} == {"area", "bilinear", "bicubic"}
        assert (min(s.quality for s in steps), max(s.quality for s in steps)) == (30, 95)
    assert len({s.field for s in first + second}) == 2 * len(plans)


def test_settings_change_what_is_drawn() -> None:
    hazy = replace(PHOTO, second=replace(PHOTO.second, blur=0.0, quality=(10, 10), resize=(0.0, 0.0, 1.0)), sinc=0.0)
    for plan in hazy.plan(seed=1, step=1, samples=range(20)):
        assert (plan.second.blur.name, plan.second.quality, plan.second.factor, plan.sinc.name) == ("", 10, 1.0, "")
    first = [str(plan.first) for plan in hazy.plan(seed=1, step=1, samples=range(20))]
    assert first == [str(plan.first) for plan in PHOTO.plan(seed=1, step=1, samples=range(20))]
    assert json.loads(json.dumps(asdict(PHOTO)))["first"]["sigma"] == [0.2, 3.0]


def test_a_crop_of_one_low_resolution_pixel_passes() -> None:
    hr = pictures(30, 4)
    assert PHOTO(hr, scale=4, seed=1, step=1).shape == (30, 3, 1, 1)


def test_draws_are_philox_words_under_a_key_of_their_own() -> None:
    draws = Draws(seed=9, step=4, samples=range(3, 5), words=2)
    expected = [
        np.random.Philox(key=[9, int.from_bytes(b"degrade", "little")], counter=[0, n, 0, 4]).random_raw(2)
        for n in (3, 4)
    ]
    assert draws.words().tolist() == [int(words[0]) for words in expected]
    np.testing.assert_array_equal(draws.uniform(2.0, 4.0), [2 + 2 * (int(w[1]) >> 11) / 2**53 for w in expected])


def test_choices_and_integers_are_uniform() -> None:
    draws = Draws(seed=1, step=1, samples=range(4000), words=2)
    counts = np.bincount(draws.choice((1.0, 0.0, 3.0)), minlength=3) / 4000
    np.testing.assert_allclose(counts, [0.25, 0.0, 0.75], atol=0.03)
    assert np.bincount(draws.integer(3, 6))[3:].min() > 900


def test_the_numbers_of_a_part() -> None:
    assert list(numbers(slice(None), 3)) == [0, 1, 2]
    assert list(numbers(slice(4, 8), 4)) == [4, 5, 6, 7]
    assert list(numbers(slice(1, 8, 3), 3)) == [1, 4, 7]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_degradation_says_what_it_does(name: str) -> None:
    lines = DEGRADATIONS[name].describe(scale=4, seed=1, step=1, samples=range(2))
    assert len(lines) == 2
    assert all(lines)


def test_packs_and_batches_are_there_without_torch() -> None:
    code = "import sys; import superfine.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_same_is_done_with_other_noise_fields() -> None:
    hr = pictures(8).cuda()
    lr = PHOTO(hr, scale=4, seed=2, step=1)
    assert lr.is_cuda
    assert torch.equal(lr, PHOTO(hr, scale=4, seed=2, step=1))
    noiseless = replace(
        PHOTO,
        first=replace(PHOTO.first, noise=(0.0, 0.0), gaussian=1.0),
        second=replace(PHOTO.second, noise=(0.0, 0.0), gaussian=1.0),
    )
    difference = noiseless(hr, scale=4, seed=2, step=1).cpu() - noiseless(hr.cpu(), scale=4, seed=2, step=1)
    assert difference.abs().mean() < 0.5 / 255
