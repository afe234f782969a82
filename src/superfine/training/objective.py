"""What a generator minimises besides the adversarial term: the weighted terms of a recipe, by their names."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from superfine.losses import PIXEL_LOSSES, PSNR_LOSSES, checkerboard, consistency, content, total_variation
from superfine.networks.features import Features, load_features
from superfine.training.recipes import PixelRecipe

Objective = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""Maps a result and its target, both N×3×H×W in [0,1], to the weighted terms of the loss."""


def features_of(recipe: PixelRecipe, weights: Path | None, device: torch.device) -> Features | None:
    """The recipe's feature network, or None where its content loss is off.

    Raises
    ------
    UserError
        From :func:`superfine.networks.features.load_features`.
    """
    if not recipe.content.weight:
        return None
    settings = recipe.content
    features = load_features(
        settings.backbone, settings.layers, before_activation=settings.before_activation, weights=weights
    )
    return features.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def objective(recipe: PixelRecipe, features: Features | None) -> Objective:
    """The terms of ``recipe``; those with weight 0 are not computed."""

    scale = recipe.network.scale
    pixel = PIXEL_LOSSES[recipe.loss]
    if recipe.loss in PSNR_LOSSES:
        pixel = partial(pixel, epsilon=recipe.psnr_epsilon)

    def terms(result: Tensor, target: Tensor) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        if recipe.pixel_weight:
            values[recipe.loss] = recipe.pixel_weight * pixel(result, target)
        if features is not None:
            with torch.autocast(result.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                with torch.no_grad():
                    wanted = features(target)
                made = features(result)
            values["content"] = recipe.content.weight * content(
                {name: value.float() for name, value in made.items()},
                {name: value.float() for name, value in wanted.items()},
                distance=recipe.content.distance,
                reduction=recipe.content.reduction,
                rescale=recipe.content.rescale,
                window=recipe.content.window,
                unit_length=recipe.content.unit_length,
            )
        if recipe.consistency:
            values["consistency"] = recipe.consistency * consistency(result, target, scale=scale)
        if recipe.checkerboard:
            values["checkerboard"] = recipe.checkerboard * checkerboard(result, target, scale=scale)
        if recipe.total_variation:
            values["tv"] = recipe.total_variation * total_variation(result)
        return values

    return terms
