"""The geometric self-ensemble: the mean of what a network makes of a picture turned and mirrored in all eight ways.

Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution" (EDSR), §3.4, whose "EDSR+" it is; before
it Timofte et al. 2016, "Seven Ways to Improve Example-Based Single Image Super Resolution". Eight times the work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from superfine.engine.backends import Backend, sound


class SelfEnsemble:
    """A backend that runs another one on the eight symmetries of each window, and averages what it undoes them of.

    A window brings its halo along, so tiles fit together as those of the network alone do.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.callers, self.name, self.device = backend.callers, backend.name, backend.device
        self.precision, self.area = backend.precision, backend.area

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`superfine.engine.backends.Backend`."""
        upright = self._mirrored(windows)
        upright += self._mirrored(windows.swapaxes(1, 2)).swapaxes(1, 2)
        return np.divide(upright, 8, out=upright)

    def _mirrored(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sum over the four ways of mirroring; not finite where one of them overflowed, which a mean would hide."""
        total: NDArray[np.float32] | None = None
        for down in (1, -1):
            for across in (1, -1):
                result = self._backend.run(np.ascontiguousarray(windows[:, ::down, ::across]))[:, ::down, ::across]
                total = result.copy() if total is None else np.add(total, result, out=total)
                if not sound(result):
                    total.fill(np.nan)
        assert total is not None, "there are four"
        return total

    def in_float32(self) -> SelfEnsemble:
        """See :class:`superfine.engine.backends.Backend`."""
        return SelfEnsemble(self._backend.in_float32())
