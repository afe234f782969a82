"""Models side by side on crops of Kodak photographs, which no model here was trained on: the README's before and after.

    python docs/figures/before_after.py KODAK_FOLDER OUT [--models compact-x4 compact-x4:texture FOLDER...]
        [--crops 23:160:60 19:300:130...] [--degradation photo]

Each row is one crop (number of the photograph, top, left): its low-resolution pixels, MATLAB's bicubic, each model, and the
original. The whole photograph is shrunk and enlarged, then cropped, with nothing done to the result but rounding to 8 bits.
Behind a colon stands where the model's dial is turned to; 0, if nowhere. Photographs are made small by MATLAB's bicubic, or
by a degradation that models are trained on, which needs torch.
"""

import argparse
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

import superfine
from superfine import zoo
from superfine.images import Metadata, Picture, imresize, read, write
from superfine.metrics import score
from superfine.modelfile import parse_dial

CROPS = ["23:160:60", "19:300:130", "05:230:380", "15:180:170"]
HEIGHT, WIDTH, SCALE = 216, 288, 4

Pixels = NDArray[np.float32]


def label(text: str, width: int) -> Pixels:
    """A strip of black on white text, h×width×3."""
    drawn = pyvips.Image.text(text, font="sans 11", dpi=96).gravity("centre", width, 26)
    return np.repeat(1.0 - drawn.numpy().reshape(26, width, 1).astype(np.float32) / 255, 3, axis=2)


def made_small(hr: Pixels, degradation: str | None, number: int) -> Pixels:
    """By MATLAB's bicubic, or by chance: ``number`` tells the photographs' chances apart."""
    if degradation is None:
        return imresize(np.rint(hr * 255).astype(np.uint8), scale=1 / SCALE).astype(np.float32) / np.float32(255)
    from superfine.data.degrade import DEGRADATIONS, degraded

    small: Pixels = degraded(hr[None], DEGRADATIONS[degradation], scale=SCALE, seed=0, step=number)[0]
    return small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=["compact-x4"])
    parser.add_argument("--crops", nargs="+", default=CROPS)
    parser.add_argument("--degradation")
    arguments = parser.parse_args()
    models = {}
    for text in arguments.models:
        path, dial = zoo.find_with_dial(text)
        model = superfine.load(path, dial=parse_dial(dial or "0"))
        name = model.card.name + (f":{dial}" if dial else "")
        models[text if name in models else name] = model
    rows = []
    for number, crop in enumerate(arguments.crops):
        name, top, left = crop.split(":")
        down, across = (slice(int(start), int(start) + length) for start, length in ((top, HEIGHT), (left, WIDTH)))
        hr = read(next(arguments.folder.glob(f"*{name}.*"))).pixels
        lr = made_small(hr, arguments.degradation, number)
        panels = {
            f"input, ×{SCALE} smaller": imresize(lr, scale=float(SCALE), kernel="nearest"),
            "bicubic": imresize(lr, scale=float(SCALE)).clip(0, 1),
            **{name: model.upscale(lr) for name, model in models.items()},
            "original": hr,
        }
        columns = []
        for title, picture in panels.items():
            quality = "" if picture is hr else f", {score(picture, hr, scale=SCALE, grey=False):.2f} dB"
            columns.append(np.concatenate([label(title + quality, WIDTH), picture[down, across]]))
        gap = np.ones((HEIGHT + 26, 6, 3), np.float32)
        rows.append(np.concatenate([part for column in columns for part in (column, gap)][:-1], axis=1))
    sheet = Picture(np.concatenate(rows).astype(np.float32), None, grey=False, bits=8, metadata=Metadata())
    write(sheet, arguments.out, quality=92)


if __name__ == "__main__":
    main()
