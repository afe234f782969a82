"""How far a model is from the photographs of a pack, and from what a teacher makes of them (`superfine data teach`).

The mean PSNR of brightness, in dB, over every tenth picture that the teacher enlarged:

    python benchmarks/distillation.py PACK TAUGHT MODEL
"""

import sys
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

import superfine
from superfine.data import Pack
from superfine.metrics.psnr import luma, psnr


def main(pack: Path, taught: Path, model: str) -> None:
    photographs, results = Pack(pack), Pack(taught)
    if results.teacher is None or results.teacher["of"] != photographs.sha256:
        sys.exit(f"{taught}: is not made of {pack}")
    network = superfine.load(model, dial="fidelity")
    enlarged = [i for i, entry in enumerate(photographs.entries) if fnmatchcase(entry.file, results.teacher["only"])]
    found = []
    for i in enlarged[::10]:
        made = network.upscale(np.divide(photographs.lr(i), 255, dtype=np.float32))
        model_y, photo_y, teacher_y = (
            luma(levels, grey=False)
            for levels in (np.rint(made * 255).astype(np.uint8), photographs.hr(i), results.hr(i))
        )
        pairs = ((model_y, photo_y), (teacher_y, photo_y), (model_y, teacher_y))
        found.append([psnr(a, b, crop=4, data_range=255.0) for a, b in pairs])
    names = f"{model}, photograph", f"{results.teacher['name']}, photograph", f"{model}, {results.teacher['name']}"
    print(f"{len(found)} pictures")
    for name, value in zip(names, np.mean(found, axis=0), strict=True):
        print(f"{name}: {value:.2f} dB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
