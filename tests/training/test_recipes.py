"""Recipes, overrides and schedules."""

import pytest

from superfine.errors import UserError
from superfine.networks.discriminators import PatchDiscriminatorConfig
from superfine.training.recipes import RECIPES, AdversarialRecipe, PixelRecipe, Schedule, override, recipe
from superfine.training.schedules import learning_rate


def test_the_papers_settings() -> None:
    paper = recipe("srresnet-mse")
    assert (paper.loss, paper.steps, paper.batch, paper.patch * paper.network.scale) == ("mse", 1_000_000, 16, 96)
    assert (paper.schedule.rate, paper.betas[0]) == (1e-4, 0.9)
    assert {learning_rate(paper.schedule, step, paper.steps) for step in (0, 500_000, 999_999)} == {1e-4}


def test_overrides_keep_types() -> None:
    base = recipe("compact-fidelity")
    made: PixelRecipe = override(
        base,
        {
            "network.channels": "64",
            "steps": "10",
            "schedule.milestones": "0.5,0.75",
            "schedule.kind": "step",
            "loss": "mse",
        },
    )
    assert (made.network.channels, made.steps, made.loss) == (64, 10, "mse")
    assert made.schedule.milestones == (0.5, 0.75)
    assert base == RECIPES["compact-fidelity"]


def test_none_where_a_setting_may_be_none() -> None:
    """A discriminator for crops of any size, by its name; and back to a number."""
    made = override(recipe("srgan-mse"), {"discriminator.crop": "none", "patch": "32"})
    assert isinstance(made, AdversarialRecipe)
    assert (made.discriminator.crop, made.patch) == (None, 32)
    assert override(made, {"discriminator.crop": "128"}).discriminator.crop == 128
    with pytest.raises(UserError, match="crop=any: is not a value like 96; give one of that kind, or none"):
        override(recipe("srgan-mse"), {"discriminator.crop": "any"})
    with pytest.raises(UserError, match="crop=any: is not of the kind int; give one of that kind, or none"):
        override(made, {"discriminator.crop": "any"})
    for key in ("steps", "loss", "network.channels"):
        with pytest.raises(UserError, match="none"):
            override(recipe("srgan-mse"), {key: "none"})


def test_another_discriminator_by_its_name() -> None:
    base = recipe("esrgan")
    assert override(base, {"discriminator": "patch"}).discriminator == PatchDiscriminatorConfig()
    settings = {"discriminator": "patch", "discriminator.channels": "16"}
    for order in (settings, dict(reversed(settings.items()))):
        assert override(base, order).discriminator == PatchDiscriminatorConfig(channels=16)
    assert override(base, {"discriminator": "srgan", "discriminator.crop": "128"}).discriminator.crop == 128
    for wrong, message in (
        ({"discriminator": "pixel"}, "discriminator: 'pixel' is unknown; choose one of srgan, esrgan, patch, unet"),
        ({"discriminator": "unet", "discriminator.crop": "96"}, "there is no setting 'crop'; choose one of channels"),
        ({"discriminator": "srgan"}, "discriminator.crop: is 96, but crops have 128 HR pixels"),
        ({"discriminator_input": "both"}, "discriminator_input: 'both' is unknown; choose one of picture, residual"),
        ({"discriminator.": "unet"}, "--set discriminator.: there is no setting ''; choose one of channels"),
        ({"network": "srresnet", "network.blocks": "4"}, "--set network: does not name one value"),
        ({"network.blocks": "4", "network.blocks.more": "4"}, "--set network.blocks: does not name one value"),
    ):
        with pytest.raises(UserError, match=message):
            override(base, wrong)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stpes", "10", "there is no setting 'stpes'; choose one of network, loss, pixel_weight"),
        ("network.width", "10", "there is no setting 'width'"),
        ("steps", "many", "is not a value like 100000"),
        ("steps", "0", "steps: 0 is not positive"),
        ("network", "compact", "does not name one value"),
        ("steps.more", "1", "does not name one value"),
        ("discriminator.crop", "64", "there is no setting 'discriminator'"),
        ("content.layers", "99", "layer '99'"),
        ("pixel_weight", "0", "pixel_weight, content.weight, consistency: all are 0, so nothing is learnt; give one"),
        ("betas", "0.9", "are not two numbers"),
        ("loss", "l3", "loss: 'l3' is unknown"),
        ("precision", "fp8", "precision: 'fp8' is unknown"),
        ("average", "1", "average: 1.0 is outside"),
        ("psnr_epsilon", "0", "psnr_epsilon: 0.0 is no error; give a number above 0"),
        ("teacher_weight", "1.5", r"teacher_weight: 1.5 is outside \[0, 1\]; 0 is without a teacher"),
        ("schedule.kind", "linear", "schedule.kind: 'linear' is unknown"),
        ("schedule.rate", "-1", "schedule.rate: is -1.0; give 0 or more"),
        ("schedule.rate", "nan", "schedule.rate: is nan; give 0 or more"),
        ("content.rescale", "0", "content.rescale: 0.0 is no factor of features; give a number above 0"),
        ("content.rescale", "-1", "content.rescale: -1.0 is no factor"),
        ("content.rescale", "nan", "content.rescale: nan is no factor"),
        ("schedule.warmup", "-5", "schedule.warmup: is -5; give 0 or more"),
        ("schedule.milestones", "50000,100000", "are fractions of the run; give numbers from 0 to 1"),
        ("pixel_weight", "-1", "pixel_weight: is -1.0; give 0 or more"),
        ("content.weight", "inf", "content.weight: is inf; give 0 or more"),
        ("betas", "2,3", "are outside"),
    ],
)
def test_unknown_settings_and_values_are_refused(key: str, value: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        override(recipe("compact-fidelity"), {key: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"schedule.milestones": "0.5"},
            "schedule.milestones: has no effect, as schedule.kind is cosine; leave it out",
        ),
        ({"schedule.factor": "0.5"}, "schedule.factor: has no effect, as schedule.kind is cosine"),
        ({"psnr_epsilon": "1e-5"}, "psnr_epsilon: has no effect, as loss is l1"),
        ({"psnr_epsilon": "1e-5", "loss": "mse"}, "psnr_epsilon: has no effect, as loss is mse"),
        ({"content.layers": "22"}, "content.layers: has no effect, as content.weight is 0"),
        ({"loss": "mse", "pixel_weight": "0", "consistency": "1"}, "loss: has no effect, as pixel_weight is 0"),
    ],
)
def test_settings_without_effect_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=f"^--set {message}"):
        override(recipe("compact-fidelity"), settings)


