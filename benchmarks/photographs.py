"""PSNR-Y of a model's variants on photographs that are not made small cleanly: degraded at random, and compressed as JPEG.

    python benchmarks/photographs.py KODAK [--model compact-x4] [--dials fidelity photo-fidelity]

Photo, everyday: by these degradations of training, each photograph by its own chances. Compressed: made small by MATLAB's
bicubic, then by JPEG of a quality.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

import superfine
from superfine.data.degrade import DEGRADATIONS, degraded
from superfine.images import imresize, in_unit
from superfine.metrics import pairs, score
from superfine.modelfile import parse_dial

QUALITIES = (95, 90, 75, 50)

Pixels = NDArray[np.float32]


def compressed(lr: Pixels, quality: int) -> Pixels:
    picture = pyvips.Image.new_from_array(np.rint(lr * 255).astype(np.uint8), interpretation="srgb")
    stored = picture.write_to_buffer(".jpg", Q=quality)
    return pyvips.Image.new_from_buffer(stored, "").numpy().astype(np.float32) / np.float32(255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="compact-x4")
    parser.add_argument("--dials", nargs="+", default=["fidelity", "photo-fidelity"])
    options = parser.parse_args()
    methods: dict[str, Callable[[Pixels], Pixels]] = {"bicubic": lambda lr: imresize(lr, scale=4.0).clip(0, 1)}
    for dial in options.dials:
        methods[dial] = superfine.load(options.model, device="cpu", dial=parse_dial(dial)).upscale
    originals = list(pairs(options.folder, 4))
    inputs = {
        name: [
            degraded(in_unit(pair.hr)[None], DEGRADATIONS[name], scale=4, seed=0, step=number)[0]
            for number, pair in enumerate(originals)
        ]
        for name in ("photo", "everyday")
    }
    inputs["bicubic"] = [pair.lr for pair in originals]
    inputs |= {f"JPEG {quality}": [compressed(pair.lr, quality) for pair in originals] for quality in QUALITIES}
    print(f"{'PSNR-Y, dB':16}" + "".join(f"{name:>10}" for name in inputs))
    for name, method in methods.items():
        means = [
            np.mean(
                [score(method(lr), pair.hr, scale=4, grey=pair.grey) for lr, pair in zip(small, originals, strict=True)]
            )
            for small in inputs.values()
        ]
        print(f"{name:16}" + "".join(f"{mean:10.2f}" for mean in means))


if __name__ == "__main__":
    main()
