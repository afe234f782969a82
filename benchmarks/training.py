"""Training steps per second: the pixel stage against a plain float32 loop that decodes PNG files.

    python benchmarks/training.py PHOTOS [--recipe compact-fidelity] [--steps 60] [--rounds 3] [--device cpu]

PHOTOS is a folder of pictures. The reference does what most public code does: a ``DataLoader`` with worker processes opens
the PNG of a picture and of its twin for each crop, and the network runs in float32 with NCHW strides. Both train the same
network on crops of the same size, in turn, round after round; ratios are taken within a round, and the median is printed.

The share of the peak is that of the operations which the network's convolutions need, forwards and backwards, in what the
device does in the same time when it multiplies large bfloat16 matrices.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pyvips
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from superfine.data import Pack, pack
from superfine.networks import build
from superfine.training.pixel_stage import train
from superfine.training.recipes import PixelRecipe, recipe
from superfine.training.runs import Run
from superfine.training.setup import Options


class PngCrops(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """A random crop of one picture an item, decoded from PNG files each time."""

    def __init__(self, folder: Path, patch: int, scale: int, length: int) -> None:
        self.files = [(file, folder / "LR" / file.name) for file in sorted((folder / "HR").iterdir())]
        self.patch, self.scale, self.length = patch, scale, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        hr, lr = (pyvips.Image.new_from_file(str(file)).numpy() for file in self.files[i % len(self.files)])
        y, x = (int(torch.randint(length - self.patch + 1, ())) for length in lr.shape[:2])
        small = lr[y : y + self.patch, x : x + self.patch]
        y, x, side = y * self.scale, x * self.scale, self.patch * self.scale
        large = hr[y : y + side, x : x + side]
        return tuple(torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1))).float() / 255 for a in (small, large))


def write_pngs(made: Pack, folder: Path) -> None:
    for kind, picture in (("HR", made.hr), ("LR", made.lr)):
        (folder / kind).mkdir(parents=True)
        for i in range(len(made)):
            pyvips.Image.new_from_array(np.ascontiguousarray(picture(i))).write_to_file(f"{folder / kind / str(i)}.png")


def reference(chosen: PixelRecipe, folder: Path, device: str) -> Iterator[float]:
    """Steps per second of the plain loop, a figure for each round asked for."""
    network = build(chosen.architecture, asdict(chosen.network)).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=chosen.schedule.rate)
    while True:
        crops = PngCrops(folder, chosen.patch, chosen.network.scale, (chosen.steps + 3) * chosen.batch)
        # Fresh processes: libvips, which this one has used, does not survive a fork.
        workers = {"num_workers": os.cpu_count() or 1, "multiprocessing_context": "spawn"}
        for step, (x, target) in enumerate(DataLoader(crops, batch_size=chosen.batch, **workers)):
            if step == 3:
                finish(device)
                started = time.perf_counter()
            loss = torch.nn.functional.l1_loss(network(x.to(device)), target.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        finish(device)
        yield chosen.steps / (time.perf_counter() - started)


def finish(device: str) -> None:
    """Wait for what a GPU still has to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def operations(chosen: PixelRecipe) -> int:
    """Floating-point operations of a step, forwards and backwards, of the layers as they are drawn."""
    network = build(chosen.architecture, asdict(chosen.network)).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, chosen.patch, chosen.patch)).sum().backward()
    return counter.get_total_flops() * chosen.batch


def peak(device: str, side: int = 4096, times: int = 8) -> float:
    """Floating-point operations per second of bfloat16 matrices, the fastest of some products."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    taken = []
    for _ in range(times):
        finish(device)
        started = time.perf_counter()
        a @ b
        finish(device)
        taken.append(time.perf_counter() - started)
    return 2 * side**3 / min(taken)


def ours(train: Callable[..., Run], name: str, chosen: PixelRecipe, made: Pack, folder: Path, **settings: Any) -> float:
    """Steps per second of a stage, from its own log, after as many steps of warming up; ``settings`` are of ``Options``."""
    options = Options(log_every=chosen.steps, save_every=10**9, **settings)
    run = train(name, replace(chosen, steps=2 * chosen.steps), made, folder, options=options)
    last = (run.path / "log.jsonl").read_text().splitlines()[-1]
    return float(json.loads(last)["patches_per_second"]) / chosen.batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--recipe", default="compact-fidelity")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    chosen = replace(recipe(arguments.recipe), steps=arguments.steps)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = pack(arguments.photos, folder / "photos.pack")
        write_pngs(made, folder / "png")
        plain = reference(chosen, folder / "png", arguments.device)
        best = peak(arguments.device)
        for i in range(arguments.rounds):
            row = {
                "reference": next(plain),
            }
            for kind in ("eager", "compiled"):
                options = {"compiled": kind == "compiled", "device": arguments.device}
                row[kind] = ours(train, arguments.recipe, chosen, made, folder / f"{kind}{i}", **options)
            print("  ".join(f"{key} {value:.2f} steps/s" for key, value in row.items()), flush=True)
            rows.append(row)
    where = f"{torch.get_num_threads()} threads, {arguments.device}"
    print(f"{arguments.recipe}, batch {chosen.batch}, patch {chosen.patch}, {where}; peak {best / 1e12:.2f} TFLOP/s")
    for kind in ("eager", "compiled"):
        ratio = median(row[kind] / row["reference"] for row in rows)
        speed = median(row[kind] for row in rows)
        print(
            f"{kind}: {ratio:.2f} × the reference ({speed:.2f} steps/s, {speed * chosen.batch:.0f} patches/s, ", end=""
        )
        print(f"{speed * operations(chosen) / best:.0%} of the peak)")


if __name__ == "__main__":
    main()
