"""The folder on the disk: opened with every hash checked, written whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from superfine.errors import UserError
from superfine.files import alone, whole_file
from superfine.modelfile.card import GRAPH, Card
from superfine.modelfile.dial import mixture
from superfine.modelfile.weights import Weights, decode, encode, header, lerp

_CARD = "model.json"


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that :func:`open_model` has checked."""

    path: Path
    card: Card

    def read(self, name: str) -> bytes:
        """The bytes of one of the card's files, checked against its SHA-256.

        Raises
        ------
        UserError
            The file is missing, unreadable or does not have the SHA-256 that the card gives.
        """
        file = self.path / name
        with _explained(file):
            data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.card.files[name]:
            raise UserError(f"{file}: damaged (not the SHA-256 that model.json gives); copy the model again")
        return data

    def weights(self, variant: str) -> Weights:
        """The tensors of one variant, float16, by the name they have in the network and in the graph.

        Raises
        ------
        UserError
            Unknown variant; a file that is damaged.
        """
        if variant not in self.card.variants:
            raise UserError(
                f"dial {variant!r}: {self.path} has only {', '.join(self.card.variants)}; choose one of these"
            )
        name = self.card.variants[variant].file
        return decode(self.read(name), self.path / name)

    def dialled(self, dial: float | str) -> Weights:
        """The tensors for a position of the dial: a number, such as 0.4, ``photo-0.4``, or the name of a variant.

        Raises
        ------
        UserError
            As :func:`superfine.modelfile.dial.mixture`.
        """
        start, end, alpha = mixture(dial, self.card.variants, self.card.name)
        return lerp(self.weights(start), self.weights(end), alpha) if alpha else self.weights(start)

    def materialise(self, directory: Path, dial: float | str = 0.0) -> Path:
        """Write the graph with the weights for a position of the dial, for OpenVINO or ONNX Runtime to read.

        Parameters
        ----------
        directory
            Made if absent. The graph and one file of weights are written there.
        dial
            As in :meth:`dialled`.

        Returns
        -------
        Path
            The graph's.

        Raises
        ------
        UserError
            As :meth:`dialled`; the folder cannot be written.
        """
        weights = encode(self.dialled(dial))
        graph = self.read(GRAPH)
        first = next(iter(self.card.variants.values()))
        with _explained(directory):
            directory.mkdir(parents=True, exist_ok=True)
            for name, data in ((first.file, weights), (GRAPH, graph)):
                # Not flushed to the disk, which takes longer than all else here: it can be made again at any time.
                (directory / name).write_bytes(data)
        return directory / GRAPH


def open_model(path: str | Path) -> ModelFolder:
    """Open a model folder, checking its card, the SHA-256 of every file and the layout of the weights.

    Raises
    ------
    UserError
        Not a model folder, or one with a file missing, damaged, truncated or foreign; each message names the file.
    """
    path = Path(path)
    with _explained(path):
        _recognise(path)
    card_file = path / _CARD
    with _explained(card_file):
        data = card_file.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UserError(f"{card_file}: damaged, not text; copy the model again") from None
    folder = ModelFolder(path, Card.from_json(text, card_file))
    folder.read(GRAPH)
    headers = {}
    for variant in folder.card.variants.values():
        weights = folder.read(variant.file)
        decode(weights, path / variant.file)
        headers[variant.file] = header(weights)
    _same_layout(headers, path)
    return folder


