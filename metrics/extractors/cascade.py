"""MTCNN's search for faces: facenet-pytorch's ``detect_face`` on one frame, with the same bits in less time.

Values of pixels are whole numbers and their sums below 2**24, so that means over areas out of running sums are exact,
in whatever order: all candidates of a frame are cut out at once. The rest is the library's arithmetic in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from talkbench.metrics.extractors.architectures.cascade import Stage

CELL = 12
"""Pixels of a face that the first network sees in one cell; cells are 2 pixels apart."""

FACTOR = 0.709
"""Size of each scale in the last one's."""

LIMIT = 512
"""Candidates that a network gets at once, as the library does it."""


class Cascade:
    """Three networks: the first proposes faces at several scales, the others refine them.

    Args:
        stages: the networks (`architectures.cascade.networks`), on one device.
        smallest: side of the smallest face in pixels.
        thresholds: scores that a candidate needs after each network.
    """

    def __init__(self, stages: Sequence[Stage], smallest: int, thresholds: Sequence[float]) -> None:
        self.stages, self.smallest, self.thresholds = stages, smallest, thresholds

    def faces(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4), scores (N,) and landmarks (N, 5, 2) of a frame (3, H, W) of whole numbers in 0..255, float32,
        the largest box first."""
        sums = np.zeros((3, frame.shape[1] + 1, frame.shape[2] + 1), np.int32)
        frame.astype(np.int32).cumsum(1, out=sums[:, 1:, 1:]).cumsum(2, out=sums[:, 1:, 1:])

        boxes = self._proposed(sums)
        boxes, (scores, shifts) = self._judged(1, sums, boxes, 24)
        kept = _suppressed(boxes, scores, 0.7)
        boxes = _squared(_shifted(boxes[kept], shifts[kept]))

        boxes, (scores, shifts, points) = self._judged(2, sums, boxes, 48)
        sides = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        points = sides * points.reshape(-1, 2, 5).swapaxes(1, 2) + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, shifts)
        kept = _suppressed(boxes, scores, 0.7, of_smaller=True)
        kept = kept[_areas(boxes[kept]).argsort()[::-1]]
        return boxes[kept], scores[kept], points[kept]

    def _proposed(self, sums: np.ndarray) -> np.ndarray:
        """Square candidates (N, 4) of the first network."""
        height, width = (side - 1 for side in sums.shape[1:])
        scale, found, found_scores, found_shifts = CELL / self.smallest, [], [], []
        shortest = min(height, width) * scale
        while shortest >= CELL:
            whole = np.array([[0, 0, width, height]])
            image = _cut(sums, whole, int(height * scale + 1), int(width * scale + 1))
            scores, shifts = self._seen(0, image)
            mask = scores[0] >= self.thresholds[0]
            cells = np.argwhere(mask)[:, ::-1].astype(np.float32) * 2
            boxes = np.floor(np.concatenate([cells + 1, cells + CELL], 1) / scale)
            kept = _suppressed(boxes, scores[0][mask], 0.5)
            found.append(boxes[kept])
            found_scores.append(scores[0][mask][kept])
            found_shifts.append(shifts[0][:, mask].T[kept])
            scale, shortest = scale * FACTOR, shortest * FACTOR
        boxes, scores, shifts = (np.concatenate(parts) for parts in (found, found_scores, found_shifts))
        kept = _suppressed(boxes, scores, 0.7)
        return _squared(_shifted(boxes[kept], shifts[kept], pixel=0))

    def _judged(
        self, stage: int, sums: np.ndarray, boxes: np.ndarray, side: int
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """The candidates that a network takes for faces, and what it says about them, the scores first."""
        height, width = (size - 1 for size in sums.shape[1:])
        corners = np.trunc(boxes).astype(int)
        corners[:, :2] = corners[:, :2].clip(min=1) - 1
        corners[:, 2:] = np.minimum(corners[:, 2:], [width, height])
        inside = (corners[:, :2] < corners[:, 2:]).all(axis=1)  # the library fails where one is outside the frame
        boxes, corners = boxes[inside], corners[inside]
        seen = self._seen(stage, _cut(sums, corners, side, side))
        passed = seen[0] > self.thresholds[stage]
        return boxes[passed], tuple(part[passed] for part in seen)

    def _seen(self, stage: int, images: np.ndarray) -> tuple[np.ndarray, ...]:
        import torch

        network = self.stages[stage]
        device = next(network.parameters()).device
        parts = [network(part) for part in torch.from_numpy(images).to(device).split(LIMIT)]
        return tuple(torch.cat(outputs).cpu().numpy() for outputs in zip(*parts, strict=True))


def _cut(sums: np.ndarray, corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """What the networks see: parts of the frame with running sums `sums`, left, top, right, bottom (N, 4), scaled to
    (N, 3, height, width) by the mean over areas, as ``(x - 127.5) / 128``."""
    left, right = _edges(corners[:, 0], corners[:, 2], width)
    top, bottom = _edges(corners[:, 1], corners[:, 3], height)
    rows, columns = [edge[:, :, None] for edge in (top, bottom)], [edge[:, None] for edge in (left, right)]
    flat, row = sums.reshape(3, -1), sums.shape[2]
    (both, above), (beside, inner) = [[flat.take(y * row + x, axis=1) for x in columns] for y in rows]
    total = (inner - beside - above + both).swapaxes(0, 1).astype(np.float32)
    means = (
        total / (rows[1] - rows[0])[:, None].astype(np.float32) / (columns[1] - columns[0])[:, None].astype(np.float32)
    )
    return np.ascontiguousarray((means - np.float32(127.5)) * np.float32(1 / 128))


def _edges(start: np.ndarray, stop: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First pixel of each of `count` areas between start and stop, and the one behind its last: (N, count) each."""
    sizes, places = (stop - start)[:, None], np.arange(count)
    return start[:, None] + places * sizes // count, start[:, None] - (places + 1) * -sizes // count


def _suppressed(boxes: np.ndarray, scores: np.ndarray, threshold: float, of_smaller: bool = False) -> np.ndarray:
    """The candidates that overlap none with a higher score by more than a share of their union, the best first.

    Of the smaller one (`of_smaller`) the share is counted with the border of a pixel that the library adds there.
    """
    border = 1 if of_smaller else 0
    areas = _areas(boxes, border)
    order = scores.argsort()[::-1] if of_smaller else (-scores).argsort(kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        left_top = np.maximum(boxes[best, :2], boxes[order, :2])
        right_bottom = np.minimum(boxes[best, 2:], boxes[order, 2:])
        width, height = (right_bottom - left_top + border).clip(min=0).T
        common = width * height
        with np.errstate(invalid="ignore"):  # of two empty boxes
            whole = np.minimum(areas[best], areas[order]) if of_smaller else areas[best] + areas[order] - common
            order = order[~(common / whole > threshold)]
    return np.array(kept, dtype=int)


def _areas(boxes: np.ndarray, border: int = 0) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0] + border) * (boxes[:, 3] - boxes[:, 1] + border)


def _shifted(boxes: np.ndarray, shifts: np.ndarray, pixel: int = 1) -> np.ndarray:
    """Boxes whose edges move by shares of their sides, which count a pixel more behind the first network."""
    sides = boxes[:, 2:] - boxes[:, :2] + pixel
    return boxes + shifts * np.concatenate([sides, sides], 1)


def _squared(boxes: np.ndarray) -> np.ndarray:
    """Squares around the same centres with the longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + sides * np.float32(0.5) - longest * np.float32(0.5)
    return np.concatenate([corners, corners + longest], 1)
