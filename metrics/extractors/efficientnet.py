"""Features of EfficientNet-Lite0, trained on ImageNet (docs/specs/registry-models.md 1, 3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import at_size
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state

if TYPE_CHECKING:
    from torch import Tensor

    from talkbench.metrics.extractors.architectures.efficientnet_lite import EfficientNetLite0

SIZE = 224
MEAN, DEVIATION = 127, 128
"""What the network's input is made of: values in 0..255, minus the one, over the other."""

ON_GPU = 64
"""Images in one pass of the network on a GPU. On a CPU one at a time stays in the cache."""


@registry.register("efficientnet-lite0")
class EfficientNet(Extractor):
    """Features of a whole frame by EfficientNet-Lite0, the mean over positions of what its classifier takes: float32
    (1280,).

    Frames of any size are stretched to 224x224, bilinearly with antialiasing. None: only for an image with values that
    are not finite.
    """

    name = "efficientnet-lite0"
    weights = ("efficientnet-lite0",)

    @property
    def id(self) -> str:
        return self.identity(f"size{SIZE}-mean{MEAN}-deviation{DEVIATION}")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        import torch

        features: list[np.ndarray | None] = [None] * len(images)
        with isolated():
            sound = images.isfinite().flatten(1).all(1).nonzero().flatten()
            step = 1 if torch.device(self.device).type == "cpu" else ON_GPU
            for start in range(0, len(sound), step):
                numbers = sound[start : start + step]
                frames = at_size(images[numbers].to(self.device), SIZE)
                vectors = self._network((frames * 255 - MEAN) / DEVIATION).cpu().numpy()
                for number, vector in zip(numbers.tolist(), vectors, strict=True):
                    features[number] = vector
        return features

    @cached_property
    def _network(self) -> EfficientNetLite0:
        from talkbench.metrics.extractors.architectures.efficientnet_lite import EfficientNetLite0

        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        what = "EfficientNet-Lite0"
        return fill(EfficientNetLite0(), read_state(self.name, what), self.name, what).to(self.device)
