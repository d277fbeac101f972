"""Validation after every epoch of training, on fixed pairs that training never sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from talkbench import metrics
from talkbench.core.files import atomic_path
from talkbench.core.images import quantise, to_uint8
from talkbench.datasets import Frame
from talkbench.methods.interface import Method
from talkbench.training.data.pairs import FramePairs

METRICS = ("l1", "psnr")
SHOWN = 4
BATCH = 8


class Validation:
    """Renders the validation pairs, absolute motion, and compares them with their driving frames.

    Args:
        pairs: the training data, which holds out the validation pairs.
        say: see `FramePairs.validation`.
    """

    def __init__(self, pairs: FramePairs, device: torch.device, say: Callable[[str], None]) -> None:
        self._frames = pairs.validation(say)
        self._pairs, self._device = pairs, device
        self._metrics = [metrics.create(name) for name in METRICS]

    def __bool__(self) -> bool:
        return bool(self._frames)

    @torch.no_grad()
    def run(self, method: Method, picture: Path) -> dict[str, float]:
        """The mean of each metric by its name; draws the first few pairs into `picture`."""
        values: dict[str, list[np.ndarray]] = {metric.name: [] for metric in self._metrics}
        strips: list[np.ndarray] = []
        for start in range(0, len(self._frames), BATCH):
            chosen = self._frames[start : start + BATCH]
            source, driving = (self._images([pair[side] for pair in chosen]) for side in (0, 1))
            encoded = method.encode_source(source)
            motion = method.transfer(encoded, method.encode_motion(driving), None)
            generated = quantise(method.render(encoded, motion))
            for metric in self._metrics:
                values[metric.name].append(np.asarray(metric.compare(generated, driving)))
            strips += list(to_uint8(torch.cat([source, driving, generated, 1 - (generated - driving).abs()], dim=3)))
        _write(strips[:SHOWN], picture)
        return {name: float(np.concatenate(batches).mean()) for name, batches in values.items()}

    def _images(self, frames: Sequence[Frame]) -> Tensor:
        return self._pairs.images(frames).to(self._device).float() / 255


def _write(rows: Sequence[np.ndarray], path: Path) -> None:
    """Rows of source, driving frame, result and error map (white: none) as a PNG."""
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, "PNG")
