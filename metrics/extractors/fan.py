"""68 facial landmarks by face-alignment: S3FD finds the face, the 2D FAN its points
(docs/specs/evaluation.md 3.5, 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import to_uint8
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import SIZE, at_size, choose
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state

if TYPE_CHECKING:
    from torch import Tensor, nn

SCORE = 0.5
"""Least score of a face (docs/specs/evaluation.md 3.8)."""

OVERLAP = 0.3
"""Two boxes whose intersection is a larger share of their union count as one face: the box with the lower score is
dropped (docs/specs/evaluation.md 5.2)."""

MEAN = (123.0, 117.0, 104.0)
"""RGB in 0..255, subtracted from S3FD's input: the library's constant."""

BATCH = 16
"""Images at a time on an accelerator."""


@registry.register("fan68")
class Fan68(Extractor):
    """The 68 landmarks of the iBUG scheme (jaw, brows, nose, eyes, mouth): float32 (68, 2), x and y in whole pixels
    at 256, since the library cuts them to integers.

    Images of another size are scaled first (`at_size`). Of several faces the one with the largest box is taken, of
    equal boxes the one with the higher score (docs/specs/evaluation.md 3.8). None: no face, or an image with values
    that are not finite.

    This uses the library's networks and crop, but not its interface, which runs the landmark network face by face,
    switches cuDNN's benchmarking on, and fetches files by itself. In the library's batches, a position that is a
    candidate in one image is one in all of them; here every image has its own candidates.
    """

    name = "fan68"
    libraries = ("face-alignment",)
    weights = ("s3fd", "fan-2d")
    flip = False
    """Whether the heat maps are the sum of those of the crop and, mirrored back, of its mirror image."""

    @property
    def id(self) -> str:
        return self.identity(f"size{SIZE}-{'flip' if self.flip else 'noflip'}-largest")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        # On a CPU one image at a time stays in the cache, and its result depends on no other image.
        step = 1 if self._cpu else BATCH
        with isolated():
            return [points for part in images.split(step) for points in self._landmarks(part)]

    def _landmarks(self, images: Tensor) -> list[np.ndarray | None]:
        finite = images.isfinite().flatten(1).all(1).nonzero().flatten().tolist()
        frames = to_uint8(at_size(images[finite].to(self.device)))  # (N, 256, 256, 3)
        points: list[np.ndarray | None] = [None] * len(images)
        boxes = [largest(candidates) for candidates in self._candidates(frames)]
        faces = [face for face in zip(finite, frames, boxes, strict=True) if face[2] is not None]
        if faces:
            numbers, face_frames, face_boxes = zip(*faces, strict=True)
            for number, landmarks in zip(numbers, self._points(face_frames, face_boxes), strict=True):
                points[number] = landmarks
        return points

    def _candidates(self, frames: np.ndarray) -> list[np.ndarray]:
        """The candidates of each frame, (M, 5): left, top, right, bottom, score."""
        import torch

        if not len(frames):
            return []
        detector = self._detector
        from face_alignment.detection.sfd.detect import get_predictions

        pixels = self._tensor(frames) - torch.tensor(MEAN, device=self.device).view(3, 1, 1)
        outputs = detector(pixels.flip(1))  # BGR; two scores and four offsets of every position at six strides
        maps = [output.softmax(1) if i % 2 == 0 else output for i, output in enumerate(outputs)]
        arrays = [array.cpu().numpy() for array in maps]
        alone = ([array[i : i + 1] for array in arrays] for i in range(len(frames)))
        return [get_predictions(one, 1)[0].reshape(-1, 5) for one in alone]

    def _points(self, frames: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The points (68, 2) of the face in each box."""
        from face_alignment.utils import crop, flip

        squares = [square(box) for box in boxes]
        crops = np.stack([crop(frame, *place) for frame, place in zip(frames, squares, strict=True)])
        inputs = self._tensor(crops).div(255)
        heat = self._aligner(inputs)[-1]  # (N, 68, 64, 64), of the last of four hourglasses
        if self.flip:
            heat = heat + flip(self._aligner(flip(inputs))[-1], is_label=True)
        return [decode(one, *place) for one, place in zip(heat.cpu().numpy(), squares, strict=True)]

    def _tensor(self, images: np.ndarray) -> Tensor:
        import torch

        return torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float().contiguous()

    @property
    def _cpu(self) -> bool:
        import torch

        return torch.device(self.device).type == "cpu"

    @cached_property
    def _detector(self) -> Any:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from face_alignment.detection.sfd.net_s3fd import s3fd

        return self._filled(s3fd(), "s3fd", "the S3FD face detector")

    @cached_property
    def _aligner(self) -> Any:
        from face_alignment.models import FAN

        return self._filled(FAN(4), "fan-2d", "the 2D FAN landmark network")

    def _filled(self, network: nn.Module, name: str, what: str) -> nn.Module:
        import torch

        filled = fill(network, read_state(name, what), name, what).to(self.device)
        return filled.to(memory_format=torch.channels_last) if self._cpu else filled  # two thirds of the time on a CPU


