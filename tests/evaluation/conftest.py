"""A finished evaluation of two small sets, with its pictures, as figures and reports get it."""

import math
from pathlib import Path

import numpy as np
import pytest

from superfine.evaluation.score import Evaluation, Score
from superfine.images import Picture, imresize, write

ODD = "<b>$odd$ & \"name\"</b> of some thirty letters, 'quoted'"
METHODS = ("nearest", "bicubic", "small:0", "small:0.5", "small:texture", ODD)
METRICS = ("psnr_y", "ssim_y", "lpips_alex")
SIZES = {
    "Set5": {"baby": (96, 80), "bird": (64, 64), "<i>c</i>": (56, 72), "d": (64, 48), "e": (64, 64)},
    "A & B": {"one": (48, 64)},
}


def make_evaluation(out: Path, *, timed: bool = True) -> Evaluation:
    """Write ``out/pictures`` and return the evaluation. Results are the originals with noise that grows with the method."""
    rng = np.random.default_rng(5)
    scores = []
    empty = Evaluation((), "", {}, {}, out / "pictures")
    for set, sizes in SIZES.items():
        values: dict[str, dict[str, dict[str, float]]] = {method: {} for method in METHODS}
        for i, (name, (height, width)) in enumerate(sizes.items()):
            hr = np.rint(rng.random((height, width, 3)) * 255).astype(np.float32) / np.float32(255)
            lr = imresize(hr, scale=0.25).clip(0, 1)
            results = {"HR": hr, "LR": lr}
            for place, method in enumerate(METHODS):
                noise = 0.05 * (place + 1) * rng.standard_normal(hr.shape).astype(np.float32)
                results[method] = imresize(lr, scale=4.0, kernel=method) if place < 2 else hr + noise
                values[method][name] = {
                    "psnr_y": 31.0 - place - 1.7 * i,
                    "ssim_y": 0.9 - 0.05 * place,
                    "lpips_alex": 0.4 - 0.05 * place,
                }
            for method, pixels in results.items():
                file = empty.picture(set, method, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                write(Picture(pixels), file)
        for place, method in enumerate(METHODS):
            seconds = None if method == ODD or not timed else 0.02 * 10**place
            scores.append(Score(method, set, 4, "standard", METRICS, values[method], seconds_per_megapixel=seconds))
    identical = scores[0].pictures | {"bird": {"psnr_y": math.inf, "ssim_y": 1.0, "lpips_alex": 0.0}}
    without = {name: value for name, value in scores[5].pictures.items() if name != "d"}
    scores[0] = Score(
        "nearest",
        "Set5",
        4,
        "standard",
        METRICS,
        identical,
        {"bird": "identical to the original"},
        (),
        scores[0].seconds_per_megapixel,
    )
    scores[5] = Score(
        ODD, "Set5", 4, "standard", METRICS, without, {"d": "d.png: is 60×48, <its> original 48×64"}, ("d",), None
    )
    return Evaluation(
        tuple(scores),
        f"superfine evaluate nearest bicubic small:0 '{ODD}' --sets Set5 'A & B' -o out",
        {"superfine": "0.1.0", "numpy": "2.4.6"},
        {method: f"{place:064x}" for place, method in enumerate(METHODS)},
        out / "pictures",
        {"nearest": "nearest", "bicubic": "bicubic"},
    )


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of ``evaluated``."""
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="session")
def evaluated(out: Path) -> Evaluation:
    return make_evaluation(out)
