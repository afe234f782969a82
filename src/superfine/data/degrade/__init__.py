"""Degradations: how a low-resolution picture is made from a high-resolution one, in batches, on the device.

A degradation is a frozen dataclass of settings that is called with a batch. What it does is a pure function of (seed, step,
number of the sample in the whole batch), so it is the same after a resume and on any number of processes; on another kind of
device, the noise fields are others.

This package is the one part of :mod:`superfine.data` that imports torch.
"""

from superfine.data.degrade.arrays import Degradation, degraded
from superfine.data.degrade.classical import Classical
from superfine.data.degrade.everyday import Everyday
from superfine.data.degrade.photo import Pass, Photo

DEGRADATIONS: dict[str, Degradation] = {
    "bicubic": Classical(),
    "gaussian": Classical(sigma=0.4),
    "photo": Photo(),
    "everyday": Everyday(),
}

__all__ = ["DEGRADATIONS", "Classical", "Degradation", "Everyday", "Pass", "Photo", "degraded"]
