"""A run's checkpoint: everything that the next step depends on, in one file that is written whole or not at all."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from superfine.errors import UserError
from superfine.files import whole_file

FILE = "checkpoint.pt"

Part = nn.Module | Optimizer | dict[str, Tensor]
"""What a checkpoint is made of: networks, optimisers, moving averages. Each is restored in place."""


def save(run: Path, step: int, parts: Mapping[str, Part], *, rollbacks: int = 0) -> None:
    """Write the state after ``step`` updates. The data order and the learning rate are functions of the step alone.

    Raises
    ------
    OSError
        It cannot be written; the former checkpoint is still there.
    """
    state = {name: part if isinstance(part, dict) else part.state_dict() for name, part in parts.items()}
    content = BytesIO()  # as torch hides why a file cannot be written
    torch.save(state | {"step": step, "rollbacks": rollbacks}, content)
    with whole_file(run / FILE) as file:
        file.write_bytes(content.getbuffer())


def load(run: Path, parts: Mapping[str, Part]) -> tuple[int, int]:
    """Restore the parts in place; returns the step and the rollbacks so far, (0, 0) where there is no checkpoint yet.

    Raises
    ------
    UserError
        The file is damaged or belongs to another network.
    """
    file = run / FILE
    if not file.exists():
        return 0, 0
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            if isinstance(part, dict):
                for key, value in part.items():
                    value.copy_(state[name][key])
            else:
                part.load_state_dict(state[name])
        return int(state["step"]), int(state["rollbacks"])
    except Exception as error:  # unpickling what is damaged may raise anything
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{file}: cannot be continued from ({cause}); delete it to start the run again") from error
