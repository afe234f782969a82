"""One run on several processes: each takes its part of every batch, and all take the same step.

The same command runs under ``torchrun``; without it there is one process and nothing here does anything. Semantics are
those of the global batch: the gradients are averaged over the processes, so any number of them trains what one trains.
Batch norm is the exception on a CPU, where torch cannot share its statistics: each process norms its own part.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from superfine.errors import UserError


@dataclass(frozen=True)
class World:
    """The processes of a run, seen from one of them."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    @property
    def agree_every(self) -> int:
        """Steps after which the processes ask each other whether to stop.

        Soon, as torchrun kills what has not ended half a minute after it was told to. On GPUs seldom, as each time they are
        waited for.
        """
        return 20 if self.size > 1 and self.device.type == "cuda" else 1

    def part(self, batch: int) -> slice:
        """This process's crops of a batch.

        Raises
        ------
        UserError
            The batch cannot be divided evenly, so that a mean over processes would not be the mean over crops.
        """
        if batch % self.size:
            raise UserError(
                f"--batch {batch}: cannot be divided over {self.size} processes; give a multiple of {self.size}"
            )
        share = batch // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def gather(self, value: Tensor) -> Tensor:
        """The rows of all processes, in their order; gradients come back scaled so that averaging them gives the sum's.

        A loss of all rows, computed alike in every process, then trains as it does in one process.
        """
        if self.size == 1:
            return value
        gathered: Tensor = _Gather.apply(value, self.rank, self.size)  # type: ignore[no-untyped-call]
        return gathered

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes."""
        if self.size > 1:
            dist.all_reduce(value)
            value = value / self.size
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is raised in any process; all of them must ask."""
        if self.size == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(raised)
        return raised.item() > 0

    def same_everywhere(self, network: nn.Module) -> nn.Module:
        """Let batch norm see the statistics of the whole batch, where torch can (CUDA)."""
        if self.size > 1 and self.device.type == "cuda":
            converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return converted
        return network

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, rank: int, size: int) -> Tensor:
        ctx.rows, ctx.size = slice(rank * len(value), (rank + 1) * len(value)), size
        pieces = [torch.empty_like(value) for _ in range(size)]
        dist.all_gather(pieces, value.contiguous())
        return torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.rows] * ctx.size, None, None


@contextmanager
def join(device: str) -> Iterator[World]:
    """Join the processes that ``torchrun`` started, or be alone; gloo on a CPU, NCCL on CUDA.

    ``device`` is "auto" (CUDA, else MPS, else the CPU) or a torch device; with several processes on CUDA each takes its own.
    Inside another ``join`` that one's group is used: a second group may find the addresses of the first one.

    Raises
    ------
    UserError
        A device that this machine does not have.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = _device(device)
    if size == 1:
        yield World(0, 1, chosen)
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    if dist.is_initialized():
        yield World(dist.get_rank(), size, chosen)
        return
    # Imported later, as torch's optimisers do, it keeps the group as its functions' default beyond its end, and gloo's threads
    # with it, under which the interpreter then goes away: now and then the process was aborted when all was done.
    from torch.distributed.nn import functional  # noqa: F401

    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), size, chosen)
    finally:
        dist.destroy_process_group()


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise UserError(f"--device {name}: cannot be used ({cause}); leave the option out, or give cpu") from error
    return device
