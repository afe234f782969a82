"""Measures of picture quality, each under a pinned protocol."""

from superfine.metrics.pairs import Pair, pairs
from superfine.metrics.protocols import PROTOCOLS, Protocol, score
from superfine.metrics.psnr import luma, psnr

__all__ = ["PROTOCOLS", "Pair", "Protocol", "luma", "pairs", "psnr", "score"]
