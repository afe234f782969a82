"""What both stages begin with: the data, the run folder, the networks and the generator's moving average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from superfine.data import Pack
from superfine.errors import UserError
from superfine.networks import build, build_discriminator, name_of
from superfine.networks.features import Features
from superfine.training import average as averaging
from superfine.training.distributed import World
from superfine.training.objective import features_of
from superfine.training.recipes import AdversarialRecipe, PixelRecipe
from superfine.training.runs import Run, defaults_of, describe, start_of
from superfine.training.start import initialise, initialise_discriminator, is_of
from superfine.training.supply import Supply
from superfine.training.validation import Validation


@dataclass(frozen=True)
class Options:
    """How a recipe is run, as opposed to what it is.

    ``init``: run or model folder to start from. ``init_discriminator``: run whose discriminator to start from. ``teacher``:
    pack of a teacher's results. ``features``: file of the feature weights. ``validation``: folder of pictures to measure on.
    ``compiled``: through ``torch.compile``.
    ``minutes``: time after which to pause with a checkpoint. The others are numbers of steps.
    """

    device: str = "auto"
    compiled: bool = False
    init: Path | None = None
    init_discriminator: Path | None = None
    teacher: Pack | None = None
    features: Path | None = None
    validation: Path | None = None
    minutes: float | None = None
    log_every: int = 100
    save_every: int = 500
    validate_every: int = 2000


@dataclass(frozen=True)
class Setup:
    """The parts that a stage's loop works with."""

    run: Run
    supply: Supply
    network: nn.Module
    discriminator: nn.Module | None
    forward: nn.Module | Callable[..., torch.Tensor]
    average: averaging.Average
    features: Features | None
    validation: Validation | None


def prepare(
    name: str, recipe: PixelRecipe, pack: Pack, out: Path, seed: int, command: str, options: Options, world: World
) -> Setup:
    """Check everything that can be checked before a run folder is made, then make it, or open the one to go on with.

    Raises
    ------
    UserError
        See :func:`superfine.training.pixel_stage.train`.
    """
    pack.refuse_unchecked()
    if pack.teacher is not None:
        raise UserError(f"{pack.path}: holds what a teacher made; give it as --teacher, and its photographs as --data")
    _check_teacher(options.teacher, pack, recipe)
    supply = Supply(pack, recipe, world, seed=seed, teacher=options.teacher)
    if pack.scale != recipe.network.scale:
        raise UserError(
            f"{pack.path}: is packed for ×{pack.scale}, the recipe is ×{recipe.network.scale}; pack it again"
        )
    torch.manual_seed(seed)
    network = build(recipe.architecture, asdict(recipe.network))
    start = None
    if options.init:
        # A run that goes on, perhaps on another machine, has the weights in its checkpoint.
        known = None if options.init.exists() else start_of(out, "start")
        start = known or initialise(network, recipe.architecture, options.init)
    if options.features and not recipe.content.weight:
        raise UserError(f"--features {options.features}: the recipe has no content loss; leave it out")
    features = features_of(recipe, options.features, world.device)
    validation = None
    if options.validation and world.is_main:
        validation = Validation(options.validation, pack.scale, features, recipe.degradation)

    description = describe(name, recipe, pack, seed, command, start, features, options.teacher)
    discriminator = None
    if isinstance(recipe, AdversarialRecipe):
        discriminator = build_discriminator(name_of(recipe.discriminator), asdict(recipe.discriminator))
    if source := options.init_discriminator:
        if discriminator is None:
            raise UserError(f"--init-discriminator {source}: the recipe trains no discriminator; leave it out")
        # As above; and that other run may have gone on since.
        known = start_of(out, "discriminator_start")
        if known and source.exists() and not is_of(known, source):
            known = None
        description["discriminator_start"] = known or initialise_discriminator(
            discriminator, description["recipe"]["discriminator"], source
        )
    run = Run.start(out, description, defaults_of(recipe), write=world.is_main)
    network = world.same_everywhere(network.to(world.device, memory_format=torch.channels_last))  # type: ignore[call-overload]
    average = averaging.start(network)
    forward = torch.compile(network) if options.compiled else network
    return Setup(run, supply, network, discriminator, forward, average, features, validation)


def _check_teacher(teacher: Pack | None, pack: Pack, recipe: PixelRecipe) -> None:
    if teacher is None:
        if recipe.teacher_weight:
            raise UserError(
                f"teacher_weight: is {recipe.teacher_weight:g}, but of no teacher; give its pack as --teacher"
            )
    elif not recipe.teacher_weight:
        raise UserError(f"--teacher {teacher.path}: has no weight; give --set teacher_weight=0.8, for instance")
    elif teacher.teacher is None or (teacher.teacher["of"], teacher.scale) != (pack.sha256, pack.scale):
        raise UserError(f"--teacher {teacher.path}: is not made of {pack.path}; make it with superfine data teach")
