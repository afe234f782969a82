"""The report: one HTML file with the tables, the figures and the pictures of an evaluation, which opens offline."""

from superfine.evaluation.report.page import report

__all__ = ["report"]
