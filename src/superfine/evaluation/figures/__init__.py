"""Figures of an evaluation: comparison sheets and charts, as PNG and PDF."""

from superfine.evaluation.figures.draw import Planned, draw_all, planned

__all__ = ["Planned", "draw_all", "planned"]
