"""The adversarial stage: a generator against a discriminator. One loop, read from top to bottom.

Goodfellow et al. 2014, Algorithm 1; Ledig et al. 2017, Eq. 2 and 3; Wang et al. 2018, §3.2. The discriminator sees photographs
and results in one concatenated batch, in both updates: so its batch norm has the same statistics in both, and a relativistic
loss compares what was seen together.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from superfine.data import Pack
from superfine.losses import ADVERSARIAL_LOSSES, artefacts, gradient_penalty, l1
from superfine.networks.discriminators import INPUTS
from superfine.training import average as averaging
from superfine.training import checkpoint
from superfine.training.course import Course
from superfine.training.distributed import join
from superfine.training.interrupt import stop_signals
from superfine.training.objective import objective
from superfine.training.optimisers import optimiser_of, set_rate
from superfine.training.recipes import AdversarialRecipe
from superfine.training.runs import Run
from superfine.training.setup import Options, prepare

PENALISED_EVERY = 8
"""Updates of the discriminator between two gradient penalties, each so many times its weight (Karras et al. 2020,
"Analyzing and Improving the Image Quality of StyleGAN", §3.1: lazy regularisation)."""


def train(
    name: str,
    recipe: AdversarialRecipe,
    pack: Pack,
    out: Path,
    *,
    seed: int = 1,
    command: str = "",
    options: Options | None = None,
) -> Run:
    """Train ``recipe`` on ``pack`` in the run folder ``out``; everything else as :func:`.pixel_stage.train`.

    Logged for each window, besides the weighted terms: the discriminator's loss, its mean probability for photographs
    (``d_real``) and for results (``d_fake``), where the loss compares them that of being the photograph of a pair, both
    gradients' norms, the gradient penalty where there is one, and the mean absolute difference from the photographs.
    """
    options = options or Options()
    with join(options.device) as world, stop_signals() as stop:
        setup = prepare(name, recipe, pack, out, seed, command, options, world)
        if setup.run.finished:
            return setup.run
        network, discriminator = setup.network, setup.discriminator
        assert discriminator is not None
        discriminator = world.same_everywhere(discriminator.to(world.device, memory_format=torch.channels_last))  # type: ignore[call-overload]
        # On a CPU, torch's own gradients of a discriminator's convolutions are faster than compiled ones.
        compiled = options.compiled and world.device.type != "cpu"
        judge = torch.compile(discriminator) if compiled else discriminator
        optimiser = optimiser_of(recipe, network, last_layer_rate=recipe.last_layer_rate)
        judges_optimiser = optimiser_of(recipe, discriminator)
        penalty = torch.zeros((), device=world.device)  # the latest, which is logged until there is another one
        parts: dict[str, checkpoint.Part] = {
            "network": network,
            "optimiser": optimiser,
            "discriminator": discriminator,
            "discriminator_optimiser": judges_optimiser,
            "penalty": {"latest": penalty},
        }
        loss_terms = objective(recipe, setup.features)
        adversarial = ADVERSARIAL_LOSSES[recipe.adversarial]
        seen, scale = INPUTS[recipe.discriminator_input], recipe.network.scale

        def judged(photographs: Tensor, results: Tensor) -> tuple[Tensor, Tensor]:
            """Logits of what is seen of photographs and of results, of the whole batch of all processes."""
            with torch.autocast(world.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                logits = judge(torch.cat([photographs, results]))
            real, fake = logits.float().chunk(2)
            return world.gather(real), world.gather(fake)

        averaged = averaging.apply(setup.average, recipe).eval() if recipe.artefacts else None

        @torch.no_grad()
        def settled(x: Tensor) -> Tensor:
            """What the averaged weights make of ``x``."""
            assert averaged is not None
            averaged.load_state_dict(setup.average)
            with torch.autocast(world.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                made: Tensor = averaged(x)
            return made.float()

        with Course(setup, recipe, options, world, stop, parts) as course:
            for x, target in course.pairs():
                rate = set_rate(optimiser, recipe, course.step, factor=course.rate_factor)
                set_rate(judges_optimiser, recipe, course.step, factor=course.rate_factor * recipe.discriminator_rate)

                # The generator, against a discriminator that only passes gradients through.
                discriminator.requires_grad_(False)
                with torch.autocast(world.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                    result = setup.forward(x)
                result = result.float()
                terms = loss_terms(result, target)
                if recipe.artefacts:
                    terms["artefacts"] = recipe.artefacts * artefacts(result, target, settled(x))
                seen_target, seen_result = seen(target, scale), seen(result, scale)
                real, fake = judged(seen_target, seen_result)
                terms["adversarial"] = recipe.adversarial_weight * adversarial.generator(real, fake)
                loss = torch.stack(list(terms.values())).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                world.average_gradients(network.parameters())
                norm = gradient_norm(network)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                discriminator.requires_grad_(True)

                # The discriminator, k times, against results that pass no gradient.
                result, seen_result = result.detach(), seen_result.detach()
                for _ in range(recipe.discriminator_updates):
                    real, fake = judged(seen_target, seen_result)
                    judgement = adversarial.discriminator(real, fake)
                    judgement.backward()  # type: ignore[no-untyped-call]
                    if recipe.r1 and course.step % PENALISED_EVERY == 0:
                        # Not compiled: that has no gradient of a gradient.
                        photographs = target.detach().requires_grad_()
                        found = gradient_penalty(discriminator(seen(photographs, scale)), photographs)
                        (PENALISED_EVERY * recipe.r1 * found).backward()  # type: ignore[no-untyped-call]
                        penalty.copy_(world.mean(found.detach()))
                    world.average_gradients(discriminator.parameters())
                    judges_norm = gradient_norm(discriminator)
                    judges_optimiser.step()
                    judges_optimiser.zero_grad(set_to_none=True)

                health = {
                    "discriminator": judgement,
                    "d_real": adversarial.probability(real, fake).mean(),
                    "d_fake": adversarial.probability(fake, real).mean(),
                    "gradient_norm": norm,
                    "discriminator_gradient_norm": judges_norm,
                    "absolute_error": l1(result, target),
                }
                if recipe.r1:
                    health["gradient_penalty"] = penalty
                course.updated(terms | health, rate)
        return course.end()


def gradient_norm(network: nn.Module) -> Tensor:
    """Euclidean norm of all gradients of a network."""
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm
