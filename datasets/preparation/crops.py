"""Cutting a face out of raw video: boxes over time, and one square around them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Clip

BATCH = 16  # frames per call of the detector; bounds its memory
OVERLAP = 0.3  # of two boxes' area that both have, from which on they show one face
STEADY = 0.5  # where the boxes before and after have more in common, one between that has less with both is false
PASSING = 0.1  # a face seen in a smaller share of the frames than the most frequent one is none, or passes by
SQUARE = 0.1  # how far the sides of a head crop may differ
HEAD = 0.45  # of a head crop's side that the face's height takes at least; in those of the field it is 0.54 to 0.76
Track = dict[int, np.ndarray]  # one face: by the number of the look at which it was seen, its box


def find_faces(clip: Clip, every: int = 4) -> list[np.ndarray]:
    """The faces in every `every`-th frame of `clip`, see `detect_faces`.

    Raises:
        TalkbenchError: facenet-pytorch is missing, or no frame shows a face.
    """
    looks = detect_faces(clip.read(index) for index in range(0, len(clip), every))
    if not any(len(boxes) for boxes in looks):
        raise TalkbenchError(f"no face found in {clip.path}; choose a video that shows one")
    return looks


def detect_faces(images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The faces in uint8 RGB images (H, W, 3), by facenet-pytorch's MTCNN.

    Returns:
        By image, float64 (N, 4), left, top, right, bottom in pixels, which may reach over the image's border, the
        largest first; N is 0 where there is no face.

    Raises:
        TalkbenchError: facenet-pytorch is missing.
    """
    try:
        from facenet_pytorch import MTCNN
    except ImportError as error:
        raise TalkbenchError("finding faces needs facenet-pytorch; pip install 'talkbench[full]'") from error
    detector: MTCNN | None = None
    looks: list[np.ndarray] = []
    for batch in _batches(images):
        # Large frames are searched for large faces only: the time stays that of 360 lines
        # (docs/specs/fomm.md 4.7 shrinks them).
        detector = detector or MTCNN(select_largest=True, min_face_size=max(20, min(batch[0].shape[:2]) // 18))
        for faces in detector.detect(np.stack(batch))[0]:
            looks.append(np.zeros((0, 4)) if faces is None else np.array(list(faces), dtype=np.float64))
    return looks


def _batches(images: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """At most `BATCH` images of one size at a time."""
    batch: list[np.ndarray] = []
    for image in images:
        if batch and (len(batch) == BATCH or image.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch


def face_boxes(clip: Clip, every: int = 4) -> np.ndarray:
    """The largest face of each of the frames that `find_faces` finds one in, float64 (N, 4)."""
    return np.stack([boxes[0] for boxes in find_faces(clip, every) if len(boxes)])


def follow_faces(looks: Sequence[np.ndarray]) -> list[Track]:
    """The faces of a clip from left to right, each held by the overlap of its boxes from look to look, across frames
    that do not show it. A face elsewhere after a cut is another one. Left out is what is seldom seen beside others, as
    a false detection is, and a single box that those before and after it contradict.

    Args:
        looks: see `find_faces`.
    """
    tracks: list[Track] = []
    for look, boxes in enumerate(looks):
        shares = [
            (_overlap(next(reversed(track.values())), box), number, place)
            for number, track in enumerate(tracks)
            for place, box in enumerate(boxes)
        ]
        placed: set[int] = set()
        for share, number, place in sorted(shares, key=lambda item: -item[0]):
            if share >= OVERLAP and place not in placed and look not in tracks[number]:
                tracks[number][look] = boxes[place]
                placed.add(place)
        tracks += [{look: box} for place, box in enumerate(boxes) if place not in placed]
    enough = PASSING * max(len(track) for track in tracks)
    kept = [track for track in tracks if len(track) > max(1, enough) or len(looks) == 1]
    return sorted(map(_steady, kept or tracks), key=lambda track: float(_boxes(track)[:, ::2].mean()))


def _steady(track: Track) -> Track:
    """The track without false detections around its face or on a part of it. Where one follows the other, the face is
    what changes."""
    looks = list(track)
    odd = [
        look
        for before, look, after in zip(looks, looks[1:], looks[2:], strict=False)
        if _overlap(track[before], track[after]) > STEADY
        and max(_overlap(track[before], track[look]), _overlap(track[look], track[after])) < STEADY
    ]
    alone = [look for look in odd if not {looks[looks.index(look) - 1], looks[looks.index(look) + 1]} & {*odd}]
    return {look: box for look, box in track.items() if look not in alone}


def position_of(tracks: Sequence[Track], face: str, option: str = "--face") -> int:
    """Which of the `tracks` is meant: ``largest``, the one with the most area over all looks; ``first``, the one that
    is seen first, of several the largest; or a number from 1 for the first from the left.

    Args:
        option: what the user gives `face` by.

    Raises:
        TalkbenchError: there is no face of that number.
    """
    areas = [float(np.prod(_boxes(track)[:, 2:] - _boxes(track)[:, :2], axis=1).sum()) for track in tracks]
    if face == "largest":
        return int(np.argmax(areas))
    if face == "first":
        return min(range(len(tracks)), key=lambda place: (min(tracks[place]), -areas[place]))
    if int(face) > len(tracks):
        raise TalkbenchError(f"{option} {face}: there are {len(tracks)}; choose one of them")
    return int(face) - 1


def _boxes(track: Track) -> np.ndarray:
    return np.stack(list(track.values()))


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The area that both boxes have over the area that either has."""
    shared = np.prod(np.maximum(0, np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])))
    return float(shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared))


def is_head_crop(boxes: np.ndarray, height: int, width: int) -> bool:
    """Whether frames of `height` x `width` with a face at `boxes` (N, 4) are cut to its head already: nearly square,
    and the face takes about half their height or more, as in VoxCeleb's clips and those that demos come with."""
    faces = np.median(boxes[:, 3] - boxes[:, 1])
    return abs(height - width) <= SQUARE * max(height, width) and bool(faces >= HEAD * min(height, width))


def middle_crop(height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the largest square in the middle."""
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


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
