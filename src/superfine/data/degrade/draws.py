"""The random numbers of a degradation: a pure function of (seed, step, number of the sample in the whole batch).

The same generator as for the batches (Philox4x64-10, raw words only), under another key, so that the two have nothing in
common. Every sample has a stream of its own, and every parameter its place in it. So a sample is degraded in the same way
whatever process it is on, and whatever the other samples are.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

STREAM = int.from_bytes(b"degrade", "little")
"""The second word of Philox's key; that of the batches is 0."""

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class Draws:
    """Numbers for some samples of batch ``step``, one per sample at a time, always in the order they are asked for."""

    def __init__(self, *, seed: int, step: int, samples: range, words: int, stream: int = STREAM) -> None:
        """
        Parameters
        ----------
        seed, step : 0 … 2⁶⁴−1.
        samples : their numbers in the batch of all processes.
        words : how many numbers a sample has.
        stream : the second word of the key; degradations of different ones have nothing in common.
        """
        key = np.array([seed, stream], np.uint64)
        self._words = np.empty((len(samples), words), np.uint64)
        for row, n in zip(self._words, samples, strict=True):
            row[:] = np.random.Philox(key=key, counter=[0, n, 0, step]).random_raw(words)
        self._next = 0

    def words(self) -> NDArray[np.uint64]:
        """64 random bits for every sample."""
        assert self._next < self._words.shape[1], "more numbers are drawn than were made"
        self._next += 1
        return self._words[:, self._next - 1]

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Doubles:
        """Uniform in [low, high), float64."""
        return low + (high - low) * (self.words() >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integer(self, low: int, high: int) -> Integers:
        """Uniform among the integers low … high, both included."""
        return np.floor(self.uniform(low, high + 1)).astype(np.int64)

    def choice(self, weights: tuple[float, ...]) -> Integers:
        """An index, with probabilities proportional to the weights."""
        ends = np.cumsum(weights)
        return np.searchsorted(ends[:-1] / ends[-1], self.uniform(), side="right").astype(np.int64)


def field_generator(word: int, device: torch.device) -> torch.Generator:
    """The generator of one sample's noise field. The numbers depend on the kind of device, as all of torch's do."""
    return torch.Generator(device).manual_seed(word >> 1)


def numbers(part: slice, count: int) -> range:
    """The numbers in the whole batch of the ``count`` samples that are its ``part``."""
    start, step = part.start or 0, part.step or 1
    assert start >= 0, f"{part} does not count from the start of the batch"
    return range(start, start + count * step, step)
