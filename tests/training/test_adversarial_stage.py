"""The adversarial stage: it learns, resumes bit for bit, and illness is met."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from superfine import losses
from superfine.checkpoints.publish import publish
from superfine.data import Pack
from superfine.errors import UserError
from superfine.images import imresize
from superfine.networks.compact import CompactConfig
from superfine.networks.discriminators import (
    PatchDiscriminatorConfig,
    SRGANDiscriminatorConfig,
    UNetDiscriminatorConfig,
    residual,
)
from superfine.training import adversarial_stage, course, pixel_stage
from superfine.training.health import collapsed, not_finite
from superfine.training.recipes import AdversarialRecipe, Content, PixelRecipe, Schedule
from superfine.training.setup import Options


@pytest.fixture
def recipe() -> AdversarialRecipe:
    return AdversarialRecipe(
        CompactConfig(channels=8, convs=2),
        steps=12,
        batch=4,
        patch=8,
        schedule=Schedule(rate=1e-3),
        discriminator=UNetDiscriminatorConfig(channels=4),
        adversarial="relativistic",
        adversarial_weight=5e-3,
        precision="f32",
    )


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("adversarial", list(losses.ADVERSARIAL_LOSSES))
def test_every_adversarial_loss_trains_both_sides(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, adversarial: str
) -> None:
    recipe = replace(recipe, adversarial=adversarial, steps=40, precision="bf16")
    run = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=Options(log_every=10))
    log = records(run.path)
    assert run.finished
    assert {"l1", "adversarial", "discriminator", "d_real", "d_fake", "gradient_norm"} <= log[0].keys()
    assert log[-1]["l1"] < log[0]["l1"]
    assert log[-1]["discriminator"] < log[0]["discriminator"]
    assert 0 < log[-1]["d_fake"] < 1


def test_the_papers_discriminator_and_content_loss(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, shared: Path
) -> None:
    recipe = replace(
        recipe,
        pixel_weight=0.0,
        content=Content(weight=1.0, layers=("22",), rescale=1.0),
        discriminator=SRGANDiscriminatorConfig(channels=4, crop=32),
        adversarial="vanilla",
        steps=3,
    )
    features = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    options = Options(features=features, log_every=1)
    run = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options)
    log = records(run.path)
    assert "l1" not in log[0]
    assert log[-1]["content"] < log[0]["content"]
    with pytest.raises(UserError, match=r"has no conv3_2, which conv5_4 needs"):
        deeper = replace(recipe, content=replace(recipe.content, layers=("54",)))
        adversarial_stage.train("gan", deeper, small_pack, tmp_path / "other", options=options)
    assert not (tmp_path / "other").exists()


def test_it_goes_on_with_the_same_features_only(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, shared: Path
) -> None:
    recipe = replace(recipe, content=Content(weight=1e-6, layers=("22",), rescale=1.0), steps=2)
    features = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    save_file({name: 3 * tensor for name, tensor in load_file(features).items()}, tmp_path / "others.safetensors")
    options = [Options(features=file, minutes=0.0) for file in (features, tmp_path / "others.safetensors")]
    run = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options[0])
    assert len(run.description["features"]) == 64
    with pytest.raises(UserError, match="holds a run with another features"):
        adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options[1])
    assert adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options[0]).finished
    without = replace(recipe, content=Content())
    with pytest.raises(UserError, match="the recipe has no content loss; leave it out"):
        adversarial_stage.train("gan", without, small_pack, tmp_path / "x", options=options[0])


PENALISED: dict[str, Any] = {
    "discriminator": PatchDiscriminatorConfig(channels=4),
    "adversarial": "paired",
    "discriminator_input": "residual",
    "r1": 3e-3,
}
"""The settings of compact-texture."""

WITH_AVERAGE: dict[str, Any] = {**PENALISED, "artefacts": 30.0, "average": 0.9}


@pytest.mark.parametrize(
    "settings",
    [{"discriminator": SRGANDiscriminatorConfig(channels=4, crop=32)}, PENALISED, WITH_AVERAGE],
    ids=["srgan", "penalised", "artefacts"],
)
def test_pausing_and_going_on_ends_with_the_same_bits(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, settings: dict[str, Any]
) -> None:
    recipe = replace(recipe, **settings)
    whole = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "whole")
    for _ in range(3):
        adversarial_stage.train("gan", recipe, small_pack, tmp_path / "paused", options=Options(minutes=0.0))
    paused = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "paused")
    for file in ("weights.safetensors",):
        assert (whole.path / file).read_bytes() == (paused.path / file).read_bytes()
    ends = [torch.load(run.path / "checkpoint.pt", weights_only=True) for run in (whole, paused)]
    for end in ends:
        del end["health"]  # windows end where attempts do
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_the_discriminator_has_no_say_at_weight_zero(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path
) -> None:
    silent = adversarial_stage.train("gan", replace(recipe, adversarial_weight=0.0), small_pack, tmp_path / "silent")
    pixel = PixelRecipe(recipe.network, steps=12, batch=4, patch=8, schedule=recipe.schedule, precision="f32")
    plain = pixel_stage.train("plain", pixel, small_pack, tmp_path / "plain")
    ends = [load_file(run.path / "weights.safetensors") for run in (silent, plain)]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-6)


def test_each_side_has_its_rate(recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path) -> None:
    """Adam's first step is the rate in every weight with a gradient; the generator's last layer may have its own."""
    recipe = replace(recipe, steps=1, adversarial_weight=0.0, average=0.0)
    sides = []
    for name, settings in {
        "whole": {},
        "a fifth": {"discriminator_rate": 0.2},
        "last layer": {"last_layer_rate": 0.2},
        "none": {"schedule": Schedule(rate=0.0)},
    }.items():
        run = adversarial_stage.train("gan", replace(recipe, **settings), small_pack, tmp_path / name)
        end = torch.load(run.path / "checkpoint.pt", weights_only=True)
        sides.append((end["network"], end["discriminator"]))
    *ends, start = sides
    moved = [
        tuple(
            {key: (value - start[side][key]).abs().amax().item() for key, value in end[side].items()} for side in (0, 1)
        )
        for end in ends
    ]
    whole, fifth, last = moved
    assert fifth[0] == whole[0]
    assert last[1] == whole[1]
    weights = [key for key in whole[1] if key.endswith("weight")]
    assert weights
    for key in weights:
        assert whole[1][key] == pytest.approx(1e-3, rel=1e-2)
        assert fifth[1][key] == pytest.approx(2e-4, rel=1e-2)
    *body, tail = [key for key in whole[0] if key.endswith("weight") and start[0][key].ndim == 4]
    assert last[0][tail] == pytest.approx(whole[0][tail] / 5, rel=1e-2)
    assert all(last[0][key] == whole[0][key] for key in body)


def test_the_residual_is_what_a_picture_loses_when_it_is_made_small() -> None:
    picture = np.random.default_rng(0).random((48, 56, 3))
    expected = 0.5 + 4.0 * (picture - imresize(imresize(picture, scale=0.25), scale=4.0))
    found = residual(torch.from_numpy(picture).permute(2, 0, 1)[None], 4)
    inner = (slice(16, -16), slice(16, -16))  # MATLAB's and torch's differ at the edges
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy()[inner], expected[inner], atol=1e-6)


def test_the_discriminator_sees_what_the_recipe_says(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path
) -> None:
    first = []
    for what in ("picture", "residual"):
        chosen = replace(recipe, **PENALISED | {"discriminator_input": what, "r1": 0.0}, steps=1)
        run = adversarial_stage.train("gan", chosen, small_pack, tmp_path / what, options=Options(log_every=1))
        first += records(run.path)
    assert first[0]["l1"] == first[1]["l1"]
    assert first[0]["discriminator"] != first[1]["discriminator"]


def test_artefacts_are_told_by_the_averaged_weights(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, ...]] = []

    def artefacts(*given: Tensor) -> Tensor:
        seen.append(given)
        return losses.artefacts(*given)

    monkeypatch.setattr(adversarial_stage, "artefacts", artefacts)
    chosen = replace(recipe, **WITH_AVERAGE, steps=3)
    run = adversarial_stage.train("gan", chosen, small_pack, tmp_path / "run", options=Options(log_every=1))
    result, target, steady = seen[0]
    torch.testing.assert_close(steady, result.detach(), msg="at first the average is the network")
    assert not torch.equal(seen[2][2], seen[2][0].detach())
    expected = 30.0 * losses.artefacts(result, target, steady).item()
    assert records(run.path)[0]["artefacts"] == pytest.approx(expected)


def test_the_gradient_penalty_holds_the_discriminator_back(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path
) -> None:
    logs = {}
    for r1 in (0.0, 3e-3, 0.3):
        chosen = replace(
            recipe, **PENALISED | {"r1": r1}, steps=40, schedule=Schedule(rate=2e-3), adversarial_weight=0.0
        )
        run = adversarial_stage.train("gan", chosen, small_pack, tmp_path / f"{r1}", options=Options(log_every=40))
        (logs[r1],) = records(run.path)
    assert "gradient_penalty" not in logs[0.0]
    assert logs[0.3]["gradient_penalty"] < logs[3e-3]["gradient_penalty"]
    assert logs[0.0]["d_real"] > logs[3e-3]["d_real"] > logs[0.3]["d_real"] > 0.5
    for log in logs.values():
        assert log["d_real"] + log["d_fake"] == pytest.approx(1, abs=1e-5), "of a pair, one is the photograph"


def test_a_penalty_is_logged_until_the_next_one(recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path) -> None:
    recipe = replace(recipe, **PENALISED)
    options = Options(log_every=1)
    whole = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "whole", options=options)
    adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=replace(options, minutes=0.0))
    paused = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options)
    logs = [[record["gradient_penalty"] for record in records(run.path)] for run in (whole, paused)]
    assert logs[0] == logs[1]
    assert min(logs[0]) > 0
    assert len(set(logs[0])) == 2, "those of steps 1 and 9"


def test_an_illness_is_met_once_though_its_penalty_was_ill_too(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def gradient_penalty(logits: Tensor, photographs: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return losses.gradient_penalty(logits, photographs) * (float("nan") if calls == 2 else 1)

    monkeypatch.setattr(adversarial_stage, "gradient_penalty", gradient_penalty)
    recipe = replace(recipe, **PENALISED, steps=20)
    options = Options(log_every=2, save_every=5)
    run = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options)
    assert run.finished
    assert calls == 4, "at steps 1, 9, 9 again and 17"
    assert torch.load(run.path / "checkpoint.pt", weights_only=True)["rollbacks"] == 1
    assert all(0 < record["gradient_penalty"] < float("inf") for record in records(run.path))


def test_it_starts_from_a_run_and_refuses_what_does_not_fit(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path
) -> None:
    pixel = PixelRecipe(recipe.network, steps=2, batch=4, patch=8, precision="f32")
    first = pixel_stage.train("pixel", pixel, small_pack, tmp_path / "pixel")
    still = replace(recipe, steps=1, schedule=Schedule(rate=0.0))
    run = adversarial_stage.train("gan", still, small_pack, tmp_path / "gan", options=Options(init=first.path))
    assert run.description["recipe"]["discriminator"] == {"name": "unet", "channels": 4}
    ends = [load_file(folder / "weights.safetensors") for folder in (first.path, run.path)]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-7)
    assert run.description["start"]["training"]["name"] == "pixel", "the record tells the whole way to the weights"
    card = publish(run.path, tmp_path / "model").card
    assert card.variants["fidelity"].training["start"]["training"]["steps"] == 2
    with pytest.raises(UserError, match="another start"):
        adversarial_stage.train("gan", still, small_pack, tmp_path / "gan")

    wider = replace(recipe, network=CompactConfig(channels=9, convs=2))
    with pytest.raises(UserError, match="is a compact of another size or form"):
        adversarial_stage.train("gan", wider, small_pack, tmp_path / "x", options=Options(init=first.path))
    with pytest.raises(UserError, match="is neither a run nor a model folder"):
        adversarial_stage.train("gan", recipe, small_pack, tmp_path / "x", options=Options(init=tmp_path))
    pixel_stage.train("p", pixel, small_pack, tmp_path / "half", options=Options(minutes=0.0))
    with pytest.raises(UserError, match="holds no weights; let it reach its last step"):
        adversarial_stage.train("gan", recipe, small_pack, tmp_path / "x", options=Options(init=tmp_path / "half"))
    assert not (tmp_path / "x").exists()


def test_the_discriminator_of_another_run_goes_on(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = replace(recipe, **PENALISED)  # without spectral norm, whose vectors move though the rate is 0
    first = adversarial_stage.train("gan", recipe, small_pack, Path("first"), command="the command")
    still = replace(recipe, steps=3, schedule=Schedule(rate=0.0))
    follow = Options(init=Path("first"), init_discriminator=Path("first"))
    paused = adversarial_stage.train("gan", still, small_pack, Path("next"), options=replace(follow, minutes=0.0))
    before, after = (
        torch.load(run.path / "checkpoint.pt", weights_only=True)["discriminator"] for run in (first, paused)
    )
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    told = paused.description["discriminator_start"]
    assert (told["name"], told["steps"], told["command"]) == ("gan", 12, "the command")

    with pytest.raises(UserError, match="another discriminator_start"):
        adversarial_stage.train("gan", still, small_pack, Path("next"), options=Options(init=Path("first")))
    # The other run learns on.
    state = torch.load(first.path / "checkpoint.pt", weights_only=True)
    state["discriminator"] = {name: value + 1 for name, value in state["discriminator"].items()}
    torch.save(state, first.path / "checkpoint.pt")
    still_paused = adversarial_stage.train("gan", still, small_pack, Path("next"), options=replace(follow, minutes=0.0))
    assert still_paused.description["discriminator_start"] == told
    first.path.rename("elsewhere")
    assert adversarial_stage.train("gan", still, small_pack, Path("next"), options=follow).finished


def test_a_discriminator_that_does_not_fit_is_refused(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path
) -> None:
    pixel = PixelRecipe(recipe.network, steps=1, batch=4, patch=8)
    pixels = pixel_stage.train("pixel", pixel, small_pack, tmp_path / "pixel").path
    gan = adversarial_stage.train("gan", replace(recipe, steps=1), small_pack, tmp_path / "gan").path

    def refused(source: Path, pattern: str, wanted: AdversarialRecipe = recipe) -> None:
        with pytest.raises(UserError, match=rf"^--init-discriminator {source}: {pattern}$"):
            adversarial_stage.train(
                "gan", wanted, small_pack, tmp_path / "x", options=Options(init_discriminator=source)
            )

    refused(tmp_path, "is no run; give the folder of one")
    refused(pixels, "trained no discriminator; give the run of a GAN")
    wider = replace(recipe, discriminator=UNetDiscriminatorConfig(channels=6))
    refused(gan, r"its discriminator is .*'channels': 4}, the recipe's .*'channels': 6}; give the same settings", wider)
    (gan / "checkpoint.pt").write_bytes(b"half")
    refused(gan, r"its checkpoint\.pt is damaged; give another run")
    (gan / "checkpoint.pt").unlink()
    refused(gan, r"holds no checkpoint\.pt, where the discriminator is; give another run")
    (gan / "run.json").write_text("{}")
    refused(gan, r"is damaged \(.*\); give another run")
    with pytest.raises(UserError, match="the recipe trains no discriminator; leave it out"):
        pixel_stage.train("pixel", pixel, small_pack, tmp_path / "x", options=Options(init_discriminator=gan))
    assert not (tmp_path / "x").exists()


def test_validation_writes_panels_and_keeps_the_best(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, photos: Path, shared: Path
) -> None:
    recipe = replace(recipe, content=Content(weight=1e-6, layers=("22",), rescale=1.0), steps=4)
    features = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    options = Options(features=features, validation=photos, validate_every=2)
    run = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options)
    measured = [record for record in records(run.path) if "psnr_y/photos" in record]
    assert [record["step"] for record in measured] == [2, 4]
    assert sorted(file.name for file in (run.path / "panels").iterdir()) == ["step-0000002.png", "step-0000004.png"]
    assert run.validation is not None
    best = run.validation["best"]
    assert best["psnr"]["value"] == pytest.approx(max(record["psnr_y/photos"] for record in measured), abs=1e-4)
    assert best["perceptual"]["value"] == pytest.approx(min(r["perceptual/photos"] for r in measured), abs=1e-4)
    assert (run.path / "best-psnr.safetensors").exists()
    assert (run.path / "best-perceptual.safetensors").exists()


def test_collapse_and_values_that_are_not_finite_are_told_apart() -> None:
    assert not_finite({"l1": [1.0, 2.0], "adversarial": [0.0, 1.0]}) is None
    ill = not_finite({"l1": [1.0, 2.0, float("nan")], "adversarial": [0.0, float("inf"), 1.0]})
    assert ill is not None
    assert (ill.term, ill.index, ill.cause) == ("adversarial", 1, "adversarial is inf")
    assert collapsed({"absolute_error": [0.05]}, 0.02) is None
    assert collapsed({"l1": [9.0]}, 0.02) is None
    ill = collapsed({"absolute_error": [0.1, 0.9]}, 0.05)
    assert ill is not None
    assert ill.index == 1
    assert "the generator collapsed" in ill.cause


def test_a_pause_is_no_sign_of_collapse(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one easy batch, after which a run was paused, the error says nothing of the next hundred."""
    monkeypatch.setattr(adversarial_stage, "l1", lambda result, target: 0 * result.mean() + next(errors))
    errors = iter([0.01, 0.09, 0.09, 0.09] + [0.09] * 96)
    options = Options(log_every=4, save_every=4)
    adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=replace(options, minutes=0.0))
    assert adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options).finished
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["health"]["best_error"].item() == pytest.approx(0.09)
    assert not (tmp_path / "run" / "failures").exists()


def test_a_collapsed_generator_is_taken_back(
    recipe: AdversarialRecipe, small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    original: Callable[..., None] = course.averaging.follow

    def breaking(average: dict[str, torch.Tensor], network: torch.nn.Module, decay: float, step: int) -> None:
        nonlocal steps
        steps += 1
        if steps == 6:
            with torch.no_grad():
                network.get_parameter("body.0.bias").fill_(1e3)
        original(average, network, decay, step)

    monkeypatch.setattr(course.averaging, "follow", breaking)
    options = Options(log_every=4, save_every=4)
    run = adversarial_stage.train("gan", recipe, small_pack, tmp_path / "run", options=options)
    assert run.finished
    assert steps == 16, "steps 5 to 8 are done twice"
    assert max(record["absolute_error"] for record in records(run.path)) < 1
    assert (run.path / "failures").is_dir()
