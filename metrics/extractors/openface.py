"""Embedding of the whole frame by OpenFace's nn4.small2, as the published AED uses it
(docs/specs/evaluation.md 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize_weights
from talkbench.metrics.extractors import registry
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state

if TYPE_CHECKING:
    from torch import Tensor

    from talkbench.metrics.extractors.architectures.nn4_small2 import NN4Small2

SIZE = 96


def prepare(images: Tensor) -> Tensor:
    """The network's input for RGB images (B, 3, H, W) in [0, 1]: BGR float32 (B, 3, 96, 96).

    Resized as scikit-image 0.26 does by default (bilinear, smoothed along the sides that shrink), in float64.
    """
    import torch

    rows, columns = (
        torch.from_numpy(resize_weights(length, SIZE).toarray()).to(images.device) for length in images.shape[2:]
    )
    return (rows @ images.flip(1).double() @ columns.T).float()


@registry.register("openface-nn4")
class OpenFace(Extractor):
    """The embedding before its normalisation, float32 (128,), of the whole image, without detection or alignment.

    None: an image with values that are not finite.
    """

    name = "openface-nn4"
    libraries = ("scikit-image",)  # its versions resize differently
    weights = ("openface-nn4",)

    @property
    def id(self) -> str:
        return self.identity(f"whole-bgr{SIZE}-antialiased")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated():
            finite = images.isfinite().flatten(1).all(dim=1).cpu()
            embeddings, _ = self._network(prepare(images.to(self.device)))
            return [row.copy() if sound else None for row, sound in zip(embeddings.cpu().numpy(), finite, strict=True)]

    @cached_property
    def _network(self) -> NN4Small2:
        from talkbench.metrics.extractors.architectures.nn4_small2 import NN4Small2

        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        what = "OpenFace's nn4.small2"
        return fill(NN4Small2(), read_state(self.name, what), self.name, what).to(self.device)
