"""The dial as a file: a model folder between two others."""

import os
from pathlib import Path
from typing import Any

from superfine.errors import UserError
from superfine.modelfile import GRAPH, Card, ModelFolder, Variant, lerp, open_model, write_model


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
    out = Path(out)
    if not 0 <= alpha <= 1:
        raise UserError(f"--alpha {alpha:g}: outside 0 to 1; give a number between")
    first, second = _End(*a), _End(*b)
    ours, theirs = first.network(), second.network()
    for part in {**ours, **theirs}:
        if ours.get(part) != theirs.get(part):
            raise UserError(
                f"{second}: {part} {theirs.get(part)}, {first} has {ours.get(part)}; only equal networks can be interpolated"
            )
    if first.sha256 == second.sha256:
        raise UserError(
            f"{first} and {second}: the same weights; name two variants, such as {first.model.path}:texture"
        )
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: there already; give a new folder")

    card = first.model.card
    # The graph names the file of A's first variant, so the weights take that place: no ONNX library is needed.
    place, there = next(iter(card.variants.items()))
    description = f"{1 - alpha:g} of {first.title} and {alpha:g} of {second.title}"
    training = {"interpolated": {"alpha": alpha, "a": first.facts(), "b": second.facts()}}
    a_halo, b_halo = card.halo, second.model.card.halo
    licences = dict.fromkeys((card.licence, second.model.card.licence))
    mixed = Card(
        name=name or out.resolve().name,
        architecture=card.architecture,
        config=card.config,
        scale=card.scale,
        radius=card.radius,
        halo=None if a_halo is None or b_halo is None else max(a_halo, b_halo),
        multiple=card.multiple,
        precision="f32" if "f32" in (card.precision, second.model.card.precision) else "auto",
        variants={place: Variant(there.file, description, training)},
        licence=licence or " and ".join(licences),
    )
    weights = lerp(first.model.weights(first.variant), second.model.weights(second.variant), alpha)
    return write_model(out, mixed, first.model.read(GRAPH), {place: weights})


class _End:
    """One of the two networks."""

    def __init__(self, path: Path, variant: str | None) -> None:
        self.model = open_model(path)
        variants = self.model.card.variants
        self.variant = variant or ("fidelity" if "fidelity" in variants else next(iter(variants)))
        if self.variant not in variants:
            raise UserError(f"{path}:{self.variant}: {path} has only {', '.join(variants)}; choose one of these")
        self.title = f"{self.model.card.name}, {self.variant}"
        self.sha256 = self.model.card.files[variants[self.variant].file]

    def __str__(self) -> str:
        return f"{self.model.path}:{self.variant}"

    def network(self) -> dict[str, Any]:
        card = self.model.card
        own = {"scale": card.scale, "radius": card.radius, "multiple": card.multiple}
        return {"architecture": card.architecture, **card.config, **own}

    def facts(self) -> dict[str, str]:
        card = self.model.card
        return {"name": card.name, "variant": self.variant, "sha256": self.sha256, "licence": card.licence}
