"""A network becomes a variant of a model folder, checked before it appears."""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superfine import networks
from superfine.checkpoints.agreement import agreement
from superfine.checkpoints.fit import check_fit
from superfine.checkpoints.graph import export_graph
from superfine.checkpoints.halo import LARGE, measure_halo
from superfine.errors import UserError
from superfine.files import alone
from superfine.modelfile import (
    GRAPH,
    Card,
    ModelFolder,
    Variant,
    Weights,
    encode,
    half,
    offsets,
    open_model,
    write_model,
)
from superfine.modelfile.dial import mixture, position
from superfine.networks.fold import fold


def write_variant(
    out: str | Path,
    network: nn.Module,
    *,
    architecture: str,
    name: str | None,
    variant: str,
    description: str,
    licence: str | None,
    training: Mapping[str, Any],
    dial: str | None = None,
) -> ModelFolder:
    """Write a network as a variant of the model folder ``out``: a new one, or one of the same network.

    Batch norm is folded, the weights are rounded to float16. Before anything is written to ``out``, OpenVINO runs the
    folder's graph and must agree with torch to
    :data:`~superfine.checkpoints.agreement.TOLERANCE` in float32; the differences go into the card. Of a network of a large
    radius the halo is measured (:mod:`superfine.checkpoints.halo`), for RRDB with 23 blocks in about a minute.

    Parameters
    ----------
    out
        Absent, empty, or a model folder, in which the variant is added or replaced.
    network
        With its weights. It offers what :class:`superfine.networks.Network` lists; ``config`` only where
        ``architecture`` is one of :data:`superfine.networks.NETWORKS`; ``multiple`` if it puts pixels together in cells,
        and ``precision`` if it loses in half precision.
    name, licence
        Of the whole model. None for those that are there, else the folder's name and ``unstated``.
    variant
        ``fidelity`` for the dial's 0, ``texture`` for its 1, or another name.
    training
        Where the weights come from, for the card.
    dial
        Where the model's dial stands from now on; None for where it stood.

    Raises
    ------
    UserError
        A variant's name that is not plain; a folder that is no model, or one of another network, or that another process
        has changed meanwhile; weights that OpenVINO and torch do not agree about.
    """
    out = Path(out)
    if not re.fullmatch("[a-z0-9][a-z0-9_-]*", variant):
        raise UserError(f"variant {variant!r}: not a plain name; use small letters, digits and hyphens")
    if position(variant) is not None:
        raise UserError(f"variant {variant!r}: the dial would read a number; choose another name")
    folded = fold(network)
    facts = cast(networks.Network, folded)
    config = networks.hyper_parameters(folded) if architecture in networks.NETWORKS else {}
    weights = half({key: value.numpy() for key, value in folded.state_dict().items()})
    folded.load_state_dict({key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()})

    before = _there(out)
    if before is not None:
        _same_network(before, architecture, config)
    variants = before.card.variants if before else {}
    order = sorted({**variants, variant: None}, key=lambda key: key != "fidelity")
    if dial is None:
        dial = before.card.dial if before else "0"
    mixture(dial, order, str(out))
    entry = Variant(f"{variant}.safetensors", description, dict(training))
    first = entry.file if order[0] == variant else variants[order[0]].file
    graph = export_graph(folded, first, offsets(weights))
    differs = _agreement(folded, graph, first, weights)
    entry = replace(entry, training=entry.training | {"openvino_differs_by": differs})

    variants = variants | {variant: entry}
    others = {key: before.weights(key) for key in before.card.variants} if before else {}
    tensors = others | {variant: weights}
    if facts.radius > LARGE:
        variants = {key: _with_halo(variants[key], folded, tensors[key], out) for key in order}
    # One card for all: the variant that needs the most decides.
    halo = max((entry.training["halo"]["pixels"] for entry in variants.values() if facts.radius > LARGE), default=None)
    card = Card(
        name=name or (before.card.name if before else out.resolve().name),
        architecture=architecture,
        config=config,
        scale=facts.scale,
        radius=facts.radius,
        halo=halo,
        multiple=getattr(folded, "multiple", 1),
        precision=getattr(folded, "precision", "auto"),
        dial=dial,
        variants={key: variants[key] for key in order},
        licence=licence or (before.card.licence if before else "unstated"),
    )
    contents = {key: tensors[key] for key in order}
    with alone(out, wait=True) if before else nullcontext():
        now = _there(out)
        if (now and now.card) != (before and before.card):
            raise UserError(f"{out}: was changed by another process meanwhile; run the command again")
        return write_model(out, card, graph, contents)


def _with_halo(entry: Variant, network: nn.Module, weights: Weights, folder: Path) -> Variant:
    """The entry with its measured halo; one that was there already may have none."""
    if "halo" in entry.training:
        return entry
    state = {key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()}
    check_fit(network.state_dict(), state, folder / entry.file, way_out="give another folder")
    network.load_state_dict(state)
    return replace(entry, training=entry.training | {"halo": measure_halo(network).entry()})


def _there(out: Path) -> ModelFolder | None:
    """The model that lies at ``out``; None where nothing does or an empty folder."""
    try:
        empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}; give another folder") from None
    return None if empty else open_model(out)


def _same_network(there: ModelFolder, architecture: str, config: Mapping[str, Any]) -> None:
    """Raise a UserError unless a variant of this network can join the model."""
    way_out = "give another folder"
    if there.card.architecture != architecture:
        raise UserError(f"{there.path}: holds {there.card.architecture}, this is {architecture}; {way_out}")
    for key in config:
        if there.card.config.get(key) != config[key]:
            values = f"{key} {there.card.config.get(key)}, this has {config[key]}"
            raise UserError(f"{there.path}: holds {architecture} with {values}; {way_out}")


def _agreement(network: nn.Module, graph: bytes, location: str, weights: Weights) -> dict[str, float]:
    """What OpenVINO running the files differs by from torch in float32, as :func:`agreement` says."""

    def by_torch(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            result: NDArray[np.float32] = network(torch.from_numpy(picture)).numpy()
        return result

    return agreement({GRAPH: graph, location: encode(weights)}, by_torch)