def test_settings_that_another_one_gives_effect_are_taken() -> None:
    made = override(
        recipe("compact-fidelity"),
        {
            "schedule.factor": "0.1",
            "schedule.kind": "step",
            "psnr_epsilon": "1e-5",
            "loss": "psnr",
            "content.layers": "22",
            "content.weight": "1",
        },
    )
    assert (made.schedule.factor, made.psnr_epsilon, made.content.layers) == (0.1, 1e-5, ("22",))
    # What the recipe itself brings need not be taken back.
    cosine = override(recipe("rrdb-psnr"), {"schedule.kind": "cosine"}).schedule
    assert (cosine.kind, cosine.milestones) == ("cosine", (0.2, 0.4, 0.6, 0.8))
    assert override(recipe("esrgan"), {"content.weight": "0"}).content.distance == "l1"


def test_something_is_learnt_from() -> None:
    base = recipe("compact-texture")
    assert override(base, {"pixel_weight": "0"}).pixel_weight == 0
    assert override(base, {"pixel_weight": "0", "consistency": "0"}).pixel_weight == 0
    with pytest.raises(
        UserError, match=r"weight, content\.weight, consistency, adversarial_weight: all are 0, so nothing"
    ):
        override(base, {"pixel_weight": "0", "consistency": "0", "adversarial_weight": "0"})


def test_consistency_needs_room_for_the_edges_it_leaves_out() -> None:
    assert override(recipe("compact-fidelity"), {"consistency": "2"}).consistency == 2.0
    with pytest.raises(UserError, match=r"patch: 4, but consistency leaves out two pixels at each edge; give 5"):
        override(recipe("compact-texture"), {"patch": "4"})


def test_checkerboard_needs_room_for_its_window() -> None:
    assert override(recipe("srgan-mse"), {"checkerboard": "20"}).checkerboard == 20.0
    with pytest.raises(UserError, match=r"patch: 7, but checkerboard looks at windows of 8; give that or more"):
        override(recipe("compact-fidelity"), {"checkerboard": "1", "patch": "7"})


def test_discriminators_need_crops_that_they_can_halve() -> None:
    assert override(recipe("compact-texture"), {"patch": "10", "network.scale": "2"}).patch == 10
    with pytest.raises(UserError, match=r"patch: 9 makes crops of 18 HR pixels, .* multiple of 4"):
        override(recipe("compact-texture"), {"patch": "9", "network.scale": "2"})
    assert override(recipe("compact-texture"), {"discriminator": "unet", "patch": "10"}).patch == 10
    with pytest.raises(UserError, match=r"patch: 7 makes crops of 28 HR pixels, .* multiple of 8"):
        override(recipe("compact-texture"), {"discriminator": "unet", "patch": "7", "checkerboard": "0"})


def test_a_discriminator_is_shown_no_teachers_results() -> None:
    assert override(recipe("compact-fidelity"), {"teacher_weight": "0.8"}).teacher_weight == 0.8
    with pytest.raises(UserError, match="teacher_weight: a discriminator is to see photographs; leave it 0"):
        override(recipe("compact-texture"), {"teacher_weight": "0.8"})


def test_unknown_recipe() -> None:
    with pytest.raises(UserError, match="'esrgna': unknown; choose one of srcnn"):
        recipe("esrgna")


def test_schedules() -> None:
    cosine = Schedule(rate=2.0, warmup=4)
    assert [learning_rate(cosine, step, 1000) for step in (0, 1)] == pytest.approx([0.5, 1.0], rel=1e-4)
    assert learning_rate(cosine, 500, 1000) == pytest.approx(1.0)
    assert learning_rate(cosine, 1000, 1000) == pytest.approx(0.0)
    halving = Schedule(kind="step", rate=8.0, milestones=(0.5, 0.75))
    assert [learning_rate(halving, step, 100) for step in (0, 49, 50, 74, 75, 99)] == [8, 8, 4, 4, 2, 2]


def test_the_discriminator_learns_at_some_rate() -> None:
    with pytest.raises(UserError, match="discriminator_rate: must be more than 0; 1 gives both networks one rate"):
        override(recipe("srgan-mse"), {"discriminator_rate": "0"})