@registry.register("fan68-flip")
class Fan68Flip(Fan68):
    """`Fan68` averaged with the mirror image, as the search for the best frame uses it (docs/specs/evaluation.md 7)."""

    name = "fan68-flip"
    flip = True


def largest(candidates: np.ndarray) -> np.ndarray | None:
    """The face among S3FD's candidates (M, 5), left, top, right, bottom, score: (5,), or None if there is none.

    Boxes that show nothing of the frame are no faces: S3FD also looks beyond the border.
    """
    from face_alignment.detection.sfd.bbox import nms

    boxes = candidates[nms(candidates, OVERLAP)]
    visible = np.minimum(boxes[:, 2:4], SIZE) - np.maximum(boxes[:, :2], 0)
    boxes = boxes[(boxes[:, 4] >= SCORE) & (visible >= 1).all(1)]
    return boxes[choose(boxes, boxes[:, 4])] if len(boxes) else None


def square(box: np.ndarray) -> tuple[np.ndarray, float]:
    """What the landmark network sees of a box: centre (2,), moved up by 0.12 of the height, and side in units of 200
    pixels, (width + height) / 195 (docs/specs/evaluation.md 5.2)."""
    left, top, right, bottom = box[:4]
    centre = np.array([right - (right - left) / 2, bottom - (bottom - top) / 2 - (bottom - top) * 0.12])
    return centre, (right - left + bottom - top) / 195


def decode(heat: np.ndarray, centre: np.ndarray, scale: float) -> np.ndarray:
    """Points in the image of the peaks of heat maps: (K, H, W) to float32 (K, 2), cut to whole pixels.

    A peak off the border is moved by a quarter towards the larger neighbour along each axis
    (docs/specs/evaluation.md 5.2). The library's own `get_preds_fromhm` does the same, but its compilation takes ten
    seconds in every process.

    Args:
        heat: heat maps of one face.
        centre: as from `square`.
        scale: as from `square`.
    """
    count, height, width = heat.shape
    y, x = np.unravel_index(heat.reshape(count, -1).argmax(1), (height, width))
    points = np.stack([x, y], 1) + 0.5
    inner = np.flatnonzero((x > 0) & (x < width - 1) & (y > 0) & (y < height - 1))
    x, y = x[inner], y[inner]
    slope_x = heat[inner, y, x + 1] - heat[inner, y, x - 1]
    slope_y = heat[inner, y + 1, x] - heat[inner, y - 1, x]
    points[inner] += 0.25 * np.sign(np.stack([slope_x, slope_y], 1))
    in_image = (points / (width, height) - 0.5) * 200 * scale + centre
    return in_image.astype(np.int32).astype(np.float32)
