"""Embedding of the face by facenet-pytorch's InceptionResnetV1 trained on VGGFace2
(docs/specs/evaluation.md 3.6, 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.images import to_uint8
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import FaceEmbedding
from talkbench.metrics.networks import fill, read_state

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZE = 160


@registry.register("facenet-vggface2")
class FaceNet(FaceEmbedding):
    """The embedding, float32 (512,) of unit length, of the face that MTCNN finds, cut out by its box without margin.

    The crop is the library's own for a Pillow image, which is resized to 160x160 bilinearly (with antialiasing), and
    its values x in 0..255 become (x - 127.5) / 128. None: no face, a face whose box is outside the frame, or an image
    with values that are not finite.
    """

    name = "facenet-vggface2"
    libraries = ("facenet-pytorch",)
    weights = ("facenet-vggface2",)

    @property
    def id(self) -> str:
        return self.identity(f"crop{SIZE}-margin0-pillow")

    def crops(self, frames: Tensor, faces: np.ndarray) -> Tensor:
        import torch
        from facenet_pytorch import extract_face, fixed_image_standardization
        from PIL import Image

        pictures = map(Image.fromarray, to_uint8(frames))
        boxes = faces[:, -2:].reshape(-1, 4)
        cut = [extract_face(picture, box, SIZE) for picture, box in zip(pictures, boxes, strict=True)]
        return fixed_image_standardization(torch.stack(cut)).to(self.device)

    def load(self) -> nn.Module:
        from facenet_pytorch import InceptionResnetV1

        what = "InceptionResnetV1 trained on VGGFace2"
        state = read_state(self.name, what)
        for key in ("logits.weight", "logits.bias"):  # the classes of the training set, which no embedding needs
            state.pop(key, None)
        return fill(InceptionResnetV1(), state, self.name, what)
