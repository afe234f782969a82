"""Why networks that minimise the squared error blur: two figures from photographs of the Kodak set.

    python docs/figures/why_mse_blurs.py KODAK_FOLDER docs/figures

It needs nothing but superfine and prints the numbers that it draws. PSNR is that of the luma, over the crop but for its four
outermost pixels (protocol ``standard``).

``shift_or_blur.webp``
    A photograph moved by one pixel, which nobody sees, and blurred, which everybody sees, and what PSNR says of them.
``average_of_textures.webp``
    Pictures that all have the same low-resolution picture. Let U enlarge and D shrink (MATLAB's bicubic); the picture B with
    D(B) = lr is found by repeating B ← B + U(lr − D(B)) (Irani and Peleg 1991, back-projection). A texture d of another place
    of the same photograph, freed of its low frequencies in the same way so that D(d) = 0, makes B + d another picture
    that shrinks to lr. Any of them may have been the photograph. Their mean has the smallest expected squared error, and it is
    close to B: the textures cancel.
"""

import argparse
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from superfine.images import Metadata, Picture, imresize, read, write
from superfine.metrics import score

SCALE = 4
SIDE = 256
SHIFTED = ("08", 200, 300)  # photograph, top, left
BLURS = (1.0, 2.0)
GRASS = ("19", 640, 120)  # a lawn of 128 rows at the foot of the photograph
GRASS_SIDE = 128
PLACES = 40
ROUNDS = 30
GAP = 6

Pixels = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kodak", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    shift_or_blur(arguments.kodak, arguments.out / "shift_or_blur.webp")
    average_of_textures(arguments.kodak, arguments.out / "average_of_textures.webp")


def shift_or_blur(kodak: Path, file: Path) -> None:
    name, top, left = SHIFTED
    photograph = photo(kodak, name)

    def crop(picture: Pixels) -> Pixels:
        return picture[top : top + SIDE, left : left + SIDE]

    truth = crop(photograph)
    panels = {"photograph": truth, "one pixel to the right": crop(np.roll(photograph, 1, axis=1))}
    panels |= {f"blurred, σ = {sigma:g} pixels": crop(blurred(photograph, sigma)) for sigma in BLURS}
    save(panels, truth, file)


def average_of_textures(kodak: Path, file: Path) -> None:
    name, top, left = GRASS
    lawn = photo(kodak, name)[top : top + GRASS_SIDE]
    truth = lawn[:, left : left + GRASS_SIDE]
    lr = shrunk(truth)
    base = enlarged(lr)
    for _ in range(ROUNDS):
        base = base + enlarged(lr - shrunk(base))

    rng = np.random.default_rng(0)
    others = [x for x in range(lawn.shape[1] - GRASS_SIDE + 1) if abs(x - left) >= 2 * SCALE]
    pictures = []
    for x in rng.choice(others, PLACES, replace=False):
        texture = lawn[:, x : x + GRASS_SIDE]
        for _ in range(ROUNDS):
            texture = texture - enlarged(shrunk(texture))
        pictures.append(base + texture)

    off = max(float(np.abs(shrunk(picture) - lr).max()) for picture in pictures)
    print(f"{PLACES} pictures, whose low-resolution pictures differ by at most {off * 255:.2g} of 255 levels")
    mean = np.mean(pictures, axis=0)
    qualities = [quality(picture, truth) for picture in pictures]
    print(f"PSNR of one of them: {np.mean(qualities):.2f} dB on average, {max(qualities):.2f} dB at best")
    panels = {
        "low resolution": imresize(lr, scale=float(SCALE), kernel="nearest"),
        "plausible": pictures[0],
        "plausible too": pictures[1],
        f"mean of {PLACES} plausible ones": mean,
        "photograph": truth,
    }
    save(panels, truth, file)


def photo(kodak: Path, name: str) -> Pixels:
    return read(next(kodak.glob(f"*{name}.*"))).pixels


def shrunk(picture: Pixels) -> Pixels:
    return imresize(picture, scale=1 / SCALE)


def enlarged(picture: Pixels) -> Pixels:
    return imresize(picture, scale=float(SCALE))


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """Gaussian, the edge pixel repeated beyond the edge."""
    radius = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (radius, radius)
        wide = np.pad(picture, pad, mode="edge")
        length = picture.shape[axis]
        picture = sum(w * wide.take(range(i, i + length), axis) for i, w in enumerate(weights))
    return picture.astype(np.float32)


def quality(picture: Pixels, truth: Pixels) -> float:
    return score(picture.astype(np.float32).clip(0, 1), truth, scale=SCALE, grey=False)


def save(panels: dict[str, Pixels], truth: Pixels, file: Path) -> None:
    """The panels side by side, each with its title and its PSNR."""
    columns = []
    for title, picture in panels.items():
        text = title if picture is truth else f"{title}\n{quality(picture, truth):.2f} dB"
        print(f"{file.name}: {' '.join(text.split())}")
        shown = imresize(picture.clip(0, 1), scale=SIDE / len(picture), kernel="nearest")
        columns += [np.concatenate([label(text), shown]), np.ones((SIDE + 40, GAP, 3), np.float32)]
    sheet = np.concatenate(columns[:-1], axis=1).astype(np.float32)
    write(Picture(sheet, None, grey=False, bits=8, metadata=Metadata()), file, quality=90)


def label(text: str) -> Pixels:
    """Black on white, 40×SIDE×3."""
    drawn = pyvips.Image.text(text, font="sans 11", dpi=90, align="centre").gravity("centre", SIDE, 40)
    return np.repeat(1.0 - drawn.numpy().reshape(40, SIDE, 1).astype(np.float32) / 255, 3, axis=2)


if __name__ == "__main__":
    main()
