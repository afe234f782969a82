"""How long ``superfine upscale`` takes for a photograph of one megapixel, and where the time goes.

The target: at most 1.25 times the network's own time, and at most one second more for starting up. The network's own time is
that of its pixels, without the tiles' halo, computed by a warm engine that does nothing else. Commands and warm runs take
turns, so a busy machine slows both; their CPU seconds, of all threads, hardly change with what else the machine does.

    python benchmarks/whole_command.py [--photo FILE] [--model FOLDER] [--rounds 5] [--suffix .png]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from engine import publish

import superfine
from superfine.engine import tiles
from superfine.images import Picture, read, write

SIDE = 1024

PARTS = """
import sys, time
begun = float(sys.argv[1])
marks = [("python", time.time())]
def mark(name): marks.append((name, time.time()))
from pathlib import Path
import superfine.cli.main
mark("import of the command line")
from superfine.engine import batch, load
from superfine.engine.jobs import plan_jobs
mark("import of the engine")
model = load(sys.argv[4], device="cpu")
mark("load of the model")
tiles = []
batch.run(model, plan_jobs([Path(sys.argv[2])], Path(sys.argv[3])), overwrite=True,
          progress=lambda done, total: tiles.append(time.time()), say=print)
marks += [("read, compile, first tile", tiles[0]), ("other tiles", tiles[-2]), ("tail of encoding", time.time())]
for (name, at), (_, before) in zip(marks, [("", begun), *marks]):
    print(f"{name}\\t{at - before}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suffix", default=".png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = options.model or publish("compact", Path(directory) / "compact")[1].path
        photo = Path(directory) / "photo.png"
        write(Picture(pixels=photograph(options.photo)), photo)
        measure(folder, photo, photo.with_name(f"large{options.suffix}"), options.rounds)


def photograph(file: Path | None) -> np.ndarray:
    """SIDE × SIDE pixels of a photograph, mirrored where it is smaller; without one, smooth noise."""
    if file is None:
        noise = np.random.default_rng(0).random((SIDE // 8 + 1, SIDE // 8 + 1, 3), dtype=np.float32)
        grid = np.arange(SIDE) / 8
        low, part = grid.astype(int), (grid % 1).astype(np.float32)[:, None, None]
        noise = noise[low] * (1 - part) + noise[low + 1] * part
        part = part.transpose(1, 0, 2)
        return noise[:, low] * (1 - part) + noise[:, low + 1] * part
    pixels = read(file).pixels
    y, x = (tiles.mirror(np.arange(SIDE), side) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[y[:, None], x])


def measure(folder: Path, photo: Path, output: Path, rounds: int) -> None:
    model = superfine.load(folder, device="cpu")
    pixels = read(photo).pixels
    plan = tiles.plan(SIDE, SIDE, model.card.margin, area=model.backend.area)
    windows = [plan.cut(pixels, row, column)[None] for row in plan.rows for column in plan.columns]
    model.backend.run(windows[0])
    commands, networks, parts = [], [], []
    command_cpu, network_cpu = [], []
    for _ in range(rounds):
        begun, used = time.perf_counter(), _cpu()
        for window in windows:
            model.backend.run(window)
        networks.append((time.perf_counter() - begun) / plan.work)
        network_cpu.append((_cpu() - used) / plan.work)
        output.unlink(missing_ok=True)
        begun, used = time.perf_counter(), _cpu()
        arguments = ["upscale", photo, "-o", output, "--model", folder, "--device", "cpu"]
        subprocess.run([sys.executable, "-m", "superfine", *map(str, arguments)], check=True, capture_output=True)
        commands.append(time.perf_counter() - begun)
        command_cpu.append(_cpu() - used)
        child = [sys.executable, "-c", PARTS, str(time.time()), str(photo), str(output), str(folder)]
        text = subprocess.run(child, check=True, capture_output=True, text=True).stdout
        parts.append({name: float(value) for name, value in (line.split("\t") for line in text.splitlines())})

    backend = model.backend
    print(
        f"{SIDE}×{SIDE} to {output.suffix}, {model.card.name}, {backend.name} {backend.precision}, {rounds} rounds in turns"
    )
    print(
        f"tiles of {plan.window_height}×{plan.window_width} with halo, {len(windows)} of them, {plan.work:.3f} pixels for each"
    )
    for name in parts[0]:
        print(f"  {name:28} {statistics.median(part[name] for part in parts):.3f} s")
    network, command = statistics.median(networks), statistics.median(commands)
    rest = statistics.median(c - 1.25 * n for c, n in zip(commands, networks, strict=True))
    print(f"network alone {network:.3f} s, with halo {network * plan.work:.3f} s; command {command:.3f} s")
    print(
        f"CPU seconds: network alone {statistics.median(network_cpu):.2f}, command {statistics.median(command_cpu):.2f}"
    )
    print(f"command − 1.25 × network = {rest:.3f} s (target: at most 1 s)")


def _cpu() -> float:
    """CPU seconds of this process and of its children that have ended, in all threads."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
