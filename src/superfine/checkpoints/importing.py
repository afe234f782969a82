"""A third party's checkpoint becomes a model folder that computes the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from superfine import networks
from superfine.checkpoints import foreign
from superfine.checkpoints.fit import check_fit
from superfine.checkpoints.layouts import Layout, detect
from superfine.checkpoints.reading import Checkpoint, read_checkpoint
from superfine.checkpoints.variant import write_variant
from superfine.errors import UserError
from superfine.modelfile import ModelFolder

T = TypeVar("T")

_HALF_MAX = torch.finfo(torch.float16).max


def import_checkpoint(
    file: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    variant: str = "fidelity",
    description: str = "",
    licence: str | None = None,
    dial: str | None = None,
) -> ModelFolder:
    """Write a third party's weights as a variant of the model folder ``out``: a new one, or one of the same network.

    The architecture is recognised by the names of the tensors (:mod:`superfine.checkpoints.layouts`), its
    hyper-parameters by their shapes; then all must fit exactly. What superfine does not know is shown to spandrel, where
    that is installed. Written as :func:`~superfine.checkpoints.variant.write_variant` does.

    Parameters
    ----------
    file
        A PyTorch checkpoint or a safetensors file. Nothing in it is run.
    out, name, variant, licence, dial
        As for :func:`~superfine.checkpoints.publish.publish`.

    Raises
    ------
    UserError
        As :func:`read_checkpoint`; an unknown layout, or one that no network of ours computes; tensors that are missing,
        too many, of another shape or not finite in float16; and as :func:`write_variant`.
    """
    checkpoint = read_checkpoint(file)
    for key, tensor in checkpoint.state.items():
        if not (tensor.abs() <= _HALF_MAX).all():
            raise UserError(f"{file}: {key} holds values that are not finite in float16; look for exploded weights")
    layout = detect(checkpoint)
    if layout:
        architecture, network = layout.architecture, _network(checkpoint, layout)
    else:
        architecture, network = foreign.by_spandrel(checkpoint)
    source = {
        "file": checkpoint.file.name,
        "sha256": checkpoint.sha256,
        "layout": layout.name if layout else architecture,
    }
    return write_variant(
        out,
        network,
        architecture=architecture,
        name=name,
        variant=variant,
        description=description,
        licence=licence,
        training={"imported": source},
        dial=dial,
    )


def _network(checkpoint: Checkpoint, layout: Layout) -> nn.Module:
    """The network that a checkpoint describes, with its weights."""
    config = layout.config(checkpoint)
    try:
        network = networks.build(layout.architecture, config)
    except UserError as error:
        raise UserError(f"{checkpoint.file}: {layout.name}, but {error}") from None
    there = network.state_dict()
    ours = {key: tensor for key, tensor in there.items() if not key.endswith("num_batches_tracked")}
    implied = _expanded(layout.implied, config)
    modules = _expanded(layout.modules or {}, config)
    names = {key: _theirs(key, modules) for key in ours if key not in implied}
    given = dict(checkpoint.state)
    for name, module in network.named_modules():
        theirs = names.get(f"{name}.weight", "")
        if isinstance(module, nn.PReLU) and theirs in given and given[theirs].numel() == 1:
            # One slope for all channels: the same network with as many equal ones.
            given[theirs] = given[theirs].reshape(1).repeat(module.num_parameters)
    wanted = {names[key]: ours[key] for key in names}
    check_fit(wanted, given, checkpoint.file, way_out=f"damaged, or not the network that it resembles: {layout.name}")
    state = {key: given[theirs] for key, theirs in names.items()}
    state |= {key: torch.full_like(ours[key], implied[key]) for key in ours if key in implied}
    if layout.unit_range:
        # y = (2y − 1)/2 + 1/2, so the last layer gives 2Wx + 2b − 1.
        state["last.weight"] = 2 * state["last.weight"]
        state["last.bias"] = 2 * state["last.bias"] - 1
    network.load_state_dict(there | state, strict=True)
    return network.eval()


def _expanded(table: Mapping[str, T], config: Mapping[str, Any]) -> dict[str, T]:
    """A table's rows with ``{i}`` written out for each block, and ``{n}`` for their number."""
    blocks = config["blocks"] if table else 0

    def written(text: Any, i: int) -> Any:
        return text.replace("{i}", str(i)).replace("{n}", str(blocks)) if isinstance(text, str) else text

    return {written(key, i): written(value, i) for i in range(blocks) for key, value in table.items()}


def _theirs(key: str, modules: Mapping[str, str]) -> str:
    """Their name for one of our tensors."""
    module, _, tensor = key.rpartition(".")
    return f"{modules.get(module, module)}.{tensor}"
