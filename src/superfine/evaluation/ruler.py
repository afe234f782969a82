"""What is measured of every picture, and how: metrics, protocol and the files of their networks."""

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.evaluation.cache import Entry, key, library_versions
from superfine.evaluation.sets import sha256
from superfine.images import in_unit
from superfine.metrics import METRICS, PROTOCOLS, Pair, measure, read_pristine
from superfine.metrics.pairs import searched

SIDE = 128
"""Of the picture on which networks are tried, in pixels."""


class Ruler:
    """Metrics under a protocol.

    Parameters
    ----------
    metrics, protocol
        Keys of ``superfine.metrics.METRICS`` and ``PROTOCOLS``.
    weights
        By metric, a file or folder to take a network's weights or NIQE's model from.
    device
        Torch's name of where the networks of metrics run.

    Raises
    ------
    UserError
        Unknown metric or protocol, a package that a metric needs is missing, weights for a metric that is not measured or has
        none, or that cannot be read.
    """

    def __init__(
        self, metrics: Sequence[str], protocol: str, weights: Mapping[str, Path] | None = None, device: str = "cpu"
    ) -> None:
        self.metrics, self.protocol = tuple(dict.fromkeys(metrics)), protocol
        self.weights, self.device = dict(weights or {}), device
        if protocol not in PROTOCOLS:
            raise UserError(f"protocol {protocol}: unknown; choose one of {', '.join(PROTOCOLS)}")
        if not metrics:
            raise UserError(f"metrics: none given; choose among {', '.join(METRICS)}")
        for name in metrics:
            if name not in METRICS:
                raise UserError(f"metric {name}: unknown; choose among {', '.join(METRICS)}")
            if "ma" in METRICS[name].needs:
                raise UserError(
                    f"metric {name}: is made of NIQE and the scores of Ma et al.; give these with --ma FILE"
                )
            if "torch" in METRICS[name].needs and find_spec("torch") is None:
                raise UserError(f"metric {name}: needs torch, which is not installed; pip install 'superfine[train]'")
        for name in self.weights:
            if name not in metrics:
                raise UserError(f"weights of {name}: it is not measured; add it to the metrics, or leave them out")
            if name != "niqe" and not METRICS[name].needs:
                raise UserError(f"weights of {name}: it has none; leave them out")
        # Values by other weights are other values, and those of a network may be on another device or by another version.
        self._kept_as = {name: name for name in self.metrics}
        for name in self.metrics:
            if name in self.weights:
                self._kept_as[name] += f" {_hash(self.weights[name])}"
            if "torch" in METRICS[name].needs:
                self._kept_as[name] += f" {device} {library_versions()}"

    @property
    def needs_networks(self) -> bool:
        """Whether a metric loads weights or a model that may be missing."""
        return "niqe" in self.weights or any(METRICS[name].needs for name in self.metrics)

    def missing(self, entry: Entry) -> list[str]:
        """The metrics that an entry of the cache lacks."""
        return [name for name in self.metrics if self._kept_as[name] not in entry.values]

    def values(self, entry: Entry) -> dict[str, float]:
        """The metrics of a complete entry, by name."""
        return {name: entry.values[self._kept_as[name]] for name in self.metrics}

    def try_networks(self) -> None:
        """Load the networks of metrics and NIQE's model, so that what they lack is told once, and not of every picture.

        Raises
        ------
        UserError
            Weights that are missing, damaged, or cannot be fetched.
        """
        if "niqe" in self.weights:
            read_pristine(self.weights["niqe"])
        if names := [name for name in self.metrics if METRICS[name].needs]:
            noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            self._measure(names, in_unit(noise), Pair("noise", noise, in_unit(noise), grey=False), scale=1)

    def measure(self, entry: Entry, result: NDArray[Any], pair: Pair, *, scale: int) -> dict[str, float]:
        """The values that ``entry`` lacks, as it keeps them.

        Raises
        ------
        UserError
            As :func:`superfine.metrics.measure`; a value that is no number.
        """
        values = self._measure(self.missing(entry), result, pair, scale=scale)
        if undefined := [METRICS[name].label for name, value in values.items() if math.isnan(value)]:
            raise UserError(f"{', '.join(undefined)} has no value for this picture; leave it out")
        return {self._kept_as[name]: value for name, value in values.items()}

    def _measure(self, names: Sequence[str], result: NDArray[Any], pair: Pair, *, scale: int) -> dict[str, float]:
        return measure(
            result,
            pair.hr,
            pair.lr,
            metrics=names,
            protocol=self.protocol,
            scale=scale,
            grey=pair.grey,
            weights=self.weights,
            device=self.device,
        )


def _hash(path: Path) -> str:
    """Of a file, or of the files in a folder."""
    with searched(path):
        if not path.exists():
            raise UserError(f"{path}: does not exist; give a file or folder of weights")
        files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return key(**{file.name: sha256(file) for file in files})
