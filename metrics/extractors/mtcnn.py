"""Five facial landmarks and the box by facenet-pytorch's MTCNN, whose weights ship with the package."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_bytes
from talkbench.core.tensor_files import read_tensors
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.cascade import Cascade
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

    The networks go image by image: the last bit of a convolution depends on how many images it gets, so that a close
    decision would depend on the other images of the batch. The library itself is not imported, which takes seconds;
    what is computed here has its bits (`facenet_pytorch.models.utils.detect_face`).
    """

    name = "mtcnn5"
    libraries = ("facenet-pytorch",)
    imports = False

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
            values = tuple(range(1, images.ndim))
            finite = (images.amin(values).isfinite() & images.amax(values).isfinite()).tolist()
            return [self._face(image) if sound else None for image, sound in zip(images, finite, strict=True)]

    def _face(self, image: Tensor) -> np.ndarray | None:
        frame = at_size(image[None].to(self.device))[0].mul(255).round()  # (3, 256, 256)
        boxes, scores, points = self._cascade.faces(frame.cpu().numpy())
        if not len(boxes):
            return None
        chosen = choose(boxes, scores)
        return np.concatenate([points[chosen], boxes[chosen].reshape(2, 2)]).astype(np.float32)

    @cached_property
    def _cascade(self) -> Cascade:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from talkbench.metrics.extractors.architectures.cascade import networks

        stages = networks()
        for path in _weight_files():
            state = read_tensors(path).content
            try:
                stages[path.stem].load_state_dict(state if isinstance(state, dict) else {})
            except RuntimeError as error:
                raise TalkbenchError(
                    f"{path} holds other weights than MTCNN's; install facenet-pytorch again"
                ) from error
        return Cascade(
            [stage.eval().requires_grad_(False).to(self.device) for stage in stages.values()], MIN_FACE, THRESHOLDS
        )


def _weight_files() -> list[Path]:
    spec = importlib.util.find_spec("facenet_pytorch")
    folders = (spec and spec.submodule_search_locations) or []
    return [Path(folder) / "data" / f"{network}.pt" for folder in folders for network in ("pnet", "rnet", "onet")]
