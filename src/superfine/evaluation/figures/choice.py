"""What figures need to know of methods and sets: the dial's positions, which metric is shown, which pictures are worth it."""

import math
import statistics
from collections.abc import Sequence

from superfine.evaluation.methods import INTERPOLATIONS
from superfine.evaluation.score import Evaluation, Score
from superfine.metrics import METRICS
from superfine.modelfile.dial import FAITHFUL, TEXTURED, position

PERCEPTUAL = ("lpips_alex", "lpips_vgg", "lpips_squeeze", "pi", "vgg_distance", "niqe")
"""Metrics of how natural a picture looks; of those measured, the first is drawn."""
FIDELITY = ("psnr_y", "psnr_rgb", "ssim_y", "ms_ssim_y")


def dial(method: str) -> tuple[str, float] | None:
    """Name and position of a point of a model's dial: ``NAME:0.6``, ``NAME:fidelity`` (0), ``NAME:texture`` (1).

    Of a pair of other variants, ``NAME:photo-0.6`` and ``NAME:photo-texture``, the name is ``NAME:photo``.
    """
    name, colon, text = method.rpartition(":")
    if not (colon and name):
        return None
    for value, end in enumerate((FAITHFUL, TEXTURED)):
        if text == end or text.endswith(f"-{end}"):
            return name + (colon + text.removesuffix(f"-{end}") if text != end else ""), float(value)
    place = position(text)
    if place is None or not 0 <= place[1] <= 1:
        return None
    return name + (colon + place[0].removesuffix("-") if place[0] else ""), place[1]


def curves(methods: Sequence[str]) -> dict[str, list[tuple[float, str]]]:
    """Of each model with several positions of its dial among ``methods``: (position, method), in order.

    The bare name is position 0.
    """
    found: dict[str, dict[float, str]] = {}
    for method in methods:
        if point := dial(method):
            found.setdefault(point[0], {}).setdefault(point[1], method)
    for name, points in found.items():
        if name in methods:
            points.setdefault(0.0, name)
    return {name: sorted(points.items()) for name, points in found.items() if len(points) > 1}


def measured(evaluation: Evaluation) -> tuple[str, ...]:
    """The metrics of any score, in the order they were asked for."""
    return tuple(dict.fromkeys(metric for score in evaluation.scores for metric in score.metrics))


def first_of(metrics: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of ``wanted`` that was measured."""
    return next((metric for metric in wanted if metric in metrics), None)


def shown_mean(score: Score, metric: str) -> float:
    """The mean; NaN where the metric was not measured, or no picture scored."""
    return score.mean(metric) if metric in score.metrics else math.nan


def axis_label(metric: str) -> str:
    """Such as ``PSNR-Y (dB), higher is better``."""
    known = METRICS[metric]
    unit = f" ({known.unit})" if known.unit else ""
    return f"{known.label}{unit}, {'higher' if known.higher_is_better else 'lower'} is better"


def telling_pictures(evaluation: Evaluation, set: str, count: int) -> list[str]:
    """The pictures of a set on which the methods' scores differ most, the most telling first; equals in order of names.

    How far they differ is the standard deviation of the first fidelity metric measured (else the first metric at all) over
    the methods; interpolations are left out of a picture that has finite values of at least two other methods. Only pictures
    that more than one method was scored on; if there is one method alone, pictures in order of names.
    """
    scores = [score for score in evaluation.scores if score.set == set]
    others = [score for score in scores if score.method not in INTERPOLATIONS]
    metric = first_of(measured(evaluation), (*FIDELITY, *measured(evaluation)))
    spreads = {}
    for name in sorted({name for score in scores for name in score.pictures}):
        finite = [
            [
                value
                for score in some
                if math.isfinite(value := score.pictures.get(name, {}).get(metric or "", math.nan))
            ]
            for some in (others, scores)
        ]
        values = finite[0] if len(finite[0]) > 1 else finite[1]
        if len(values) > 1:
            spreads[name] = statistics.pstdev(values)
        elif len(scores) == 1:
            spreads[name] = 0.0
    return sorted(spreads, key=lambda name: -spreads[name])[:count]
