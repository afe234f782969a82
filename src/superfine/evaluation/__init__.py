"""Measuring models on benchmark sets."""

from superfine.evaluation.benchmark import STANDARD, evaluate
from superfine.evaluation.cache import Cache, cache_folder
from superfine.evaluation.methods import (
    INTERPOLATIONS,
    Interpolation,
    Method,
    Network,
    ReadyMade,
    common_scale,
    open_methods,
)
from superfine.evaluation.score import Evaluation, Score, read_evaluation
from superfine.evaluation.sets import BenchmarkSet, open_set, open_sets

__all__ = [
    "INTERPOLATIONS",
    "STANDARD",
    "BenchmarkSet",
    "Cache",
    "Evaluation",
    "Interpolation",
    "Method",
    "Network",
    "ReadyMade",
    "Score",
    "cache_folder",
    "common_scale",
    "evaluate",
    "open_methods",
    "open_set",
    "open_sets",
    "read_evaluation",
]
