"""A GAN's textures on a network that has learnt on: what the one learnt is added to what the other did."""

from pathlib import Path

import numpy as np

from superfine.checkpoints.made import End, check_alike, write_made
from superfine.modelfile import ModelFolder, half


def carry(
    texture: tuple[Path, str | None],
    origin: tuple[Path, str | None],
    target: tuple[Path, str | None],
    out: str | Path,
    *,
    name: str | None = None,
    licence: str | None = None,
) -> ModelFolder:
    """Write the network ``target`` + (``texture`` − ``origin``) as a new model folder ``out`` of one variant.

    Source: Ilharco et al. 2023, "Editing Models with Task Arithmetic", §2: what fine-tuning changed in one network is added to
    another. Here ``texture`` is a GAN that began with the weights of ``origin``, a PSNR network, and ``target`` is that network
    after further training. So the textures need not be trained anew, and the dial between ``target`` and the result goes
    through the same difference of weights as before. Computed in float32, stored in float16.

    Parameters
    ----------
    texture, origin, target
        A model folder and one of its variants; None for the dial's 0.
    out
        Absent or empty.
    name, licence
        By default the folder's name, and the licences of all three.

    Raises
    ------
    UserError
        Networks that differ; weights that float16 does not hold; something at ``out``; and as
        :func:`~superfine.modelfile.open_model`.
    """
    ends = gan, before, after = End(*texture), End(*origin), End(*target)
    check_alike(after, gan, before)
    learnt, begun = gan.weights, before.weights
    weights = half(
        {key: values + (learnt[key].astype(np.float32) - begun[key]) for key, values in after.weights.items()}
    )
    description = f"{after.title}, with what {gan.title} learnt from {before.title}"
    training = {"carried": {kind: end.facts() for kind, end in zip(("texture", "origin", "target"), ends, strict=True)}}
    return write_made(out, weights, (after, gan, before), description, training, name, licence)
