"""PSNR-Y at scales that are not the networks' own, whose results are resized to the originals' size.

    python benchmarks/scales.py --sets Set5 Set14 [--models compact-x4 rrdb-x4] [--dial 0] [--scales 2 3 4 6]

Made small by MATLAB's bicubic. Protocol standard, with a border as wide as the scale.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import superfine
from superfine.images import imresize
from superfine.metrics import pairs, score
from superfine.modelfile import parse_dial

Pixels = NDArray[np.float32]
Size = tuple[int, int]


def bicubic(lr: Pixels, size: Size) -> Pixels:
    return imresize(lr, size=size).clip(0, 1)


def enlarger(name: str, dial: str) -> Callable[[Pixels, Size], Pixels]:
    model = superfine.load(name, device="cpu", dial=parse_dial(dial))
    return lambda lr, size: model.upscale(lr, size=size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, nargs="+", required=True)
    parser.add_argument("--models", nargs="+", default=["compact-x4", "rrdb-x4"])
    parser.add_argument("--dial", default="0")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4, 6])
    options = parser.parse_args()
    methods = {"bicubic": bicubic} | {name: enlarger(name, options.dial) for name in options.models}
    for folder in options.sets:
        print(f"{folder.name + ', dB':16}" + "".join(f"{f'×{scale}':>8}" for scale in options.scales))
        for name, method in methods.items():
            means = []
            for scale in options.scales:
                found = pairs(folder, scale)
                values = [score(method(p.lr, p.hr.shape[:2]), p.hr, scale=scale, grey=p.grey) for p in found]
                means.append(np.mean(values))
            print(f"{name:16}" + "".join(f"{mean:8.2f}" for mean in means))


if __name__ == "__main__":
    main()
