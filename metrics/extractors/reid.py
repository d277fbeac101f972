"""Features of a person's appearance by a re-identification network
(docs/specs/evaluation.md 3.6, ``aed@reid-resnet50``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import to_uint8
from talkbench.metrics.extractors import registry
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state

if TYPE_CHECKING:
    from torch import Tensor, nn

HEIGHT, WIDTH = 288, 144
"""Pixels to which images are scaled, bicubic (docs/specs/evaluation.md 3.6)."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colours."""

ON_GPU = 64
"""Images in one pass of the network on a GPU. On a CPU one at a time is as fast."""


@registry.register("reid-resnet50")
class ReidResnet50(Extractor):
    """Pooled features of a ResNet50 trained on Market-1501, not normalised: float32 (2048,).

    Images are divided by 255 twice before the colours are normalised, as the published script does it
    (docs/specs/evaluation.md 3.6): the network sees nearly the same values for every image. Features of images divided
    once would not give the published numbers. None only for an image with values that are not finite.
    """

    name = "reid-resnet50"
    libraries = ("torchvision",)
    weights = ("reid-resnet50",)
    subject = "body"

    @property
    def id(self) -> str:
        return self.identity(f"{HEIGHT}x{WIDTH}-pil-scaled-twice")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        import torch

        features: list[np.ndarray | None] = [None] * len(images)
        with isolated():
            sound = images.isfinite().flatten(1).all(1).nonzero().flatten()
            step = 1 if torch.device(self.device).type == "cpu" else ON_GPU
            for start in range(0, len(sound), step):
                numbers = sound[start : start + step]
                vectors = self._network(self._prepared(images[numbers])).cpu().numpy()
                for number, vector in zip(numbers.tolist(), vectors, strict=True):
                    features[number] = vector
        return features

    def _prepared(self, images: Tensor) -> Tensor:
        import torch
        from PIL import Image

        small = [
            np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
            for frame in to_uint8(images)
        ]
        scaled_twice = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).contiguous().float() / 255 / 255
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        return ((scaled_twice - mean) / deviation).to(self.device)

    @cached_property
    def _network(self) -> nn.Module:
        from torch import nn

        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from torchvision.models import resnet50

        what = "the re-identification ResNet50"
        state = read_state("reid-resnet50", what)
        classifiers = ("classifier.", "model.fc.")  # of the training's 751 people, and ImageNet's left in the file
        state = {key.removeprefix("model."): value for key, value in state.items() if not key.startswith(classifiers)}
        network: nn.Module = resnet50(weights=None)
        network.fc = nn.Identity()
        return fill(network, state, "reid-resnet50", what).to(self.device)
