"""What a generator minimises, put together from a recipe."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from superfine.losses import content
from superfine.networks.features import load_features
from superfine.training.objective import objective
from superfine.training.recipes import Content, PixelRecipe


@pytest.mark.parametrize("loss", ["psnr", "psnr_ycbcr"])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-6])
def test_the_recipes_epsilon_is_that_of_the_psnr_losses(loss: str, epsilon: float, small_recipe: PixelRecipe) -> None:
    recipe = replace(small_recipe, loss=loss, pixel_weight=2.0, psnr_epsilon=epsilon)
    target = torch.full((2, 3, 8, 8), 0.5)
    values = objective(recipe, None)(target + 2e-3, target)  # grey, so Y and R, G, B err alike
    assert list(values) == [loss]
    assert values[loss].item() == pytest.approx(20 * math.log10(4e-6 + epsilon), rel=1e-3)


@pytest.mark.parametrize("unit_length", [False, True])
def test_the_recipes_settings_are_those_of_the_content_loss(
    unit_length: bool, shared: Path, small_recipe: PixelRecipe
) -> None:
    torch.manual_seed(0)
    settings = {"distance": "l1", "reduction": "mean", "rescale": 1.0, "window": 16, "unit_length": unit_length}
    recipe = replace(
        small_recipe, pixel_weight=0.0, precision="f32", content=Content(weight=0.5, layers=("22",), **settings)
    )
    weights = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    features = load_features("vgg19", ["22"], before_activation=False, weights=weights)
    result, target = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    wanted = 0.5 * content(features(result), features(target), **settings)
    assert objective(recipe, features)(result, target)["content"].item() == pytest.approx(wanted.item())
