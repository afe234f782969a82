"""The run folder: what a training run is, kept beside its checkpoint, so that the same command goes on with it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import nn

from superfine.data import Pack
from superfine.errors import UserError
from superfine.files import alone, is_part, whole_file
from superfine.networks import name_of
from superfine.training.checkpoint import FILE as CHECKPOINT
from superfine.training.recipes import AdversarialRecipe, PixelRecipe
from superfine.training.start import WEIGHTS, digest
from superfine.version import __version__

FILE = "run.json"
IDENTITY = (
    "name",
    "architecture",
    "config",
    "recipe",
    "seed",
    "start",
    "discriminator_start",
    "steps",
    "features",
    "teacher",
)
KINDS: dict[str, Any] = {"recipe": dict, "data": dict, "finished": bool, "validation": (dict, NoneType)}


class Run:
    """One run folder; ``description`` is the content of its ``run.json``."""

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        self.path = path
        self.description = description

    @classmethod
    def start(cls, path: Path, description: dict[str, Any], defaults: dict[str, Any], *, write: bool = True) -> Run:
        """Open the run folder ``path``, or make it; with ``write`` False, only look (for all processes but one).

        A run that began before a setting existed had its default, which is in ``defaults`` (:func:`defaults_of`).

        Raises
        ------
        UserError
            A run with other settings or other data is there, or one whose weights are gone; the folder holds other things,
            has a name that is no text, or cannot be written.
        """
        path = Path(path)
        if str(path).encode(errors="ignore").decode() != str(path):
            raise UserError(
                f"{path}: is no text, as the names of TensorBoard's folders must be; name another folder with -o"
            )
        file = path / FILE
        # Through JSON and back, so that tuples compare equal to the lists that are read.
        description = json.loads(json.dumps(description)) | {"finished": False, "validation": None}
        try:
            if file.exists():
                found = json.loads(file.read_text(encoding="utf-8"))
                if not isinstance(found, dict) or not all(isinstance(found.get(key), KINDS[key]) for key in KINDS):
                    raise UserError(f"{file}: is damaged (no record of a run); name a new folder with -o")
                cls._compare(path, found, description, json.loads(json.dumps(defaults)))
                if found["finished"] and not (path / WEIGHTS).is_file():
                    if not (path / CHECKPOINT).is_file():
                        raise UserError(f"{path}: is finished, but its {WEIGHTS} is gone; name a new folder with -o")
                    found["finished"] = False  # the checkpoint of its last step has them
                return cls(path, found)
            if write and path.exists() and any(not is_part(entry.name) for entry in path.iterdir()):
                raise UserError(f"{path}: is a folder with other things in it; name a new one with -o")
            run = cls(path, description)
            if write:
                path.mkdir(parents=True, exist_ok=True)
                run._write()
            return run
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{file}: is damaged ({error}); name a new folder with -o") from error
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); name another folder with -o") from error

    @staticmethod
    def _compare(path: Path, found: dict[str, Any], wanted: dict[str, Any], defaults: dict[str, Any]) -> None:
        # Nor were the features always recorded.
        there = {"features": wanted["features"]} | found
        differing = [
            key for key in IDENTITY if _completed(there.get(key), wanted[key], defaults.get(key)) != wanted[key]
        ]
        if found["data"].get("sha256") != wanted["data"]["sha256"]:
            differing.append("data")
        if differing:
            raise UserError(
                f"{path}: holds a run with another {', '.join(differing)}; name a new folder with -o, "
                f"or give the settings it was started with"
            )

    @property
    def finished(self) -> bool:
        return bool(self.description["finished"])

    @property
    def validation(self) -> dict[str, Any] | None:
        """The latest measurement on the validation folder, and the best ones."""
        value: dict[str, Any] | None = self.description.get("validation")
        return value

    @contextmanager
    def alone(self) -> Iterator[None]:
        """In the block no other process trains in this folder, and what a killed attempt left half written is gone.

        Raises
        ------
        UserError
            Another one does already.
        """
        with alone(self.path) as ours:
            if not ours:
                raise UserError(f"{self.path}: another process trains there; wait for it, or name a new folder with -o")
            for stale in self.path.glob(".*.part"):
                stale.unlink(missing_ok=True)
            yield

    def best(self, kind: str) -> Path:
        """The file of the weights that were the best so far on the validation folder, by "psnr" or "perceptual"."""
        return self.path / f"best-{kind}.safetensors"

    def note_validation(self, name: str, step: int, psnr_y: float, perceptual: float | None) -> list[str]:
        """Note a measurement on the set ``name``; returns which of "psnr" and "perceptual" are the best so far on it."""
        before = self.validation or {}
        best = dict(before.get("best", {})) if before.get("set") == name else {}
        found = []
        for kind, value, sign in (("psnr", psnr_y, 1), ("perceptual", perceptual, -1)):
            if value is None or not math.isfinite(value):
                continue
            # At the same step: a measurement made again, by an attempt that goes on from before it.
            if kind not in best or step == best[kind]["step"] or sign * value > sign * best[kind]["value"]:
                best[kind] = {"value": round(value, 5), "step": step}
                found.append(kind)
        measured = round(psnr_y, 4) if math.isfinite(psnr_y) else None
        self.description["validation"] = {"set": name, "psnr_y": measured, "step": step, "best": best}
        self._write()
        return found

    def forget_validations(self, step: int) -> None:
        """Drop what was measured behind ``step``, to which the run went back, and the weights that were the best there.

        It will pass there with other ones.
        """
        if found := self.validation:
            best = found.get("best", {})
            for kind in [kind for kind in best if best[kind]["step"] > step]:
                self.best(kind).unlink(missing_ok=True)
                del best[kind]
            if (found["step"] or 0) > step:
                found |= {"psnr_y": None, "step": None}
            self._write()

    def finish(self) -> None:
        """Say that the last step is done and the weights are written."""
        self.description["finished"] = True
        self._write()

    def _write(self) -> None:
        with whole_file(self.path / FILE) as part:
            part.write_text(json.dumps(self.description, indent=1) + "\n", encoding="utf-8")


def _completed(found: Any, wanted: Any, defaults: Any) -> Any:
    """``found`` with the keys of ``wanted``, at all depths, and the defaults of those that it lacks."""
    if not (isinstance(found, dict) and isinstance(wanted, dict) and isinstance(defaults, dict)):
        return found
    return {key: _completed(found.get(key, defaults.get(key)), wanted[key], defaults.get(key)) for key in wanted}


def defaults_of(recipe: PixelRecipe) -> dict[str, Any]:
    """The defaults of a recipe's settings, arranged as in :func:`describe`."""
    settings = _defaults(recipe)
    return {"config": settings.pop("network"), "recipe": settings}


