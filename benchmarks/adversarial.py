"""GAN updates per second: the adversarial stage against a plain float32 loop that decodes PNG files.

    python benchmarks/adversarial.py PHOTOS [--recipe esrgan] [--set network.blocks=4] [--features VGG] [--steps 20]

PHOTOS is a folder of pictures. By default the recipe is ESRGAN's with 4 blocks instead of 23. Without a file of VGG weights
both sides leave the content loss out. The reference does what most public code does: a ``DataLoader`` with worker processes
opens the PNG of a picture and of its twin for each crop; generator and discriminator run in float32 with NCHW strides; the
discriminator sees photographs and results one after the other. Both train the same networks with the same losses on crops of
the same size, in turn, round after round; ratios are taken within a round, and the median is printed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch.utils.data import DataLoader
from training import PngCrops, ours, write_pngs

from superfine.data import pack
from superfine.losses import ADVERSARIAL_LOSSES, gradient_penalty
from superfine.networks import build, build_discriminator, name_of
from superfine.networks.discriminators import INPUTS
from superfine.training.adversarial_stage import PENALISED_EVERY, train
from superfine.training.objective import features_of, objective
from superfine.training.recipes import AdversarialRecipe, recipe
from superfine.training.settings import override

WARMING_UP = 2


def reference(chosen: AdversarialRecipe, folder: Path, features: Path | None) -> Iterator[float]:
    """Steps per second of the plain loop, a figure for each round asked for."""
    chosen = replace(chosen, precision="f32")
    generator = build(chosen.architecture, asdict(chosen.network))
    discriminator = build_discriminator(name_of(chosen.discriminator), asdict(chosen.discriminator))
    optimiser, judges_optimiser = (
        torch.optim.Adam(network.parameters(), lr=chosen.schedule.rate) for network in (generator, discriminator)
    )
    known = features_of(chosen, features, torch.device("cpu"))
    loss_terms = objective(chosen, known.to(memory_format=torch.contiguous_format) if known else None)
    adversarial = ADVERSARIAL_LOSSES[chosen.adversarial]
    look = partial(INPUTS[chosen.discriminator_input], scale=chosen.network.scale)
    while True:
        crops = PngCrops(folder, chosen.patch, chosen.network.scale, (chosen.steps + WARMING_UP) * chosen.batch)
        # Fresh processes: libvips, which this one has used, does not survive a fork.
        workers = {"num_workers": os.cpu_count() or 1, "multiprocessing_context": "spawn"}
        for step, (x, target) in enumerate(DataLoader(crops, batch_size=chosen.batch, **workers)):
            if step == WARMING_UP:
                started = time.perf_counter()
            discriminator.requires_grad_(False)
            result = generator(x)
            loss = sum(loss_terms(result, target).values())
            real = discriminator(look(target)) if adversarial.relative else None
            loss = loss + chosen.adversarial_weight * adversarial.generator(real, discriminator(look(result)))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            discriminator.requires_grad_(True)
            for _ in range(chosen.discriminator_updates):
                judgement = adversarial.discriminator(discriminator(look(target)), discriminator(look(result.detach())))
                if chosen.r1 and step % PENALISED_EVERY == 0:
                    seen = target.clone().requires_grad_()
                    judgement = judgement + PENALISED_EVERY * chosen.r1 * gradient_penalty(
                        discriminator(look(seen)), seen
                    )
                judges_optimiser.zero_grad()
                judgement.backward()
                judges_optimiser.step()
        yield chosen.steps / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--recipe", default="esrgan")
    parser.add_argument("--set", dest="settings", action="append", metavar="NAME=VALUE")
    parser.add_argument("--features", type=Path, help="VGG weights for the content loss")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--eager", action="store_true", help="without torch.compile, which takes minutes to begin")
    arguments = parser.parse_args()
    settings = dict(text.split("=", 1) for text in arguments.settings or ["network.blocks=4"])
    if arguments.features is None:
        settings["content.weight"] = "0"
    chosen = override(recipe(arguments.recipe), settings | {"steps": str(arguments.steps)})
    if not isinstance(chosen, AdversarialRecipe):
        parser.error(f"{arguments.recipe} has no discriminator; benchmarks/training.py is about such recipes")
    kinds = {"eager": False} if arguments.eager else {"eager": False, "compiled": True}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = pack(arguments.photos, folder / "photos.pack", scale=chosen.network.scale)
        write_pngs(made, folder / "png")
        plain = reference(chosen, folder / "png", arguments.features)
        for i in range(arguments.rounds):
            row = {"reference": next(plain)}
            for kind, compiled in kinds.items():
                run = folder / f"{kind}{i}"
                settings_of_run = {"compiled": compiled, "features": arguments.features, "validate_every": 10**9}
                row[kind] = ours(train, arguments.recipe, chosen, made, run, device="cpu", **settings_of_run)
            print("  ".join(f"{key} {value:.3f} steps/s" for key, value in row.items()), flush=True)
            rows.append(row)
    facts = f"batch {chosen.batch}, patch {chosen.patch}, {torch.get_num_threads()} threads, CPU"
    content = f"content {', '.join(chosen.content.layers)}" if chosen.content.weight else "no content loss"
    print(f"{arguments.recipe} ({' '.join(f'{key}={value}' for key, value in settings.items())}), {facts}, {content}")
    for kind in kinds:
        ratio = median(row[kind] / row["reference"] for row in rows)
        speed = median(row[kind] for row in rows)
        print(f"{kind}: {ratio:.2f} × the reference ({speed:.3f} steps/s, {speed * chosen.batch:.1f} patches/s)")


if __name__ == "__main__":
    main()
