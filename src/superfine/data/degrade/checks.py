"""What every degradation asks of its input."""

import torch
from torch import Tensor


def checked(hr: Tensor, scale: int) -> None:
    """Refuse what is no batch of RGB pictures whose sides are multiples of ``scale``.

    Raises
    ------
    ValueError
    """
    if hr.ndim != 4 or hr.shape[1] != 3 or hr.dtype != torch.float32:
        raise ValueError(f"a degradation takes float32 N×3×H×W, not {hr.dtype} {tuple(hr.shape)}")
    if not hr.shape[2] or not hr.shape[3] or hr.shape[2] % scale or hr.shape[3] % scale:
        raise ValueError(f"pictures of {hr.shape[2]}×{hr.shape[3]} pixels cannot be made exactly {scale} times smaller")
