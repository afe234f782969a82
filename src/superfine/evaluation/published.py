"""What papers print, ×4, with source and protocol; and what was measured here for baselines that papers print differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PICTURES = {"Set5": 5, "Set14": 14, "BSD100": 100, "Urban100": 100}
"""The sets of the rows below, and how many pictures each has."""

FLAGS = {"M": "measured on the same pictures, not printed", "R": "recalled, not checked against the source"}


@dataclass(frozen=True)
class Published:
    """One row of a table.

    Parameters
    ----------
    method
        As the source calls it; unique within a protocol.
    protocol
        A key of ``superfine.metrics.PROTOCOLS``. Rows of different protocols do not compare.
    source
        The paper, and where in it.
    values
        By set, then by metric: keys of ``superfine.metrics.METRICS``, and ``mos`` (mean opinion).
    flag
        A key of ``FLAGS``; empty for numbers that were read in the source.
    recipes
        The interpolations and training recipes of ours that this row is the counterpart of.
    """

    method: str
    protocol: str
    source: str
    values: Mapping[str, Mapping[str, float]]
    flag: str = ""
    recipes: tuple[str, ...] = ()
    scale: int = 4

    @property
    def label(self) -> str:
        """The method with its flag."""
        return f"{self.method} ({self.flag})" if self.flag else self.method


def _values(metrics: str, *columns: Sequence[float | None]) -> dict[str, dict[str, float]]:
    """Columns of numbers for Set5, Set14, BSD100 and Urban100; None where nothing is printed."""
    names = metrics.split()
    rows = ({n: v for n, v in zip(names, column, strict=True) if v is not None} for column in columns)
    return {set: values for set, values in zip(PICTURES, rows, strict=False) if values}


_LEDIG = "Ledig et al. 2017 (SRGAN), Tables 1 and 2"
_WANG = "Wang et al. 2018 (ESRGAN), comparison of networks trained for PSNR"
_MEASURED = "measured with MATLAB's imresize"
_PERCEPTUAL = "Ma et al. 2020 (SPSR), Table 1"
_PSM = "psnr_y ssim_y mos"
_PS = "psnr_y ssim_y"
_PERCEPTION = "pi lpips_alex psnr_y"

PUBLISHED = (
    # Y, a border of 4 removed, the SSIM of the Daala project, 26 raters.
    Published(
        "nearest",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (26.26, 0.7552, 1.28), (24.64, 0.7100, 1.20), (25.02, 0.6606, 1.11)),
        recipes=("nearest",),
    ),
    Published(
        "bicubic",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (28.43, 0.8211, 1.97), (25.99, 0.7486, 1.80), (25.94, 0.6935, 1.47)),
        recipes=("bicubic",),
    ),
    Published(
        "SRCNN",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (30.07, 0.8627, 2.57), (27.18, 0.7861, 2.26), (26.68, 0.7291, 1.87)),
        recipes=("srcnn",),
    ),
    Published(
        "SelfExSR",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (30.33, 0.872, 2.65), (27.45, 0.7972, 2.34), (26.83, 0.7387, 1.89)),
    ),
    Published(
        "DRCN",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (31.52, 0.8938, 3.26), (28.02, 0.8074, 2.84), (27.21, 0.7493, 2.12)),
    ),
    Published(
        "ESPCN",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (30.76, 0.8784, 2.89), (27.66, 0.8004, 2.52), (27.02, 0.7442, 2.01)),
    ),
    Published(
        "SRResNet-MSE",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (32.05, 0.9019, 3.37), (28.49, 0.8184, 2.98), (27.58, 0.7620, 2.29)),
        recipes=("srresnet-mse",),
    ),
    Published(
        "SRResNet-VGG22",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (30.51, 0.8803, 3.46), (27.19, 0.7807, 3.15)),
        recipes=("srresnet-vgg22",),
    ),
    Published(
        "SRGAN-MSE",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (30.64, 0.8701, 3.77), (26.92, 0.7611, 3.43)),
        recipes=("srgan-mse",),
    ),
    Published(
        "SRGAN-VGG22",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (29.84, 0.8468, 3.78), (26.44, 0.7518, 3.57)),
        recipes=("srgan-vgg22",),
    ),
    Published(
        "SRGAN-VGG54",
        "srgan2017",
        _LEDIG,
        _values(_PSM, (29.40, 0.8472, 3.58), (26.02, 0.7397, 3.72), (25.16, 0.6688, 3.56)),
        recipes=("srgan-vgg54",),
    ),
    Published("HR", "srgan2017", _LEDIG, _values("mos", (4.32,), (4.32,), (4.46,))),
    # Y of BT.601 in limited range, a border of 4 removed, SSIM with an 11×11 Gaussian where it fits.
    Published(
        "nearest",
        "standard",
        _MEASURED,
        _values(_PS, (26.25, 0.7372), (24.64, 0.6529), (25.03, 0.6293)),
        flag="M",
        recipes=("nearest",),
    ),
    Published(
        "bicubic",
        "standard",
        _MEASURED,
        _values(_PS, (28.42, 0.8102), (25.99, 0.7024), (25.96, 0.6674), (23.14, None)),
        flag="M",
        recipes=("bicubic",),
    ),
    Published(
        "SRCNN",
        "standard",
        _WANG,
        _values(_PS, (30.48, 0.8628), (27.50, 0.7513), (26.90, 0.7101), (24.52, 0.7221)),
        recipes=("srcnn",),
    ),
    Published(
        "SRResNet",
        "standard",
        "later comparisons",
        _values(_PS, (32.05, 0.8910), (28.53, 0.7804), (27.57, 0.7354), (26.07, 0.7839)),
        flag="R",
        recipes=("srresnet-mse",),
    ),
    Published(
        "EDSR",
        "standard",
        _WANG,
        _values(_PS, (32.46, 0.8968), (28.80, 0.7876), (27.71, 0.7420), (26.64, 0.8033)),
    ),
    Published(
        "RRDB",
        "standard",
        _WANG,
        _values(_PS, (32.73, 0.9011), (28.99, 0.7917), (27.85, 0.7455), (27.03, 0.8153)),
        recipes=("rrdb-psnr",),
    ),
    # LPIPS v0.1 with AlexNet; PI = ½((10 − Ma) + NIQE).
    Published(
        "ESRGAN",
        "standard",
        _PERCEPTUAL,
        _values(_PERCEPTION, (3.75, 0.075, 30.45), (2.93, 0.133, 26.28), (2.48, 0.161, 25.32), (3.77, 0.123, 24.36)),
        flag="R",
        recipes=("esrgan",),
    ),
    # Not Ledig et al.'s network but a later one of its name, so it is no counterpart of any recipe: see SRGAN-VGG54 above.
    Published(
        "SRGAN, retrained by others",
        "standard",
        _PERCEPTUAL,
        _values(_PERCEPTION, (3.98, 0.088, 29.17), (3.09, 0.166, 26.17), (2.55, 0.198, 25.46), (3.70, 0.155, 24.40)),
        flag="R",
    ),
)


def published_set(name: str) -> str:
    """What papers call the set of this name, which may differ in case; of other sets the name itself."""
    return next((set for set in PICTURES if set.casefold() == name.casefold()), name)


def counterpart(recipe: str, protocol: str, scale: int) -> Published | None:
    """The published row of a recipe or interpolation, if there is one under this protocol."""
    for row in PUBLISHED:
        if recipe in row.recipes and (row.protocol, row.scale) == (protocol, scale):
            return row
    return None
