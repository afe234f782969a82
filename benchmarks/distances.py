"""How much smaller than its fidelity's a texture's distance in VGG19's conv3_1 is, by six definitions of distance.

    python benchmarks/distances.py WEIGHTS compact-x4 rrdb-x4 --sets Set5 Set14

Features before or after their activation; as they are or as vectors of length 1; differences summed as they are or squared.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import superfine
from superfine.images import in_unit
from superfine.metrics import pairs
from superfine.metrics.features import MEAN, STD, features, load

Change = Callable[[Tensor], Tensor]


def unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


DISTANCES: dict[str, tuple[Change, Change]] = {
    "vgg_distance": (unit, torch.abs),
    "squared": (unit, torch.square),
    "after ReLU": (lambda x: unit(F.relu(x)), torch.abs),
    "LPIPS's": (lambda x: unit(F.relu(x)), torch.square),
    "ESRGAN's": (lambda x: x, torch.abs),
    "SRGAN's": (F.relu, torch.square),
}
"""LPIPS's: Zhang et al. 2018, Eq. 1, without weights. ESRGAN's, SRGAN's: as their content losses measure (Wang et al. 2018,
§3.3; Ledig et al. 2017, Eq. 5). The first is that of ``superfine.metrics.vgg_distance``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--sets", nargs="+", type=Path, required=True)
    options = parser.parse_args()
    network = load("vgg19", options.weights, "cpu")
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))

    def seen(picture: NDArray[np.float32]) -> Tensor:
        x = torch.from_numpy(picture[4:-4, 4:-4]).permute(2, 0, 1)[None]
        with torch.inference_mode():
            (found,) = features("vgg19", network.state, (x - mean) / std)
        return found

    print(f"{'changed by':24}" + "".join(f"{name:>14}" for name in DISTANCES))
    for folder in options.sets:
        originals = [(pair.lr, seen(in_unit(pair.hr))) for pair in pairs(folder, 4)]
        for name in options.models:
            sums = {}
            for variant in ("fidelity", "texture"):
                upscale = superfine.load(name, device="cpu", dial=variant).upscale
                results = [seen(np.rint(upscale(lr) * 255) / np.float32(255)) for lr, _ in originals]
                sums[variant] = [
                    sum(
                        float(norm(form(result) - form(original)).mean())
                        for result, (_, original) in zip(results, originals, strict=True)
                    )
                    for form, norm in DISTANCES.values()
                ]
            changes = [100 * (t / f - 1) for f, t in zip(sums["fidelity"], sums["texture"], strict=True)]
            print(f"{folder.name + ' ' + name:24}" + "".join(f"{change:13.1f}%" for change in changes), flush=True)


if __name__ == "__main__":
    main()
