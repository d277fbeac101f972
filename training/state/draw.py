"""The random numbers of a training step."""

from __future__ import annotations

import torch
from torch import Tensor

from talkbench.core.images import send


class Draw:
    """Random numbers for the samples of a step. They depend on (seed, step) and a sample's place in the whole batch
    alone, not on the number of processes that share the batch.

    Args:
        total: number of samples in the whole batch.
        first, count: this process has `count` of them, from number `first` on.
        epoch: the epoch of the step, from 0.
    """

    def __init__(
        self, seed: int, step: int, total: int, first: int, count: int, device: torch.device, epoch: int
    ) -> None:
        self.epoch, self.device = epoch, device
        self._total, self._mine = total, slice(first, first + count)
        self._generator = torch.Generator().manual_seed((seed << 32) + step)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, (count, *shape)."""
        return send(torch.randn(self._total, *shape, generator=self._generator)[self._mine], self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), (count, *shape)."""
        return send(torch.rand(self._total, *shape, generator=self._generator)[self._mine], self.device)
