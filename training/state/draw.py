"""The random numbers of a training step."""

from __future__ import annotations

import torch
from torch import Tensor


class Draw:
    """Random numbers for the samples of a step: functions of (seed, step) and of a sample's place in the whole batch
    alone, so that it does not matter how many processes share the batch.

    Args:
        total: samples of the whole batch; of them this process has `count`, beginning with number `first`.
        epoch: which the step belongs to, from 0.
    """

    def __init__(
        self, seed: int, step: int, total: int, first: int, count: int, device: torch.device, epoch: int
    ) -> None:
        self.epoch, self.device = epoch, device
        self._total, self._mine = total, slice(first, first + count)
        self._generator = torch.Generator().manual_seed((seed << 32) + step)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, (count, *shape)."""
        return torch.randn(self._total, *shape, generator=self._generator)[self._mine].to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), (count, *shape)."""
        return torch.rand(self._total, *shape, generator=self._generator)[self._mine].to(self.device)
