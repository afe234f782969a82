"""What a generator minimises, put together from a recipe."""

import math
from dataclasses import replace

import pytest
import torch

from superfine.training.objective import objective
from superfine.training.recipes import PixelRecipe


@pytest.mark.parametrize("loss", ["psnr", "psnr_ycbcr"])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-6])
def test_the_recipes_epsilon_is_that_of_the_psnr_losses(loss: str, epsilon: float, small_recipe: PixelRecipe) -> None:
    recipe = replace(small_recipe, loss=loss, pixel_weight=2.0, psnr_epsilon=epsilon)
    target = torch.full((2, 3, 8, 8), 0.5)
    values = objective(recipe, None)(target + 2e-3, target)  # grey, so Y and R, G, B err alike
    assert list(values) == [loss]
    assert values[loss].item() == pytest.approx(20 * math.log10(4e-6 + epsilon), rel=1e-3)