def _defaults(settings: Any) -> dict[str, Any]:
    values = ((entry, getattr(settings, entry.name)) for entry in fields(settings))
    return {
        entry.name: _defaults(value) if is_dataclass(value) else entry.default
        for entry, value in values
        if is_dataclass(value) or entry.default is not MISSING
    }


def start_of(path: Path, kind: str) -> dict[str, Any] | None:
    """What the run in folder ``path`` started from, as its record has it, if there is a checkpoint to go on from: the weights
    (``start``) or the discriminator's (``discriminator_start``)."""
    try:
        record = json.loads((path / FILE).read_text(encoding="utf-8"))
        start: dict[str, Any] | None = record[kind] if (path / CHECKPOINT).is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return start


def describe(
    name: str,
    recipe: PixelRecipe,
    pack: Pack,
    seed: int,
    command: str,
    start: dict[str, Any] | None,
    features: nn.Module | None = None,
    teacher: Pack | None = None,
) -> dict[str, Any]:
    """What ``run.json`` says of a run from its start: all that is needed to run it again.

    ``start`` tells of the weights that it starts from (:func:`superfine.training.start.initialise`), None for fresh ones;
    ``features`` is what the content loss looks at, ``teacher`` the pack of a teacher's results.
    """
    settings = asdict(recipe)
    if isinstance(recipe, AdversarialRecipe):
        settings["discriminator"] = {"name": name_of(recipe.discriminator), **settings["discriminator"]}
    return {
        "name": name,
        "architecture": recipe.architecture,
        "config": settings.pop("network"),
        "recipe": settings,
        "seed": seed,
        "start": start,
        "discriminator_start": None,
        "features": None if features is None else digest(features),
        "teacher": None if teacher is None else {"pack": teacher.sha256} | (teacher.teacher or {}),
        "steps": recipe.steps,
        "data": {
            "name": pack.path.name.removesuffix(".pack"),
            "sha256": pack.sha256,
            "pictures": len(pack),
            "megapixels": round(pack.megapixels, 1),
        },
        "command": command,
        "versions": {
            "superfine": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "threads": torch.get_num_threads(),
    }
