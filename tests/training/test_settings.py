"""Settings given as text: they keep their types, and what is wrong or without effect is refused."""

import pytest

from superfine.errors import UserError
from superfine.networks.discriminators import PatchDiscriminatorConfig
from superfine.training.recipes import RECIPES, AdversarialRecipe, PixelRecipe, recipe
from superfine.training.settings import override


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
        ("steps", "0", "steps: is 0; give 1 or more"),
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
