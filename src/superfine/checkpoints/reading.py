"""A third party's file of weights, read without running anything that is in it."""

import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from superfine.errors import UserError

WRAPPERS = ("params_ema", "params-ema", "model_state_dict", "state_dict", "params", "model", "net")
"""Entries below which a checkpoint keeps its tensors; the first that is there counts, so an average goes before the rest."""

PREFIXES = ("module.", "_orig_mod.", "netG.")
"""What DataParallel, torch.compile and wrapping modules put before the name of every tensor."""

_COUNTER = "num_batches_tracked"
"""Batch norm counts its batches; nothing is computed from it."""


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one network, float32, as they are named in the file, without wrappers and prefixes."""

    file: Path
    sha256: str
    state: dict[str, Tensor]

    def convolution(self, key: str) -> tuple[int, int]:
        """The numbers of output and input channels of a convolution's weight.

        Raises
        ------
        UserError
            The tensor is missing or not a convolution's.
        """
        if key not in self.state:
            raise UserError(f"{self.file}: {key} is missing; the file is incomplete, get it again")
        shape = tuple(self.state[key].shape)
        if len(shape) != 4:
            raise UserError(f"{self.file}: {key} has the shape {shape}, which is no convolution's; get the file again")
        return shape[0], shape[1]

    def count(self, pattern: str) -> int:
        """How many different numbers the group of ``pattern`` has in the names of the tensors."""
        return len({match[1] for key in self.state if (match := re.match(pattern, key))})


def read_checkpoint(file: str | Path) -> Checkpoint:
    """Read PyTorch's files (zip and the older one) and safetensors, told apart by their content.

    Raises
    ------
    UserError
        Missing, empty, truncated; not a file of weights; one that runs code when it is loaded; one without tensors.
    """
    file = Path(file)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{file}: missing; give a file of weights, such as model.pth") from None
    except IsADirectoryError:
        raise UserError(f"{file}: a folder; give a file of weights, such as model.pth") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; give a file of weights, such as model.pth") from None
    content = _safetensors(data, file) if data[8:9] == b"{" else _torch(data, file)
    state = _without_prefixes(_tensors(content, file))
    return Checkpoint(file, hashlib.sha256(data).hexdigest(), {key: tensor.float() for key, tensor in state.items()})


def _safetensors(data: bytes, file: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise UserError(f"{file}: damaged or truncated ({error}); get the file again") from None


def _torch(data: bytes, file: Path) -> object:
    if not data.startswith((b"PK", b"\x80")):
        what = "empty" if not data else "a web page" if data.lstrip().startswith(b"<") else "not a file of weights"
        raise UserError(f"{file}: {what}; get the file again")
    try:
        with warnings.catch_warnings():
            # torch warns of pickles and TorchScript that it refuses a moment later.
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the bytes may be anything, and the unpickler fails on them in any way
        if match := re.search(r"nsupported (?:global: GLOBAL|GLOBAL|class) ([\w.]+)", str(error)):
            raise UserError(
                f"{file}: holds the Python object {match[1]}, and loading that would run code; "
                "save the state_dict alone where the file was made"
            ) from None
        if "TorchScript" in str(error):
            raise UserError(f"{file}: a TorchScript program; save the state_dict alone where it was made") from None
        raise UserError(f"{file}: damaged, truncated or not a file of weights; get the file again") from None


def _tensors(content: object, file: Path) -> dict[str, Tensor]:
    """The tensors below the wrappers."""
    while isinstance(content, Mapping) and (wrapper := next((w for w in WRAPPERS if w in content), None)):
        content = content[wrapper]
    entries: dict[Any, Any] = dict(content) if isinstance(content, Mapping) else {}
    others = [str(key) for key, value in entries.items() if not _plain(value)]
    state = {str(key): tensor for key, tensor in entries.items() if not str(key).endswith(_COUNTER)}
    if others or not state:
        holds = f" but {', '.join(others[:4])}" if others else ""
        raise UserError(f"{file}: holds no network's tensors{holds}; give a checkpoint with a state_dict")
    return state


def _plain(value: object) -> bool:
    """Whether a value is a tensor of ordinary numbers."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_complex() or value.is_quantized or value.is_meta)
    )


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None):
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state
