"""``superfine train``: run a recipe."""

import math
import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from superfine.cli import typed
from superfine.errors import UserError


def train(
    recipe: str,
    /,
    *,
    data: Path,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    steps: int | None = None,
    batch: int | None = None,
    patch: int | None = None,
    seed: int = 1,
    settings: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    init: Path | None = None,
    init_discriminator: Path | None = None,
    teacher: Path | None = None,
    features: Path | None = None,
    validation: Path | None = None,
    validate_every: int = 2000,
    device: str = "auto",
    compile: Annotated[bool, Parameter(negative="")] = False,
    threads: int | None = None,
    minutes: float | None = None,
) -> int:
    """Train a network by one of the recipes, or go on with a run.

    Recipes: srcnn, srresnet-mse, srresnet-vgg22, srgan-mse, srgan-vgg22, srgan-vgg54, rrdb-psnr, esrgan, esrgan-minc,
    compact-fidelity, compact-texture, compact-photo-fidelity, compact-photo-texture. Under torchrun, several processes
    share the work.

    Stop it at any moment and give the same command again: it goes on from its last checkpoint and ends with the same weights.

    Parameters
    ----------
    recipe
        Name of the recipe.
    data
        The pack to train on, made by superfine data pack.
    out
        The run folder; runs/RECIPE if left out.
    steps
        Updates of the weights; the recipe's if left out.
    batch
        Crops of a step; the recipe's if left out.
    patch
        Side of a crop in low-resolution pixels; the recipe's if left out.
    seed
        Decides the first weights, the crops and their order; for weights from --init, another one than theirs gives new crops.
    settings
        Another setting of the recipe, as NAME=VALUE, such as network.channels=64 or schedule.rate=2e-4. Can be repeated.
    init
        A finished run or a model folder, whose weights to start from; a GAN starts from its PSNR network.
    init_discriminator
        A run of a GAN, whose discriminator to start from.
    teacher
        A pack by superfine data teach, of the same photographs. Of the target, --set teacher_weight=W is what it shows, the
        rest the photograph.
    features
        A file of VGG weights for the content loss; fetched and checked if left out. With weights that are normalised
        to mean activation 1, give --set content.rescale=1 too.
    validation
        A folder of pictures to measure on, and to make a panel of, from time to time and at the end.
    validate_every
        Updates between two such measurements.
    device
        auto, cpu, cuda, mps.
    compile
        Use torch.compile. Faster; needs a C++ compiler on a CPU.
    threads
        Processor threads for the network; torch's choice if left out.
    minutes
        Stop after this time, with a checkpoint to go on from.
    """
    # On processors that others use too, threads that spin at barriers cost several times what they gain.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
    except ImportError:
        raise UserError('training needs torch; install it with: pip install "superfine[train]"') from None

    from superfine.data import Pack
    from superfine.files import is_folder
    from superfine.training import adversarial_stage, pixel_stage
    from superfine.training.recipes import AdversarialRecipe
    from superfine.training.recipes import recipe as find
    from superfine.training.settings import override
    from superfine.training.setup import Options

    if validate_every < 1:
        raise UserError(f"--validate-every {validate_every}: is not positive; give 1 or more")
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed {seed}: give 0 or more, below 2^63")
    if minutes is not None and not 0 <= minutes < math.inf:
        raise UserError(f"--minutes {minutes}: give 0 or more")
    if threads is not None and threads < 1:
        raise UserError(f"--threads {threads}: give 1 or more")
    if threads is not None:
        torch.set_num_threads(threads)
    overrides = dict(_pair(text) for text in settings or [])
    overrides |= {
        name: str(value) for name, value in (("steps", steps), ("batch", batch), ("patch", patch)) if value is not None
    }
    if teacher is not None and not is_folder(teacher):
        raise UserError(f"--teacher {teacher}: is not there; make it with superfine data teach {data} -o {teacher}")
    chosen = override(find(recipe), overrides)
    stage = adversarial_stage.train if isinstance(chosen, AdversarialRecipe) else pixel_stage.train
    run = stage(
        recipe,
        chosen,
        Pack(data),
        out or Path("runs") / recipe,
        seed=seed,
        command=typed.command(),
        options=Options(
            device=device,
            compiled=compile,
            init=init,
            init_discriminator=init_discriminator,
            teacher=None if teacher is None else Pack(teacher),
            features=features,
            minutes=minutes,
            validation=validation,
            validate_every=validate_every,
        ),
    )
    if os.environ.get("RANK", "0") != "0":  # of several processes one speaks
        return 0
    state = "finished" if run.finished else "paused; give the same command to go on"
    measured = run.validation or {"psnr_y": None}
    quality = "" if measured["psnr_y"] is None else f"; PSNR-Y {measured['psnr_y']:.2f} dB on {measured['set']}"
    print(f"{run.path}: {state}{quality}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: is not NAME=VALUE; write for instance --set schedule.rate=2e-4")
    return name, value
