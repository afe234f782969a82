"""Measures of picture quality, each under a pinned protocol. NumPy in, numbers out; torch is loaded by what needs a network."""

from superfine.metrics.consistency import lr_consistency
from superfine.metrics.lpips import lpips
from superfine.metrics.measure import measure, score
from superfine.metrics.niqe import fit_niqe, niqe, perceptual_index
from superfine.metrics.pairs import Pair, pairs
from superfine.metrics.pristine import Pristine, read_pristine, write_pristine
from superfine.metrics.protocols import PROTOCOLS, Protocol
from superfine.metrics.psnr import luma, psnr
from superfine.metrics.registry import METRICS, Metric
from superfine.metrics.ssim import ms_ssim, ssim, ssim_daala
from superfine.metrics.vgg import vgg_distance

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "Metric",
    "Pair",
    "Pristine",
    "Protocol",
    "fit_niqe",
    "lpips",
    "lr_consistency",
    "luma",
    "measure",
    "ms_ssim",
    "niqe",
    "pairs",
    "perceptual_index",
    "psnr",
    "read_pristine",
    "score",
    "ssim",
    "ssim_daala",
    "vgg_distance",
    "write_pristine",
]
