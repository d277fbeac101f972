"""What the extractors of faces saw in a frame, from their features to lines and dots that reports can draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from talkbench.metrics import mesh
from talkbench.metrics.extractors.faces import SIZE
from talkbench.metrics.landmarks import CONTOURS, POINTS
from talkbench.reports.pages.seen import Seen, Shape

AXIS = 0.16
"""Length of a head axis that lies in the image, as a share of the frame's side."""

LOOK = 1.0
"""Length of a line of gaze at full strength, as a share of the eye's width."""

Features = Mapping[str, np.ndarray | None]
"""The features of a frame by the names of their extractors; None: no face."""


def seen(features: Features) -> Seen:
    """What can be drawn of the features of a frame; empty if no extractor is one of `DRAWN`."""
    shapes: dict[str, Shape | None] = {}
    for name in DRAWN:
        if name in features:
            shapes |= _shapes(name, features[name], features.get("mp478"))
    return shapes


def _shapes(name: str, feature: np.ndarray | None, points: np.ndarray | None) -> Seen:
    """The shapes of one extractor; those of the blendshapes lie at the `points` of the mesh."""
    if feature is None or (name == "mp52" and points is None):
        return dict.fromkeys(DRAWN[name])
    if name == "mp478":
        return _mesh(feature)
    if name == "mp52":
        assert points is not None
        return {"gaze": Shape(list(_gaze(feature, points / SIZE)))}
    if name == "mtcnn5":
        left, top, right, bottom = feature[POINTS:].ravel() / SIZE
        box = np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])
        return {name: Shape([box], feature[:POINTS] / SIZE)}
    return {name: _landmarks(feature)}


def _landmarks(points: np.ndarray) -> Shape:
    """68 landmarks (68, 2) in pixels at 256."""
    shares = points / SIZE
    return Shape(_along(shares, CONTOURS), shares)


def _along(points: np.ndarray, contours: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [points[contour] for contour in contours]


def _mesh(points: np.ndarray) -> Seen:
    """What the mesh (478, 3) of a face says."""
    shares = points[:, :2] / SIZE
    left, down, away = mesh.head_rotation(points[None])[0].T  # the columns
    origin = shares[mesh.NOSE]
    axes = {"left": left, "down": down, "ahead": -away}
    return {
        "mp68": _landmarks(points[mesh.LANDMARKS, :2]),
        "mesh": Shape(_along(shares, mesh.CONTOURS), shares[: mesh.FACE]),
        "eyes": Shape(_along(shares, mesh.EYE_CONTOURS)),
        **{name: Shape([np.stack([origin, origin + AXIS * axis[:2]])]) for name, axis in axes.items()},
    }


def _gaze(blendshapes: np.ndarray, shares: np.ndarray) -> Iterator[np.ndarray]:
    """A line from the middle of each iris to where the eye looks: blendshapes (52,) and the mesh (478, 3)."""
    down, inwards, out, up = blendshapes[mesh.GAZE].reshape(4, 2)  # of the left and of the right eye
    across = shares[mesh.LEFT, :2] - shares[mesh.RIGHT, :2]  # to the person's left
    across /= np.linalg.norm(across)
    below = np.array([-across[1], across[0]])
    for eye, (iris, (outer, inner)) in enumerate(mesh.EYES):
        aside = (out - inwards)[eye] * (-1 if eye else 1)
        width = np.linalg.norm(shares[outer, :2] - shares[inner, :2])
        look = aside * across + (down - up)[eye] * below
        yield np.stack([shares[iris, :2], shares[iris, :2] + LOOK * width * look])


DRAWN: Mapping[str, tuple[str, ...]] = {
    "fan68": ("fan68",),
    "dlib68": ("dlib68",),
    "mtcnn5": ("mtcnn5",),
    "mp478": ("mp68", "mesh", "eyes", "left", "down", "ahead"),
    "mp52": ("gaze",),
}
"""The extractors whose features can be drawn, each with what is drawn of them."""
