"""Validation on the toy data: methods that need no training, and landmarks that need no model file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_training import SIZE, Toy, tiny

from talkbench.metrics.interface import Extractor, Metric, extractor_registry, registry
from talkbench.training.config import TrainConfig
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer, TrainProgress
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.validation import scores
from talkbench.training.validation.validation import Validation
from talkbench.training.world import World

CLIPS = {"a": list(range(20)), "b": list(range(3, 23))}
CPU = torch.device("cpu")


class Green(Extractor):
    """The mean red of an image, as a point; images that are not green show no face: those of the toy's clip a."""

    name = "green"
    id = "green"

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        red, green, _ = images.mean((2, 3)).T
        return [
            np.array([[256 * x, 0]]) if y > 0.3 else None for x, y in zip(red.tolist(), green.tolist(), strict=True)
        ]


class Distance(Metric[np.ndarray]):
    name = "akd@green"
    direction = "lower"
    range = (0.0, 256.0)
    decimals = 3
    extractor = "green"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.abs(generated - target).sum((1, 2))


class Missing(Distance):
    name = "missing-face-rate@green"
    needs_truth = False
    missing_generated = 1.0

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.zeros(len(generated))


def install(patch: pytest.MonkeyPatch) -> None:
    """Let the landmark distance of validation be that of `Green`."""
    registry.names()  # which loads them
    extractor_registry.names()
    patch.setitem(extractor_registry._factories, "green", Green)
    patch.setitem(registry._factories, "akd@green", Distance)
    patch.setitem(registry._factories, "missing-face-rate@green", Missing)
    patch.setattr(scores, "MOTION", {"akd@green": "missing-face-rate@green"})


class Drawing:
    """A method that draws the share `share` of the driving frame over the source, all of it as bright as `light`."""

    name = "drawing"

    def __init__(self, share: float, light: float = 1.0) -> None:
        self.share, self.light = share, light

    def encode_source(self, images: Tensor) -> Tensor:
        return images

    encode_motion = encode_source

    def transfer(self, source: Tensor, driving: Tensor, reference: object) -> Tensor:
        return driving

    def render(self, source: Tensor, motion: Tensor) -> Tensor:
        return self.light * torch.lerp(source, motion, self.share)


def config(**changes: object) -> TrainConfig:
    usual = {"epochs": 3, "repeats": 2, "batch_size": 2, "jitter": 0.0, "validation": 6, "sampling": "clip"}
    return TrainConfig(method="mcnet@demo", dataset="toy", **{**usual, **changes})


def validation(clips: dict[str, list[int]] = CLIPS, **changes: object) -> Validation:
    return Validation(FramePairs(Toy(clips), config(**changes), SIZE), CPU)


def trainer(folder: Path, said: list[str] | None = None, **changes: object) -> Trainer:
    torch.manual_seed(0)
    progress, chosen = TrainProgress(), config(**changes)
    progress.say = (said if said is not None else []).append
    pairs = FramePairs(Toy(CLIPS), chosen, SIZE)
    return Trainer(tiny(), chosen, pairs, folder, MultiScaleL1(), World(CPU), LoopOptions(), progress)
