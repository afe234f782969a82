"""Batches degraded as a run goes: the pixels do not depend on the attempt, the thread or the number of processes."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from superfine.data import Batches, Pack, pack
from superfine.data.teaching import teach
from superfine.errors import UserError
from superfine.images import imresize
from superfine.networks.compact import CompactConfig
from superfine.networks.discriminators import UNetDiscriminatorConfig
from superfine.training import adversarial_stage, pixel_stage
from superfine.training.distributed import World
from superfine.training.recipes import RECIPES, AdversarialRecipe, PixelRecipe
from superfine.training.resident import Resident, fits
from superfine.training.settings import override
from superfine.training.setup import Options
from superfine.training.supply import Supply
from superfine.training.tensors import to_bytes, to_device
from superfine.training.validation import Validation


def supply(
    pack: Pack, degradation: str, *, rank: int = 0, size: int = 1, teacher: Pack | None = None, weight: float = 0.0
) -> Supply:
    recipe = PixelRecipe(CompactConfig(), batch=4, patch=8, degradation=degradation, teacher_weight=weight)
    return Supply(pack, recipe, World(rank, size, torch.device("cpu")), seed=3, teacher=teacher)


def test_bytes_and_tensors_are_each_others_inverse() -> None:
    pixels = np.arange(2 * 8 * 16 * 3, dtype=np.uint8).reshape(2, 8, 16, 3)
    np.testing.assert_array_equal(to_bytes(to_device(torch.from_numpy(pixels), torch.device("cpu"))), pixels)


def test_the_packs_own_twins_are_taken_unless_others_are_asked_for(small_pack: Pack) -> None:
    lr, hr = Batches(small_pack, seed=3, batch=4, patch=8)(5)
    pairs = {name: supply(small_pack, name).whole(5) for name in ("pack", "bicubic", "gaussian", "photo")}
    for _, target in pairs.values():
        np.testing.assert_array_equal(to_bytes(target), hr)
    np.testing.assert_array_equal(to_bytes(pairs["pack"][0]), lr)
    for n in range(4):
        np.testing.assert_array_equal(to_bytes(pairs["bicubic"][0])[n], imresize(hr[n], scale=0.25))
    errors = {name: np.abs(to_bytes(x).astype(int) - lr).mean() for name, (x, _) in pairs.items()}
    assert 0 < errors["bicubic"] < errors["gaussian"] < errors["photo"]


@pytest.fixture
def taught_pack(small_pack: Pack, tmp_path: Path) -> Pack:
    """What somebody makes of the small pack: its twins, each pixel four times as wide and high, and inverted."""
    return teach(
        small_pack, lambda lr: 1 - lr.repeat(4, 0).repeat(4, 1), tmp_path / "taught", teacher={"name": "inverter"}
    )


@pytest.mark.parametrize("degradation", ["pack", "photo"])
def test_a_teacher_is_mixed_into_the_target_and_not_into_what_is_enlarged(
    small_pack: Pack, taught_pack: Pack, degradation: str
) -> None:
    x, photograph = supply(small_pack, degradation).whole(5)
    same_x, mixed = supply(small_pack, degradation, teacher=taught_pack, weight=0.75).whole(5)
    assert torch.equal(x, same_x)
    lr, _ = Batches(small_pack, seed=3, batch=4, patch=8)(5)
    taught = 1 - to_device(torch.from_numpy(lr.repeat(4, 1).repeat(4, 2)), torch.device("cpu"))
    torch.testing.assert_close(mixed, 0.25 * photograph + 0.75 * taught, rtol=0, atol=1e-6)


def test_a_teacher_of_another_scale_is_refused(
    waves: Path, small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path
) -> None:
    halved = pack(waves, tmp_path / "halved.pack", scale=2)
    taught = teach(halved, lambda lr: lr.repeat(2, 0).repeat(2, 1), tmp_path / "two", teacher={"name": "nearest"})
    assert halved.sha256 == small_pack.sha256, "of the large pictures alone"
    recipe = replace(small_recipe, teacher_weight=0.5)
    with pytest.raises(UserError, match=r"two: is not made of .*small\.pack"):
        pixel_stage.train("small", recipe, small_pack, tmp_path / "run", options=Options(teacher=taught))


@pytest.mark.parametrize("degradation", ["pack", "photo"])
@pytest.mark.parametrize("weight", [0.0, 0.75])
def test_a_resident_pack_gives_the_same_batches(
    small_pack: Pack, taught_pack: Pack, degradation: str, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = taught_pack if weight else None
    mapped = supply(small_pack, degradation, rank=1, size=2, teacher=teacher, weight=weight)
    monkeypatch.setattr("superfine.training.supply.fits", lambda packs, device: True)
    made: list[Path] = []

    def noting(pack: Pack, device: torch.device) -> Resident:
        made.append(pack.path)
        return Resident(pack, device)

    monkeypatch.setattr("superfine.training.supply.Resident", noting)
    resident = supply(small_pack, degradation, rank=1, size=2, teacher=teacher, weight=weight)
    assert made == [pack.path for pack in (small_pack, teacher) if pack]
    batches = Batches(small_pack, seed=3, batch=4, patch=8)
    assert {crop.symmetry for step in range(12) for crop in batches.crops(step)[mapped.part]} == set(range(8))
    with closing(mapped.ahead(0, 12)) as one, closing(resident.ahead(0, 12)) as other:
        for pair, same in zip(one, other, strict=True):
            for tensor, twin in zip(pair, same, strict=True):
                assert torch.equal(tensor, twin)
                assert tensor.stride() == twin.stride()


def test_a_pack_is_resident_where_it_fits(small_pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(flat.nbytes for flat in small_pack.flat())
    for free, expected in ((2 * size, True), (2 * size - 2, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10 * size))
        assert fits([small_pack], torch.device("cuda")) == expected
    assert not fits([small_pack], torch.device("cpu"))


@pytest.mark.parametrize("degradation", ["pack", "gaussian", "photo"])
def test_ahead_from_any_step_in_any_parts_it_is_the_same_batch(small_pack: Pack, degradation: str) -> None:
    one = supply(small_pack, degradation)
    halves = [supply(small_pack, degradation, rank=rank, size=2) for rank in range(2)]
    with closing(one.ahead(0, 4)) as from_start, closing(one.ahead(2, 4)) as resumed:
        begun = [next(from_start) for _ in range(4)][2:]
        with closing(halves[0].ahead(2, 4)) as upper, closing(halves[1].ahead(2, 4)) as lower:
            for step, whole in zip((2, 3), begun, strict=True):
                parts = zip(next(upper), next(lower), strict=True)
                expected = one.whole(step)
                for one_attempt, next_attempt, pieces, now in zip(whole, next(resumed), parts, expected, strict=True):
                    assert torch.equal(one_attempt, next_attempt)
                    assert torch.equal(one_attempt, torch.cat(pieces))
                    assert torch.equal(one_attempt, now)


def test_both_stages_learn_and_resume_bit_for_bit(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    pixel = replace(small_recipe, degradation="photo", patch=8, steps=4)
    gan = AdversarialRecipe(
        pixel.network, degradation="photo", steps=4, batch=4, patch=8, discriminator=UNetDiscriminatorConfig(channels=4)
    )
    for name, stage, recipe in (("pixel", pixel_stage.train, pixel), ("gan", adversarial_stage.train, gan)):
        whole = stage(name, recipe, small_pack, tmp_path / name)
        stage(name, recipe, small_pack, tmp_path / f"{name}-paused", options=Options(minutes=0.0))
        paused = stage(name, recipe, small_pack, tmp_path / f"{name}-paused")
        assert (whole.path / "weights.safetensors").read_bytes() == (paused.path / "weights.safetensors").read_bytes()
    clean = pixel_stage.train("pixel", replace(pixel, degradation="pack"), small_pack, tmp_path / "clean")
    ends = [load_file(run / "weights.safetensors")["body.0.weight"] for run in (clean.path, tmp_path / "pixel")]
    assert not torch.equal(*ends), "what was degraded is what was trained on"
    with pytest.raises(UserError, match="holds a run with another recipe"):
        pixel_stage.train("pixel", replace(pixel, degradation="gaussian"), small_pack, tmp_path / "pixel")


def test_validation_is_degraded_alike_each_time_and_every_picture_differently(photos: Path) -> None:
    plain, photo, again = (Validation(photos, 4, None, how) for how in ("pack", "photo", "photo"))
    for a, b, c in zip(plain.pairs, photo.pairs, again.pairs, strict=True):
        np.testing.assert_array_equal(a.hr, b.hr)
        np.testing.assert_array_equal(b.lr, c.lr)
        assert a.lr.shape == b.lr.shape
        assert np.abs(a.lr - b.lr).mean() > 0.01


def test_an_unknown_degradation_is_refused() -> None:
    with pytest.raises(
        UserError, match="degradation: 'rain' is unknown; choose one of pack, bicubic, gaussian, photo, everyday"
    ):
        override(RECIPES["srresnet-mse"], {"degradation": "rain"})
