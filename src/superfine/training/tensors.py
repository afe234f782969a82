"""From the bytes of a batch to what a network takes, and back."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(levels: Tensor, device: torch.device) -> Tensor:
    """N×H×W×C uint8 to N×C×H×W float32 in [0,1] on ``device``; its strides are channels_last without a copy."""
    return levels.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255.0)


def to_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """N×C×H×W in [0,1] to N×H×W×C uint8, rounded."""
    levels: NDArray[np.uint8] = (pictures.permute(0, 2, 3, 1) * 255.0).round().clamp(0, 255).byte().cpu().numpy()
    return levels
