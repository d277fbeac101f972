"""What the models of faces share: the frame they look at, and embeddings of the face that MTCNN finds in it."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import quantise
from talkbench.metrics.extractors import registry
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import isolated

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger(__name__)

SIZE = 256
"""Side of the frames in whose pixels positions of faces are given."""


def at_size(images: Tensor, size: int = SIZE) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] as float32 (B, 3, size, size), contiguous, with the 256 levels of an 8-bit file.

    Those of another size are scaled bilinearly with antialiasing.

    Raises:
        TalkbenchError: they are no batch of RGB images, or of whole numbers.
    """
    from torch.nn import functional

    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        shape = "x".join(map(str, images.shape))
        raise TalkbenchError(
            f"extractors take RGB images as floats in [0, 1], Bx3xHxW, not {shape} of {images.dtype}; read files with "
            "talkbench.core.images.read_image, and convert with to_tensor"
        )
    images = images.float()
    if images.shape[-2:] != (size, size):
        images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return quantise(images).contiguous()


def choose(boxes: np.ndarray, scores: np.ndarray) -> int:
    """The index of the face that is measured: the one with the largest box, of equal boxes the one with the higher
    score (docs/specs/evaluation.md 3.8).

    The authors' code takes the face with the highest score; the log says where that is another one.

    Args:
        boxes: left, top, right, bottom: (N, 4), N at least 1.
        scores: (N,).
    """
    areas = (boxes[:, 2:4].astype(np.float64) - boxes[:, :2]).clip(min=0).prod(axis=1)
    chosen = int(np.lexsort((scores, areas))[-1])
    if scores[chosen] < scores.max():
        logger.info("of %d faces the largest is not the one with the highest score", len(boxes))
    return chosen


class FaceEmbedding(Extractor):
    """An embedding, float32 (512,), of the face that `mtcnn5` finds; a subclass defines the crop and the network.

    The crop is cut from the frame at 256x256. None: no face, a face whose box is outside the frame, or an image with
    values that are not finite.
    """

    uses = "mtcnn5"

    @abstractmethod
    def crops(self, frames: Tensor, faces: np.ndarray) -> Tensor:
        """The network's input, (B, 3, S, S) on the device.

        Args:
            frames: (B, 3, 256, 256) in [0, 1], 256 levels, on the device.
            faces: features of `mtcnn5`, (B, 7, 2).
        """

    @abstractmethod
    def load(self) -> nn.Module:
        """The network that turns crops into embeddings (B, 512), on the CPU.

        Raises:
            TalkbenchError: its weight file is missing, damaged or of another model.
        """

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated():
            detections = self._detector.extract(images) if base is None else base
            faces = {i: face for i, face in enumerate(detections) if face is not None and _within(face)}
            features: list[np.ndarray | None] = [None] * len(images)
            if faces:
                frames = at_size(images[list(faces)].to(self.device))
                embeddings = self._network(self.crops(frames, np.stack(list(faces.values()))))
                for i, embedding in zip(faces, embeddings.cpu().numpy(), strict=True):
                    features[i] = embedding.copy()  # a view would keep the whole batch
            return features

    @cached_property
    def _detector(self) -> Extractor:
        return registry.create(self.uses, device=self.device)

    @cached_property
    def _network(self) -> nn.Module:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        return self.load().to(self.device)


def _within(face: np.ndarray) -> bool:
    """Whether the box of a face covers a pixel of the frame."""
    left_top, right_bottom = face[-2:].clip(0, SIZE).astype(int)
    return bool((left_top < right_bottom).all())
