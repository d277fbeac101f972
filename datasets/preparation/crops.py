"""Cutting a face out of raw video: boxes over time, and one square around them all."""

from __future__ import annotations

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Clip

BATCH = 16  # frames per call of the detector; bounds its memory


def face_boxes(clip: Clip, every: int = 4) -> np.ndarray:
    """Boxes of the largest face in every `every`-th frame of `clip`, by facenet-pytorch's MTCNN.

    Returns:
        float64 (N, 4), left, top, right, bottom in pixels, which may reach over the frame's border;
        frames without a face have no box.

    Raises:
        TalkbenchError: facenet-pytorch is missing, or no frame shows a face.
    """
    try:
        from facenet_pytorch import MTCNN
    except ImportError as error:
        raise TalkbenchError("finding faces needs facenet-pytorch; pip install 'talkbench[full]'") from error
    # Large frames are searched for large faces only: the time stays that of 360 lines
    # (docs/specs/fomm.md 4.7 shrinks them).
    detector = MTCNN(select_largest=True, min_face_size=max(20, min(clip.read(0).shape[:2]) // 18))
    indices = range(0, len(clip), every)
    boxes = []
    for start in range(0, len(indices), BATCH):
        images = np.stack([clip.read(index) for index in indices[start : start + BATCH]])
        boxes += [faces[0] for faces in detector.detect(images)[0] if faces is not None]
    if not boxes:
        raise TalkbenchError(f"no face found in {clip.path}; choose a video that shows one")
    return np.array(boxes, dtype=np.float64)


def square_crop(boxes: np.ndarray, height: int, width: int, margin: float = 0.1) -> tuple[int, int, int]:
    """The square around the union of `boxes`, enlarged by `margin` of its longer side on each side
    (docs/specs/evaluation.md 6.2, docs/specs/fomm.md 4.7), inside a frame of `height` x `width`.

    If that square does not fit, the largest one that fits is taken, shifted away from the face only as far as the
    border requires: no black bars, no change of aspect.

    Args:
        boxes: (N, 4), left, top, right, bottom.

    Returns:
        left, top, side in pixels.
    """
    near, far = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = min(round(float((far - near).max()) * (1 + 2 * margin)), height, width)
    left, top = np.clip(np.round((near + far) / 2 - side / 2), 0, (width - side, height - side)).astype(int)
    return int(left), int(top), side
