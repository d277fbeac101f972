"""68 facial landmarks and an embedding of the face by dlib (docs/specs/registry-models.md 1, 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import to_uint8
from talkbench.metrics import weights
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import SIZE, at_size, choose
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import importing, isolated, refusal

if TYPE_CHECKING:
    from torch import Tensor

UPSAMPLINGS = 1
"""How often the image is doubled before faces are sought: once, for faces of 40 pixels and more."""

CHIP, PADDING = 150, 0.25
"""Side of the aligned face in pixels, and the share of the face that is added around it: those of dlib's network."""


@registry.register("dlib68")
class Dlib68(Extractor):
    """The 68 landmarks of the iBUG scheme by dlib's regression trees, in the box of its frontal detector: float32
    (68, 2), x and y in whole pixels at 256, which may lie outside of the frame.

    Images of another size are scaled first (`at_size`). Of several faces the one with the largest box is taken, of
    equal boxes the one with the higher score. None: no face, or an image with values that are not finite. The detector
    finds faces that look into the camera, and a hand before the face makes the points slide.
    """

    name = "dlib68"
    libraries = ("dlib-bin",)
    weights = ("dlib-landmarks",)

    @property
    def id(self) -> str:
        return self.identity(f"size{SIZE}-upsample{UPSAMPLINGS}-largest")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated():
            return [self._points(image) for image in images.cpu()]  # dlib works there

    def _points(self, image: Tensor) -> np.ndarray | None:
        if not image.isfinite().all():
            return None
        frame = to_uint8(at_size(image[None]))[0]
        predictor = self._predictor  # first, since it says what is missing
        boxes, scores, _ = self._detector.run(frame, UPSAMPLINGS, 0.0)
        if not len(boxes):
            return None
        corners = np.array([(box.left(), box.top(), box.right(), box.bottom()) for box in boxes])
        face = predictor(frame, boxes[choose(corners, np.array(scores))])
        return np.array([(point.x, point.y) for point in face.parts()], np.float32)

    @cached_property
    def _detector(self) -> Any:
        import dlib

        return dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        return _loaded(self, lambda dlib: dlib.shape_predictor, "dlib's predictor of 68 landmarks")


@registry.register("dlib128")
class Dlib128(Extractor):
    """The embedding, float32 (128,) of a length near 1.4, of the face at the points of `dlib68`, by dlib's ResNet.

    The face is turned upright and cut to 150x150 by its points; nothing is jittered. Distances are Euclidean, and dlib
    takes faces less than 0.6 apart for one person's. None: no face, or an image with values that are not finite.
    """

    name = "dlib128"
    libraries = ("dlib-bin",)
    weights = ("dlib-embedding",)
    uses = "dlib68"

    @property
    def id(self) -> str:
        return self.identity(f"chip{CHIP}-padding{PADDING}")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated():
            network = self._network
            faces = self._landmarks.extract(images) if base is None else base
            return [
                None if points is None else self._embedding(network, image, points)
                for image, points in zip(images.cpu(), faces, strict=True)
            ]

    @staticmethod
    def _embedding(network: Any, image: Tensor, points: np.ndarray) -> np.ndarray:
        import dlib

        everything = dlib.rectangle(0, 0, SIZE - 1, SIZE - 1)  # the chip follows from the points alone
        face = dlib.full_object_detection(everything, [dlib.point(int(x), int(y)) for x, y in points])
        chip = dlib.get_face_chip(to_uint8(at_size(image[None]))[0], face, CHIP, PADDING)
        return np.array(network.compute_face_descriptor(chip), np.float32)

    @cached_property
    def _landmarks(self) -> Extractor:
        return registry.create(self.uses)

    @cached_property
    def _network(self) -> Any:
        return _loaded(self, lambda dlib: dlib.face_recognition_model_v1, "dlib's network of face embeddings")


def _loaded(extractor: Extractor, reader: Callable[[Any], Any], what: str) -> Any:
    """What dlib reads from the one file of an extractor.

    Raises:
        TalkbenchError: the library or the file is missing, or the file is another one.
    """
    if problem := extractor.problem():
        raise TalkbenchError(f"{extractor.name} {problem}")
    with importing("dlib-bin"):
        import dlib

    (name,) = extractor.weights
    try:
        return reader(dlib)(str(weights.path(name)))
    except RuntimeError as error:
        raise refusal(name, what, str(error)) from error
