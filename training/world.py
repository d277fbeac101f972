"""The processes that train together: one, or as many as ``torchrun`` has started."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from talkbench.core.errors import TalkbenchError

MEETING = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class World:
    """This process among those that train together.

    Attributes:
        rank, size: the number of this process, and how many there are.
        device: the device that it computes on.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.size > 1:
            distributed.all_reduce(values)
            values /= self.size
        return values

    def largest(self, value: int) -> int:
        """The largest `value` of all processes."""
        if self.size == 1:
            return value
        values = torch.tensor(value, device=self.device)
        distributed.all_reduce(values, distributed.ReduceOp.MAX)
        return int(values)

    def share(self, value: Any) -> Any:
        """The `value` of the main process."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, device=self.device)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """The `value` of each process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Connect the processes that ``torchrun`` has started, each on its own GPU if `device` is CUDA.

    A TalkbenchError of the block that several processes raise is marked as told in all but the first of them.

    Raises:
        TalkbenchError: environment variables that ``torchrun`` sets are missing or invalid.
    """
    size = _size()
    if size == 1:
        yield World(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(device, distributed.get_rank(), size)
        distributed.barrier()  # nobody leaves while others still talk to it
    except TalkbenchError as error:
        error.told = _told(str(error))
        raise
    finally:
        gc.collect()  # what still refers to the group would take its threads along when the interpreter ends
        distributed.destroy_process_group()


def _told(message: str) -> bool:
    """Whether another process has ended with the same message."""
    try:
        store = distributed.distributed_c10d._get_default_store()
        return bool(store.add(f"told: {message}", 1) > 1)
    except RuntimeError:  # the process that holds what they share has ended
        return False


def _size() -> int:
    size = os.environ.get("WORLD_SIZE", "1")
    if not size.isdecimal() or int(size) < 1:
        raise TalkbenchError(f"WORLD_SIZE={size} is no number of processes; unset it, or start them with torchrun")
    lacking = [name for name in MEETING if name not in os.environ]
    if int(size) > 1 and lacking:
        raise TalkbenchError(f"WORLD_SIZE={size}, but no {lacking[0]}; unset it, or start the processes with torchrun")
    return int(size)
