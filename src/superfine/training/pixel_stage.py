"""The pixel stage: a network learns to minimise a pixel or a content loss. One loop, read from top to bottom."""

from __future__ import annotations

from pathlib import Path

import torch

from superfine.data import Pack
from superfine.training.course import Course
from superfine.training.distributed import join
from superfine.training.interrupt import stop_signals
from superfine.training.objective import objective
from superfine.training.optimisers import optimiser_of, set_rate
from superfine.training.recipes import PixelRecipe
from superfine.training.runs import Run
from superfine.training.setup import Options, prepare


def train(
    name: str,
    recipe: PixelRecipe,
    pack: Pack,
    out: Path,
    *,
    seed: int = 1,
    command: str = "",
    options: Options | None = None,
) -> Run:
    """Train ``recipe`` on ``pack`` in the run folder ``out``, going on from its checkpoint where there is one.

    Stopped at any moment and called again with the same recipe, pack and seed, it ends with the weights that an
    uninterrupted run ends with, bit for bit, on the same kind of machine with the same number of threads. Under ``torchrun``
    several processes share each batch, and any number of them can go on with a run.

    Parameters
    ----------
    name, command : of the recipe, and as typed; kept for the model's card.
    options : how to run it.

    Returns
    -------
    The run; ``run.finished`` tells whether it reached its last step. Then ``weights.safetensors`` is there.

    Raises
    ------
    UserError
        Another run is in ``out``, no crop fits into the pictures, an unknown device, weights to start from that do not fit,
        feature weights that are missing, a teacher's pack that is not of ``pack``, a batch that cannot be divided over the
        processes, a run that stays ill.
    """
    options = options or Options()
    with join(options.device) as world, stop_signals() as stop:
        setup = prepare(name, recipe, pack, out, seed, command, options, world)
        if setup.run.finished:
            return setup.run
        network = setup.network
        optimiser = optimiser_of(recipe, network, last_layer_rate=recipe.last_layer_rate)
        loss_terms = objective(recipe, setup.features)
        with Course(setup, recipe, options, world, stop, {"network": network, "optimiser": optimiser}) as course:
            for x, target in course.pairs():
                rate = set_rate(optimiser, recipe, course.step, factor=course.rate_factor)
                with torch.autocast(world.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                    result = setup.forward(x)
                terms = loss_terms(result.float(), target)
                loss = torch.stack(list(terms.values())).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                world.average_gradients(network.parameters())
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                course.updated(terms, rate)
        return course.end()
