"""A method with weights, and the faces that it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from talkbench.benchmark.inspection.places import Point
from talkbench.core.images import to_uint8
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.mcnet.memory import Compensation, MemoryInside, MemoryMethod
from talkbench.reports.pages.inspection import enlarged

SIDE = 256  # pixels that an image is enlarged to at least, by a whole factor


@dataclass(frozen=True)
class Seen:
    """A face as a method sees it, and what happens inside.

    Attributes:
        source, driving: uint8 (S, S, 3).
        transferred: whether the motion was changed on its way from the driving frame.
        inside: what happens in the method, for this face alone.
        points: the places whose attention is drawn.
    """

    label: str
    source: np.ndarray
    driving: np.ndarray
    transferred: bool
    inside: Inside
    points: Sequence[Point] = ()

    @property
    def generated(self) -> np.ndarray:
        """The image that the method makes."""
        return first_image(self.inside.prediction)

    @property
    def compensations(self) -> Mapping[int, Compensation]:
        """By level, what the memory becomes for this face and how it is asked; the method must have a memory."""
        assert isinstance(self.inside, MemoryInside)
        return self.inside.compensations


@dataclass(frozen=True)
class ShownModel:
    """A method with weights and the faces that it saw; the `label` says which weights these are."""

    label: str
    method: Method[Any, Any]
    seen: Sequence[Seen] = ()

    @property
    def has_memory(self) -> bool:
        """Whether there is a memory of faces to look at."""
        return isinstance(self.method, MemoryMethod) and self.method.memory() is not None

    @property
    def memory(self) -> np.ndarray:
        """The memory of all faces, (C, m, m); there must be one."""
        assert isinstance(self.method, MemoryMethod)
        memory = self.method.memory()
        assert memory is not None
        return as_array(memory[0])


def as_array(values: Tensor) -> np.ndarray:
    """A tensor on any device as float32."""
    return np.asarray(values.detach().float().cpu().numpy())


def first_image(images: Tensor) -> np.ndarray:
    """The first of a batch of images as uint8 (H, W, 3)."""
    return np.asarray(to_uint8(images)[0])


def large(image: np.ndarray) -> np.ndarray:
    """An image enlarged by a whole factor to `SIDE` pixels or more."""
    return enlarged(image, -(-SIDE // len(image)))
