"""Measuring models on benchmark sets."""

from superfine.evaluation.benchmark import INTERPOLATIONS, Interpolation, Score, evaluate
from superfine.evaluation.table import table

__all__ = ["INTERPOLATIONS", "Interpolation", "Score", "evaluate", "table"]
