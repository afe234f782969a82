"""The protocols: nearest and bicubic come out as the papers print them."""

from pathlib import Path

import numpy as np
import pytest

from superfine.images import imresize
from superfine.metrics import measure, pairs

# The tables of the literature, measured on the same pictures; a tolerance of 0.01 dB and 0.0005.
STANDARD = {
    ("nearest", "Set5"): (26.25, 0.7372),
    ("nearest", "Set14"): (24.64, 0.6529),
    ("nearest", "BSD100"): (25.03, 0.6293),
    ("bicubic", "Set5"): (28.42, 0.8102),
    ("bicubic", "Set14"): (25.99, 0.7024),
    ("bicubic", "BSD100"): (25.96, 0.6674),
}

# Ledig et al. 2017, Tables 1 and 2; 0.01 dB and 0.001.
SRGAN2017 = {
    ("nearest", "Set5"): (26.26, 0.7552),
    ("nearest", "Set14"): (24.64, 0.7100),
    ("nearest", "BSD100"): (25.02, 0.6606),
    ("bicubic", "Set5"): (28.43, 0.8211),
    ("bicubic", "Set14"): (25.99, 0.7486),
    ("bicubic", "BSD100"): (25.94, 0.6935),
}

# Both of its rows for BSD100 have some 0.02 dB less than the pictures that are in use today, whose bicubic all others print
# as 25.96; no rounding, matrix, border, kernel or crop makes up for it without losing the other two sets or the SSIM.
BSD100_OF_THE_PAPER = 0.025


# Cropped to multiples of 12 in place of 4, its PSNR of BSD100 is the paper's, but neither the SSIM nor Set5 is.
OF_12 = {("nearest", "BSD100"): (25.018,), ("bicubic", "BSD100"): (25.949, 0.6949), ("bicubic", "Set5"): (28.40,)}

WAYS = {"standard": ("standard", 4), "srgan2017": ("srgan2017", 4), "of 12": ("srgan2017", 12)}
"""A protocol, and what the sides are cropped to a multiple of."""


def means(folder: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """PSNR-Y and SSIM-Y by way and kernel."""
    values: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for pair in pairs(folder, 4):
        nearest, bicubic = pair.lr.repeat(4, axis=0).repeat(4, axis=1), imresize(pair.lr, scale=4.0)
        for way, (protocol, multiple) in WAYS.items():
            height, width = (length // multiple * multiple for length in pair.hr.shape[:2])
            for kernel, result in (("nearest", nearest), ("bicubic", bicubic)):
                given = measure(
                    result[:height, :width],
                    pair.hr[:height, :width],
                    None,
                    metrics=["psnr_y", "ssim_y"],
                    protocol=protocol,
                    scale=4,
                    grey=pair.grey,
                )
                values.setdefault((way, kernel), []).append(tuple(given.values()))
    return {key: tuple(np.mean(rows, axis=0)) for key, rows in values.items()}


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_the_tables_of_the_papers(shared: Path, name: str) -> None:
    found = means(shared / "data" / "benchmarks" / name)
    for kernel in ("nearest", "bicubic"):
        psnr, ssim = found["standard", kernel]
        assert psnr == pytest.approx(STANDARD[kernel, name][0], abs=0.01)
        assert ssim == pytest.approx(STANDARD[kernel, name][1], abs=0.0005)
        psnr, ssim = found["srgan2017", kernel]
        assert psnr == pytest.approx(SRGAN2017[kernel, name][0], abs=BSD100_OF_THE_PAPER if name == "BSD100" else 0.01)
        assert ssim == pytest.approx(SRGAN2017[kernel, name][1], abs=0.001)
        for value, printed in zip(found["of 12", kernel], OF_12.get((kernel, name), ()), strict=False):
            assert value == pytest.approx(printed, abs=5e-3 if name == "Set5" else 5e-4)
