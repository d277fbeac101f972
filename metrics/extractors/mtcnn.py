"""Five facial landmarks and the box by facenet-pytorch's MTCNN, whose weights ship with the package."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_bytes
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import SIZE, at_size, choose
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import isolated

if TYPE_CHECKING:
    from torch import Tensor

MIN_FACE = 40
"""Pixels at 256. Talking-head crops show faces of 100 and more; searching for smaller ones costs time."""

THRESHOLDS = (0.6, 0.7, 0.5)
"""Scores a candidate needs after each of the three networks; the last is the 0.5 of docs/specs/evaluation.md 3.8."""


@registry.register("mtcnn5")
class Mtcnn5(Extractor):
    """Eyes, nose and mouth corners, left before right in the image, then the box's top left and bottom right corner:
    float32 (7, 2), x and y in pixels at 256.

    Images of another size are scaled first (`at_size`). Of several faces the one with the largest box is taken, of
    equal boxes the one with the higher score (docs/specs/evaluation.md 3.8). None: no face, or an image with values
    that are not finite.

    The library goes image by image: its batches shift the boxes of each image by an offset in float32, so that a
    close decision may depend on the other images of the batch.
    """

    name = "mtcnn5"
    libraries = ("facenet-pytorch",)

    @property
    def id(self) -> str:
        weights = sha256_bytes(b"".join(path.read_bytes() for path in _weight_files()))[:12]
        thresholds = "-".join(map(str, THRESHOLDS))
        return self.identity(weights, f"size{SIZE}-min{MIN_FACE}-thr{thresholds}-box")

    def problem(self) -> str | None:
        if problem := super().problem():
            return problem
        missing = [path.name for path in _weight_files() if not path.is_file()]
        return f"facenet-pytorch lacks its weights {', '.join(missing)}; install it again" if missing else None

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated(threads=1):  # a second thread gains nothing here, and loses much where another program wants it
            return [self._face(image) for image in images]

    def _face(self, image: Tensor) -> np.ndarray | None:
        if not image.isfinite().all():
            return None
        frame = at_size(image[None].to(self.device))[0].mul(255).round().permute(1, 2, 0)  # (256, 256, 3)
        boxes, scores, points = self._detector.detect(frame, landmarks=True)
        if boxes is None:
            return None
        chosen = choose(boxes, scores)
        return np.concatenate([points[chosen], boxes[chosen].reshape(2, 2)]).astype(np.float32)

    @cached_property
    def _detector(self) -> Any:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from facenet_pytorch import MTCNN

        network = MTCNN(min_face_size=MIN_FACE, thresholds=list(THRESHOLDS), keep_all=True, device=self.device)
        return network.requires_grad_(False)


def _weight_files() -> list[Path]:
    spec = importlib.util.find_spec("facenet_pytorch")
    folders = (spec and spec.submodule_search_locations) or []
    return [Path(folder) / "data" / f"{network}.pt" for folder in folders for network in ("pnet", "rnet", "onet")]
