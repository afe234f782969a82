"""The weights that a run starts from: those of another run, or of a published model; and its discriminator, another run's."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from superfine import modelfile
from superfine.errors import UserError
from superfine.training import checkpoint

WEIGHTS = "weights.safetensors"
"""The result of a finished run, in its folder."""
TOLD = ("name", "steps", "seed", "command")
"""What a record says of the run whose discriminator it began with."""


def initialise(network: nn.Module, architecture: str, source: Path) -> dict[str, Any]:
    """Load the weights of ``source`` (a finished run, or a model folder's ``fidelity``) into ``network``.

    Returns what is to be told of them in the new run's record: the SHA-256 of the tensors, and how they were trained.

    Raises
    ------
    UserError
        It is neither, not finished, of another architecture or of another size.
    """
    source = Path(source)
    if (source / "run.json").is_file():
        record, state = _from_run(source)
        found = record["architecture"]
        trained = {key: value for key, value in record.items() if key not in ("finished", "validation")}
    elif (source / "model.json").is_file():
        folder = modelfile.open_model(source)
        found = folder.card.architecture
        variant = next(iter(folder.card.variants))
        trained = folder.card.variants[variant].training
        state = {key: torch.from_numpy(value.astype(np.float32)) for key, value in folder.weights(variant).items()}
    else:
        raise UserError(f"--init {source}: is neither a run nor a model folder; give the folder of one")
    if found != architecture:
        raise UserError(
            f"--init {source}: is a {found}, the recipe trains a {architecture}; give one of that architecture"
        )
    wanted = network.state_dict()
    differing = sorted(key for key in {*wanted, *state} if _shape(wanted, key) != _shape(state, key))
    if differing:
        raise UserError(
            f"--init {source}: is a {found} of another size or form ({differing[0]}: {_shape(state, differing[0])} instead of "
            f"{_shape(wanted, differing[0])}); give the same network settings, and of networks with batch norm the run"
        )
    network.load_state_dict(state)
    return {"sha256": digest(network), "training": trained}


def initialise_discriminator(discriminator: nn.Module, settings: dict[str, Any], source: Path) -> dict[str, Any]:
    """Load the discriminator of the run ``source``, finished or not, into ``discriminator``.

    Only its weights: its optimiser begins anew, as the generator's does. Returns what is to be told of them in the new run's
    record: the SHA-256 of the tensors, and the run's name, steps, seed and command.

    Parameters
    ----------
    settings
        ``discriminator``'s name and configuration, as a run's record has them.

    Raises
    ------
    UserError
        No run with a checkpoint; one without a discriminator, or with another.
    """
    option = f"--init-discriminator {source}"
    try:
        record = json.loads((source / "run.json").read_text(encoding="utf-8"))
        found = record["recipe"].get("discriminator")
        told = {key: record[key] for key in TOLD}
    except FileNotFoundError:
        raise UserError(f"{option}: is no run; give the folder of one") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{option}: is damaged ({error!r}); give another run") from None
    if not found:
        raise UserError(f"{option}: trained no discriminator; give the run of a GAN")
    if found != settings:
        raise UserError(f"{option}: its discriminator is {found}, the recipe's {settings}; give the same settings")
    if not (source / checkpoint.FILE).is_file():
        raise UserError(f"{option}: holds no {checkpoint.FILE}, where the discriminator is; give another run")
    try:
        checkpoint.load(source, {"discriminator": discriminator})
    except UserError as error:
        raise UserError(f"{option}: its {checkpoint.FILE} is damaged; give another run") from error
    return {"sha256": digest(discriminator), **told}


def is_of(told: dict[str, Any], source: Path) -> bool:
    """Whether what :func:`initialise_discriminator` returned is told of the run ``source``, at this step of it or another."""
    try:
        record = json.loads((source / "run.json").read_text(encoding="utf-8"))
        return all(record[key] == told[key] for key in TOLD)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def seen_before(record: dict[str, Any]) -> bool:
    """Whether a run that the run of ``record`` starts from, at any remove, was given crops of the same pack, seed and side.

    Those are the same crops, in the same order, as far as the shorter of both goes, and the smaller batch of each step
    (:class:`superfine.data.Batches`).
    """
    return any(_crops(earlier) == _crops(record) for earlier in modelfile.trainings(record.get("start")))


def digest(network: nn.Module) -> str:
    """SHA-256 of a network's tensors, in their order."""
    found = hashlib.sha256()
    for value in network.state_dict().values():
        found.update(value.cpu().numpy().tobytes())
    return found.hexdigest()


def _crops(record: dict[str, Any]) -> tuple[Any, ...]:
    """What decides which crops a run sees."""
    return record["data"].get("sha256"), record.get("seed"), record["recipe"].get("patch")


def _from_run(run: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    file = run / WEIGHTS
    try:
        record: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
        if not isinstance(record, dict) or "architecture" not in record:
            raise UserError(f"--init {run}: its run.json names no architecture; give another run")
        return record, load_file(file)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"--init {run}: holds no weights; let it reach its last step, or give another run") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"--init {run}: is damaged ({error}); give another run") from None


def _shape(state: dict[str, Any], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None
