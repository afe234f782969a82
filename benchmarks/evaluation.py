"""How much time an evaluation adds to that of its network, and how fast PSNR and SSIM are.

The targets: BSD100 with PSNR, SSIM and one network in at most 1.3 times the network's own time; the metrics alone over 100
pictures in less than 20 s; PSNR and SSIM of a pair of 24 megapixels in less than 3 s and 2 GB.

The network's own time is that of ``superfine.load`` and of enlarging all pictures of the set, decoded before. An evaluation
begins with the model's folder too, and with an empty cache; reading, measuring and keeping are all in it. Beside it stands the
time of a network that was loaded and compiled before. They take turns, so a busy machine slows all; their CPU seconds, of all
threads, depend less on what else the machine does.

    python benchmarks/evaluation.py SET [--models compact-x4 FOLDER...] [--rounds 3]
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import superfine
from superfine.evaluation import BenchmarkSet, Cache, Evaluation, evaluate, open_methods, open_set
from superfine.metrics import measure

METRICS = ("psnr_y", "ssim_y")
LARGE = (4000, 6000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--models", nargs="+", default=["compact-x4"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds, work, size = large_pair()
    print(
        f"PSNR and SSIM of 24 megapixels: {seconds:.2f} s (target 3), {work:.2f} s of CPU, {size / 1e9:.2f} GB (target 2)"
    )
    with tempfile.TemporaryDirectory() as directory:
        bench = open_set(options.set, 4)
        for model in options.models:
            compare(model, bench, options.rounds, Path(directory))
        alone(options.models[0], bench, options.rounds, Path(directory))


def compare(model: str, bench: BenchmarkSet, rounds: int, scratch: Path) -> None:
    """Print how much longer an evaluation takes than the network alone."""
    pictures = [bench.pair(item).lr for item in bench.items]

    def enlarge(network: superfine.Model) -> superfine.Model:
        for picture in pictures:
            network.upscale(picture)
        return network

    network = enlarge(superfine.load(model, device="cpu"))
    print(f"\n{model}, {bench.name}, {len(pictures)} pictures, {rounds} rounds in turns: seconds (of all threads)")
    walls, works, readies = [], [], []
    for round_ in range(rounds):
        own, own_work = timed(lambda: enlarge(superfine.load(model, device="cpu")))
        ready, _ = timed(lambda: enlarge(network))
        cache = Cache(scratch / f"{Path(model).name}-{round_}")
        whole, whole_work = timed(lambda cache=cache: scored(model, bench, cache))
        again, _ = timed(lambda cache=cache: scored(model, bench, cache))
        walls.append(whole / own)
        works.append(whole_work / own_work)
        readies.append(whole / ready)
        print(
            f"network {own:.2f} ({own_work:.2f}), loaded before {ready:.2f}, "
            f"evaluation {whole:.2f} ({whole_work:.2f}), repeated {again:.2f}"
        )
    print(f"evaluation: {statistics.median(walls):.2f} of the network's time (target 1.3)", end="")
    print(f", {statistics.median(works):.2f} of its CPU seconds", end="")
    print(f"; {statistics.median(readies):.2f} of the time of one that was loaded before")


def alone(model: str, bench: BenchmarkSet, rounds: int, scratch: Path) -> None:
    """Print how long ready-made pictures take, reading them and their originals included."""
    evaluation = scored(model, bench, Cache(scratch / "out-cache"), out=scratch / "out")
    folder = evaluation.picture(bench.name, evaluation.methods[0], "x").parent
    times = [timed(lambda n=n: scored(str(folder), bench, Cache(scratch / f"alone-{n}")))[0] for n in range(rounds)]
    print(f"\nready-made pictures, {len(bench.items)}: {statistics.median(times):.2f} s (target 20 for 100)")


def scored(model: str, bench: BenchmarkSet, cache: Cache, out: Path | None = None) -> Evaluation:
    evaluation = evaluate(open_methods([model], device="cpu"), [bench], metrics=METRICS, known=cache, out=out)
    if failed := evaluation.scores[0].failed:
        sys.exit(f"not scored: {', '.join(failed)}")
    return evaluation


def timed(work: Callable[[], object]) -> tuple[float, float]:
    begun, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun, time.process_time() - worked


def large_pair() -> tuple[float, float, int]:
    """Seconds for, CPU seconds and the peak memory of, a process that scores a pair of 24 megapixels, which it holds too."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_large_pair)


def _large_pair() -> tuple[float, float, int]:
    generator = np.random.default_rng(0)
    hr = generator.random((*LARGE, 3), dtype=np.float32)
    result = hr + np.float32(0.01)
    seconds, work = timed(lambda: measure(result, hr, None, metrics=METRICS, protocol="standard", scale=4, grey=False))
    return seconds, work, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
