"""The learning rate as a pure function of the step, so that resuming has nothing to restore."""

from math import cos, pi

from superfine.training.recipes import Schedule


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """The rate of update ``step`` (from 0) of a run of ``steps`` updates."""
    warm = min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else 1.0
    if schedule.kind == "cosine":
        return schedule.rate * warm * 0.5 * (1.0 + cos(pi * step / steps))
    reached = sum(step >= milestone * steps for milestone in schedule.milestones)
    return schedule.rate * warm * schedule.factor**reached
