"""A graph must compute what its network computes: the difference is measured, and limited."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.files import scratch

TOLERANCE = 1e-3
"""What OpenVINO in float32 may differ from the network, on the [0,1] scale: a quarter of one step of eight bits."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps 1×3×H×W RGB in [0,1] to 1×3×sH×sW RGB."""


def agreement(files: Mapping[str, bytes], expected: Run) -> dict[str, float]:
    """Greatest difference, on the [0,1] scale, between OpenVINO running a graph and ``expected``, which is exact.

    Parameters
    ----------
    files
        By their plain names: the graph first, then what it names as its external data.

    Returns
    -------
    dict[str, float]
        By OpenVINO's precision: ``f32``, and the one it takes by itself on this processor, such as ``bf16``.

    Raises
    ------
    UserError
        More than :data:`TOLERANCE` in ``f32``, or not finite; no room for temporary files.
    """
    differences: dict[str, float] = {}
    with scratch() as directory:
        try:
            for name, data in files.items():
                (directory / name).write_bytes(data)
        except OSError as error:
            raise UserError(f"{directory}: {error.strerror}; free some space, or set TMPDIR elsewhere") from None
        graph = directory / next(iter(files))
        precisions = [by_openvino(graph, precision="f32"), by_openvino(graph, precision=None)]
        for picture in pictures():
            right = expected(picture)
            for precision, run in precisions:
                difference = float(np.abs(run(picture) - right).max())
                # The greater one; np.maximum keeps what is no number.
                differences[precision] = float(np.maximum(differences.get(precision, 0.0), difference))
    if not differences["f32"] <= TOLERANCE:
        raise UserError(
            f"weights: OpenVINO differs by {differences['f32']:.2g} from what the network computes, more than {TOLERANCE:g}; "
            "these weights cannot be used, look for exploded ones"
        )
    return differences


def by_openvino(graph: Path, *, precision: str | None) -> tuple[str, Run]:
    """OpenVINO on the CPU in a precision, None for its own choice; the precision it took, and the network."""
    from superfine.openvino_core import core

    settings = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    compiled = core().compile_model(core().read_model(graph), "CPU", settings)
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return taken, lambda picture: np.array(compiled(picture)[0])


def pictures() -> list[NDArray[np.float32]]:
    """Noise and something like a photograph (shading, an edge, a fine pattern), of odd and different sizes, 1×3×H×W."""
    noise = np.random.default_rng(0).random((1, 3, 29, 37), np.float32)
    y, x = np.mgrid[0:41, 0:53].astype(np.float32)
    shading = 0.2 + 0.01 * x + 0.005 * y
    shading[:, 30:] *= 0.4
    shading += 0.1 * np.sin(1.9 * x + 0.7 * y)
    tint = np.array([1.0, 0.8, 0.6], np.float32)[None, :, None, None]
    return [noise, np.clip(shading * tint, 0, 1).astype(np.float32)]
