"""The places whose attention is drawn: points of the face by its landmarks, or shares of width and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

if TYPE_CHECKING:
    from talkbench.metrics.interface import Extractor

Point = tuple[float, float]
"""Shares of width and height of the picture, x and y."""

FIXED: dict[str, Point] = {
    "right-eye": (0.35, 0.42),
    "left-eye": (0.65, 0.42),
    "nose": (0.5, 0.57),
    "mouth": (0.5, 0.72),
    "cheek": (0.32, 0.6),
    "forehead": (0.5, 0.15),
    "chin": (0.5, 0.88),
    "corner": (0.08, 0.08),
}
"""The places by name, right and left being the person's, with where they lie about in a face that is cropped: there
they are drawn where no landmarks are at hand."""

DEFAULT = ("right-eye", "left-eye", "nose", "mouth", "cheek", "corner")
EXTRACTORS = ("mp478", "dlib68")
"""What finds the landmarks: the first of these that can run."""
INSET = 0.06  # of the upper corners, from the edges
LAST = 1 - 1e-6  # a share that still lies inside


def parse_place(text: str) -> str | Point:
    """A place as the user names it: one of `FIXED`, or ``X,Y``.

    Raises:
        TalkbenchError: there is no place of that name, or the point lies outside of the picture.
    """
    if text in FIXED:
        return text
    try:
        x, y = map(float, text.split(","))
    except ValueError as error:
        raise TalkbenchError(
            f"there is no place {text!r}: {nearest(text, FIXED)}; or give X,Y in shares of width and height"
        ) from error
    if not (0 <= x < 1 and 0 <= y < 1):
        raise TalkbenchError(f"{text!r} is outside of the picture, whose X and Y are from 0 to 1")
    return x, y


@dataclass(frozen=True)
class Landmarks:
    """What finds the 68 landmarks of the iBUG scheme in an image.

    Attributes:
        problem: why no extractor can, in words; "" if there is one.
    """

    extractor: Extractor | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """Of the extractor."""
        return self.extractor.name if self.extractor else ""

    def points(self, image: np.ndarray) -> np.ndarray | None:
        """The landmarks of the face in an image, uint8 (H, W, 3), as shares of its sides, (68, 2), some perhaps outside
        of it; None: no face."""
        from talkbench.core.images import to_tensor
        from talkbench.metrics.extractors.faces import SIZE
        from talkbench.metrics.mesh import LANDMARKS

        if self.extractor is None:
            return None
        points = self.extractor.extract(to_tensor(image[None]))[0]
        if points is None:
            return None
        return (points[LANDMARKS, :2] if len(points) > len(LANDMARKS) else points).astype(np.float64) / SIZE


def find_landmarks() -> Landmarks:
    """The first of `EXTRACTORS` that can run here; without one, the `problem` of the first with its remedy."""
    import torch

    from talkbench.metrics.extractors import registry
    from talkbench.metrics.extractors.faces import SIZE

    problems = []
    for name in EXTRACTORS:
        try:
            extractor = registry.create(name)
            problem = extractor.problem()
            if not problem:  # an installed library may be broken all the same
                extractor.extract(torch.zeros(1, 3, SIZE, SIZE))
        except TalkbenchError as error:
            problem = str(error)
        if not problem:
            return Landmarks(extractor)
        problems.append(f"{name} {problem}")
    return Landmarks(problem=problems[0])


def named_points(landmarks: np.ndarray) -> dict[str, Point]:
    """The places of `FIXED` in a face with these landmarks, (68, 2) as shares; they may lie outside of the picture."""
    right, left, root, base, jaw = landmarks[36:42], landmarks[42:48], landmarks[27], landmarks[33], landmarks[[2, 14]]
    wide = int(np.linalg.norm(jaw - base, axis=1).argmax())  # the side of the face that is turned to the viewer
    points = {
        "right-eye": right.mean(0),
        "left-eye": left.mean(0),
        "nose": landmarks[30],
        "mouth": landmarks[[48, 54]].mean(0),
        "cheek": (jaw[wide] + landmarks[[31, 35][wide]]) / 2,
        "forehead": root + 0.8 * (root - base),
        "chin": landmarks[8],
        "corner": np.array([1 - INSET if landmarks[:, 0].mean() < 0.5 else INSET, INSET]),
    }
    return {name: (float(x), float(y)) for name, (x, y) in points.items()}


def place_points(places: Sequence[str | Point], landmarks: np.ndarray | None) -> tuple[list[Point], list[str]]:
    """Where the `places` lie in a picture with these landmarks, None: no face; and the names of those that would lie
    outside of it and are moved to the nearest point of its edge."""
    named = FIXED if landmarks is None else named_points(landmarks)
    points = np.array([named[place] if isinstance(place, str) else place for place in places])
    inside = points.clip(0, LAST)
    outside = [str(place) for place, moved in zip(places, (points != inside).any(axis=1), strict=True) if moved]
    return [(float(x), float(y)) for x, y in inside], outside
