"""From a finished training run to a model folder, checked before it appears."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from superfine import networks
from superfine.checkpoints.fit import check_fit
from superfine.checkpoints.variant import write_variant
from superfine.errors import UserError
from superfine.modelfile import ModelFolder

_TRAINING = {"name": str, "recipe": dict, "command": str, "seed": int, "steps": int, "data": dict, "versions": dict}
"""What of the run's record goes into the card."""

_OPTIONAL = ("start", "discriminator_start", "features", "teacher", "threads")
"""What of it goes there too, where it is: the weights it started from with how they were trained, the SHA-256 of the feature
weights, the teacher, and the threads it had."""

_RUN = {"architecture": str, "config": dict, **_TRAINING}


@dataclass(frozen=True)
class Run:
    """A finished run: its record and its network, in evaluation mode with the weights loaded."""

    record: dict[str, Any]
    network: nn.Module


def publish(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    variant: str = "fidelity",
    description: str = "",
    licence: str | None = None,
    dial: str | None = None,
) -> ModelFolder:
    """Write a run's weights as a variant of the model folder ``out``: a new one, or one of the same network.

    As :func:`~superfine.checkpoints.variant.write_variant`: batch norm folded, in float16, checked before it appears.

    Parameters
    ----------
    run
        Folder with ``run.json`` and ``weights.safetensors``.
    out
        Absent, empty, or a model folder, in which the variant is added or replaced.
    name, licence
        Of the whole model. By default those that are there, else the folder's name and ``unstated``.
    variant
        ``fidelity`` for the dial's 0, ``texture`` for its 1, or another name.
    dial
        Where the model's dial stands for those who do not turn it; where it stood, if left out.

    Raises
    ------
    UserError
        A run that is not finished, damaged or does not fit its network; a folder that is no model, or one of another
        network; weights that OpenVINO and torch do not agree about.
    """
    loaded = read_run(Path(run))
    return write_variant(
        out,
        loaded.network,
        architecture=loaded.record["architecture"],
        name=name,
        variant=variant,
        description=description,
        licence=licence,
        dial=dial,
        training={key: loaded.record[key] for key in _TRAINING}
        | {key: loaded.record[key] for key in _OPTIONAL if loaded.record.get(key)},
    )


def read_run(folder: Path) -> Run:
    """Read a finished run; the weights must fit the network exactly.

    Raises
    ------
    UserError
        As :func:`publish`.
    """
    record = _record(folder / "run.json")
    network = networks.build(record["architecture"], record["config"])
    file = folder / "weights.safetensors"
    try:
        state = safetensors.torch.load(_read(file))
    except SafetensorError as error:
        raise UserError(f"{file}: damaged or truncated ({error}); copy the run again") from None
    check_fit(network.state_dict(), state, file, way_out="the weights do not belong to run.json")
    network.load_state_dict(state, strict=True)
    return Run(record, network.eval())


def _record(file: Path) -> dict[str, Any]:
    """The record of a finished run, held to its keys."""
    try:
        record = json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{file}: damaged, not JSON ({error}); copy the run again") from None
    if not isinstance(record, dict):
        raise UserError(f"{file}: not the record of a training run; give the folder of a finished training run")
    for key, kind in _RUN.items():
        if not isinstance(record.get(key), kind):
            raise UserError(f"{file}: `{key}` is missing or of the wrong kind; train again with this superfine")
    if record.get("finished") is not True:
        raise UserError(f"{file}: the run is not finished; run its command again, which goes on where it stopped")
    return record


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{file}: missing; give the folder of a finished training run") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; give the folder of a finished training run") from None