def write_model(directory: str | Path, card: Card, graph: bytes, weights: Mapping[str, Weights]) -> ModelFolder:
    """Write a model folder whole or not at all, in place of a model that is there.

    The files are written to a folder beside it, which is renamed at the end. A model that is replaced is first moved
    aside, so between two renames nothing lies at ``directory``, but never half a model.

    Parameters
    ----------
    card
        Without ``files``: they are computed here.
    graph
        The ONNX graph, with external data as :func:`superfine.modelfile.offsets` says in the first variant's file.
    weights
        The tensors of each of the card's variants, all with the same names and shapes.

    Raises
    ------
    UserError
        ``directory`` is there and is not a model folder, or holds files that are no part of the model; variants of
        different layout; the disk's errors.
    """
    directory = Path(directory).resolve()
    if list(weights) != list(card.variants):
        raise ValueError(f"weights of {list(weights)} for the variants {list(card.variants)}")
    contents = {GRAPH: graph} | {card.variants[name].file: encode(tensors) for name, tensors in weights.items()}
    _same_layout({name: header(data) for name, data in contents.items() if name != GRAPH}, directory)
    card = replace(card, files={name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
    text = card.to_json()
    Card.from_json(text, directory / _CARD)
    _replaceable(directory)

    part, old = (directory.with_name(f".{directory.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    with _explained(directory, writing=True):
        try:
            part.mkdir(parents=True)
            for name, data in (contents | {_CARD: text.encode()}).items():
                with whole_file(part / name) as file:
                    file.write_bytes(data)
            if directory.exists():
                directory.rename(old)
            try:
                part.rename(directory)
            except BaseException:  # Ctrl-C too
                if old.exists():
                    old.rename(directory)
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if directory.exists():
                shutil.rmtree(old, ignore_errors=True)
    return ModelFolder(directory, card)


def record(path: str | Path, variant: str, measured: Sequence[Mapping[str, Any]]) -> ModelFolder:
    """Write measured numbers into a variant's card; ``model.json`` is rewritten whole, the other files stay.

    Parameters
    ----------
    measured
        Entries with at least ``set`` and ``protocol``. What is there for the same set, of as many ``pictures``, and protocol
        stays, but for the values that are given anew.

    Raises
    ------
    UserError
        Unknown variant; an entry without set or protocol, or with a number that is not finite; the disk's errors, and
        those of :func:`open_model`.
    """
    path = Path(path)
    open_model(path)
    with _explained(path), alone(path, wait=True):
        return _recorded(open_model(path), variant, measured)


def _recorded(folder: ModelFolder, variant: str, measured: Sequence[Mapping[str, Any]]) -> ModelFolder:
    file = folder.path / _CARD
    if variant not in folder.card.variants:
        raise UserError(f"{file}: no variant {variant!r}; choose one of {', '.join(folder.card.variants)}")
    for entry in measured:
        if not {"set", "protocol"} <= set(entry):
            raise UserError(
                f"{file}: a measured number needs `set` and `protocol`, this has {', '.join(entry)}; add them"
            )
    entries = {(entry["set"], entry["protocol"]): dict(entry) for entry in folder.card.variants[variant].measured}
    for entry in measured:
        place = entry["set"], entry["protocol"]
        known = entries.get(place, {})
        entries[place] = (known if known.get("pictures") == entry.get("pictures") else {}) | dict(entry)
    changed = replace(folder.card.variants[variant], measured=list(entries.values()))
    card = replace(folder.card, variants=folder.card.variants | {variant: changed})
    try:
        text = card.to_json()
    except ValueError:
        raise UserError(f"{file}: a measured number is not finite; measure again") from None
    with _explained(file), whole_file(file) as part:
        part.write_text(text, encoding="utf-8")
    return ModelFolder(folder.path, card)


_FOREIGN = {
    ".pth": "a PyTorch checkpoint",
    ".pt": "a PyTorch checkpoint",
    ".ckpt": "a checkpoint",
    ".onnx": "an ONNX graph",
    ".safetensors": "a file of weights",
    ".json": "a single file",
}


def _recognise(path: Path) -> None:
    """Raise a UserError that says what ``path`` is, unless it is a folder with a card."""
    way_out = "give a folder that holds model.json"
    if not path.exists():
        raise UserError(
            f"{path}: no such model; give a folder that holds model.json, or a name that `superfine models` lists"
        )
    if not path.is_dir():
        what = _FOREIGN.get(path.suffix.lower(), "a file")
        if (path.parent / _CARD).is_file():
            way_out = f"give the folder {path.parent}"
        elif path.suffix.lower() in (".pth", ".pt", ".ckpt", ".safetensors"):
            way_out = f"make one of it with `superfine models import {path} -o FOLDER`"
        raise UserError(f"{path}: {what}, not a model folder; {way_out}")
    if (path / _CARD).exists():
        return
    if (path / "run.json").exists():
        raise UserError(
            f"{path}: a training run, not a model; publish it with `superfine models publish {path} -o FOLDER`"
        )
    raise UserError(f"{path / _CARD}: missing, so this is not a model folder; {way_out}")


def _same_layout(headers: Mapping[str, bytes], folder: Path) -> None:
    first, *others = headers
    for name in others:
        if headers[name] != headers[first]:
            raise UserError(
                f"{folder / name}: tensors laid out unlike those of {first}; publish both from the same network"
            )


def _replaceable(directory: Path) -> None:
    """Raise a UserError unless nothing would be lost by replacing ``directory``: absent, empty, or just a model."""
    with _explained(directory):
        if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
            return
        there = open_model(directory)
        extra = sorted({file.name for file in directory.iterdir()} - {_CARD, *there.card.files})
    if extra:
        raise UserError(f"{directory / extra[0]}: no part of the model that would be replaced; move it away first")


@contextmanager
def _explained(file: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn the disk's errors into one line for the user."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not writing:
            raise UserError(f"{file}: missing; copy the model again") from None
        reason = error.strerror or str(error)
        raise UserError(f"{file}: {reason}; check the permissions and the free space") from None
