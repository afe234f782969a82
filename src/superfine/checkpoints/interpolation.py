"""The dial as a file: a model folder between two others."""

from pathlib import Path

from superfine.checkpoints.made import End, check_alike, write_made
from superfine.errors import UserError
from superfine.modelfile import ModelFolder, lerp


def interpolate(
    a: tuple[Path, str | None],
    b: tuple[Path, str | None],
    alpha: float,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str | None = None,
) -> ModelFolder:
    """Write the network (1 − α)·A + α·B as a new model folder ``out`` of one variant.

    Source: Wang et al. 2018 (ESRGAN), §3.4, Eq. 4. A is the fidelity's network there, B the GAN's, trained on from A:
    between two networks that were trained apart the pictures turn dark (BasicSR's issue 149). The paper's α lies in [0,1];
    ESRGAN's script does not check it, but is used so, and beyond the ends it is no interpolation, so that is refused.

    Parameters
    ----------
    a, b
        A model folder and one of its variants; None for the dial's 0.
    alpha
        In [0,1].
    out
        Absent or empty.
    name, licence
        By default the folder's name, and the licence that both have, or both their licences.

    Raises
    ------
    UserError
        Two networks that differ, or are the same weights; α outside [0,1]; something at ``out``; and as
        :func:`~superfine.modelfile.open_model`.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"--alpha {alpha:g}: outside 0 to 1; give a number between")
    first, second = End(*a), End(*b)
    check_alike(first, second)
    if first.sha256 == second.sha256:
        raise UserError(
            f"{first} and {second}: the same weights; name two variants, such as {first.model.path}:texture"
        )
    weights = lerp(first.weights, second.weights, alpha)
    description = f"{1 - alpha:g} of {first.title} and {alpha:g} of {second.title}"
    training = {"interpolated": {"alpha": alpha, "a": first.facts(), "b": second.facts()}}
    return write_made(out, weights, (first, second), description, training, name, licence)
