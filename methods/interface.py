"""The interface of methods: four batched, pure steps from a source image and driving frames to a video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from talkbench.methods.inside import Inside

# absolute: the driver's motion as it is; relative: its change since a reference frame; avd: absolute, with
# the driver's shape removed by a network of the method (animation via disentanglement).
MOTIONS = ("absolute", "relative", "avd")

Source = TypeVar("Source", bound="Batch")
Motion = TypeVar("Motion", bound="Batch")


@dataclass(frozen=True)
class Batch:
    """A record of tensors that share their first dimension, the batch; fields may nest.

    Fields that are None stay None.
    """

    def __len__(self) -> int:
        first = getattr(self, fields(self)[0].name)
        return len(first[0] if isinstance(first, tuple) else first)

    def select(self, index: Tensor) -> Self:
        """The items at `index` (a long tensor), in that order; repeats are allowed."""
        return self._map(lambda value: value[index.to(value.device)])

    def expand(self, count: int) -> Self:
        """A batch of one seen as a batch of `count`, without a copy."""
        return self._map(lambda value: value.expand(count, *value.shape[1:]))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        def apply(value: Any) -> Any:
            if value is None:
                return None
            if isinstance(value, Batch):
                return value._map(function)
            if isinstance(value, tuple):
                return tuple(apply(item) for item in value)
            return function(value)

        return type(self)(**{field.name: apply(getattr(self, field.name)) for field in fields(self)})


class Method(ABC, Generic[Source, Motion]):
    """A talking-head method as the four steps that the harness calls.

    Images are float32 RGB (B, 3, H, W) in [0, 1] with H = W = `resolution`. What depends on the
    source image alone is computed once, in `encode_source`.

    Attributes:
        name: registered name, with its variant (``mcnet@demo``).
        version: raised whenever the images can change although weights and settings are the same.
        resolution: side of the square images it works on, in pixels; None if any will do.
        networks: the networks by their names in the authors' checkpoint; empty if there are none.
        optional: those of `networks` that a checkpoint may lack.
        checkpoint_sha256: hash of the loaded weights, None for the bare architecture.
        packed: those of `networks` whose convolutions are packed in the inference form, which pays where most norms are
            batch norms.
        plain: those of `networks` that stay as they are in the inference form, since their rounding shows in the image.
        ranked: False for a yardstick that sees the true image.
        motions: the `MOTIONS` that it supports.
        settings: further options that change the numbers; they are written into the run's record.
    """

    name: str
    version: int = 1
    resolution: int | None = None
    networks: dict[str, nn.Module]
    optional: tuple[str, ...] = ()
    checkpoint_sha256: str | None = None
    packed: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    ranked: bool = True
    motions: tuple[str, ...] = ("absolute", "relative")
    settings: dict[str, object]

    @abstractmethod
    def encode_source(self, images: Tensor) -> Source:
        """Everything that depends on the source images (B, 3, H, W) alone."""

    @abstractmethod
    def encode_motion(self, images: Tensor) -> Motion:
        """The motion description of driving (or reference) frames (B, 3, H, W)."""

    @abstractmethod
    def transfer(self, source: Source, driving: Motion, reference: Motion | None) -> Motion:
        """The motion to render: `driving` as it is (`reference` None: absolute motion), or its change
        since `reference` applied to the source (relative motion). All batches are equally long."""

    @abstractmethod
    def render(self, source: Source, motion: Motion) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of the sources moved by `motion`."""

    def inspect(self, images: Tensor, source: Source, motion: Motion) -> Inside:
        """The result of `render` together with its intermediate results; `images` are those of the sources."""
        return Inside(self.render(source, motion))

    def discriminator(self) -> nn.Module | None:
        """A fresh discriminator of the kind that the method is trained against, which its checkpoints hold as
        ``discriminator``; None if there is none."""
        return None

    def to(self, device: str | torch.device) -> Self:
        """Move every network to `device`."""
        for network in self.networks.values():
            network.to(device)
        return self
