"""Features of the Inception network that FID and KID compare."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import quantise
from talkbench.metrics.extractors import registry
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import isolated, read_state, refusal

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = "2048"
"""The library's name for the values after the last average pooling (docs/specs/evaluation.md 9: 2048 dimensions)."""

CHUNK = 32
"""Images that go through the network at once; about a GiB."""


@registry.register("inception-fid")
class InceptionFid(Extractor):
    """Features of a whole frame by the Inception network of 2015, through torch-fidelity: float32 (2048,).

    Frames of any size are stretched to 299x299 as TensorFlow 1 did it, which the weights and all published numbers
    assume. None: only for an image with values that are not finite.
    """

    name = "inception-fid"
    libraries = ("torch-fidelity",)
    weights = ("inception-fid",)

    @property
    def id(self) -> str:
        return self.identity(f"pool{FEATURES}")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        features: list[np.ndarray | None] = [None] * len(images)
        with isolated():
            finite = images.isfinite().flatten(1).all(1).nonzero().flatten()
            for indices in finite.split(CHUNK) if len(finite) else ():
                frames = quantise(images[indices].to(self.device)).mul(255).round().byte()
                (vectors,) = self._network(frames)
                for index, vector in zip(indices.tolist(), vectors.cpu().numpy(), strict=True):
                    features[index] = vector
        return features

    @cached_property
    def _network(self) -> Any:
        import torch

        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        what = "torch-fidelity's Inception network"
        file = io.BytesIO()  # the library would unpickle whatever the path holds: it gets the tensors alone
        torch.save(read_state("inception-fid", what), file)
        file.seek(0)
        try:
            network = FeatureExtractorInceptionV3("inception-v3-compat", [FEATURES], file)
        except RuntimeError as error:
            raise refusal("inception-fid", what, str(error).partition("\n")[2]) from error
        return network.to(self.device)
