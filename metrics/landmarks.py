"""Distances between facial landmarks, their jitter, the best reference frame (docs/specs/evaluation.md 3.5, 7, 9)."""

from __future__ import annotations

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric
from talkbench.metrics.mesh import FACE, LANDMARKS

POINTS = 5
"""Number of landmarks in the features of `mtcnn5`; the box follows them."""

EYES = (36, 45)
"""The outer corners of the eyes among the 68 points (docs/specs/evaluation.md 3.5 and its goldens)."""

CONTOURS = tuple(
    np.array([*range(first, last + 1), *([first] if closed else [])])
    for first, last, closed in (
        *((0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False), (31, 35, False)),
        *((36, 41, True), (42, 47, True), (48, 59, True), (60, 67, True)),
    )
)
"""The lines through the 68 points: jaw, brows, bridge and wings of the nose; and eyes, outer and inner lips, which end
where they begin."""

DIAGONAL = 256 * 2**0.5
"""Pixels between opposite corners of a frame: no two of its points are further apart."""

BEYOND = 2
"""How many times as far apart points can be that may lie outside of the frame."""


def akd(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean over points and coordinates of the absolute difference: points (B, K, 2) twice to float64 (B,), pixels.

    That is half the mean city-block distance, as the pose-evaluation script has it (docs/specs/evaluation.md 3.5). NaN
    where a coordinate is not finite.

    Raises:
        TalkbenchError: the two differ in shape.

    >>> akd(np.zeros((1, 2, 2)), np.array([[[1.0, 3.0], [0.0, 0.0]]]))
    array([1.])
    """
    return np.abs(_difference(generated, target)).mean(axis=(1, 2))


def akd_euclidean(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean distance of corresponding points (docs/specs/evaluation.md 3.5): (B, K, 2) twice to float64 (B,), pixels.

    NaN where a coordinate is not finite.

    Raises:
        TalkbenchError: the two differ in shape.

    >>> akd_euclidean(np.zeros((1, 2, 2)), np.array([[[3.0, 4.0], [0.0, 0.0]]]))
    array([2.5])
    """
    return np.linalg.norm(_difference(generated, target), axis=2).mean(axis=1)


def nme(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean distance of corresponding points as a share of the distance between the target's outer eye corners
    (docs/specs/evaluation.md 3.5): points (B, 68, 2) twice to float64 (B,).

    NaN where a coordinate is not finite, and where the two corners coincide.

    Raises:
        TalkbenchError: the two differ in shape.
    """
    distance = akd_euclidean(generated, target)
    left, right = (target[:, point].astype(np.float64) for point in EYES)
    between = np.linalg.norm(left - right, axis=1)
    return np.divide(distance, between, out=np.full(len(distance), np.nan), where=between > 0)


def jitter(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How much points tremble beyond their target: three frames of points (B, 3, K, 2) twice to float64 (B,), pixels.

    With d the generated minus the target points of a frame, the length of d[t] - 2 d[t-1] + d[t-2] for each point,
    and the mean over points: our reading of docs/specs/evaluation.md 9, which leaves open whether the difference to the
    target is taken before or after the length. Before, motion that the target shares costs nothing, and neither does
    an offset that stays or grows evenly. NaN where a coordinate is not finite.

    Raises:
        TalkbenchError: the two differ in shape.
    """
    return np.linalg.norm(np.diff(_difference(generated, target), n=2, axis=1), axis=3).mean(axis=(1, 2))


def _check(generated: np.ndarray, target: np.ndarray) -> None:
    if generated.shape != target.shape:
        raise TalkbenchError(
            f"landmarks of shape {generated.shape} and {target.shape} do not compare; use one extractor"
        )


def _difference(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    _check(generated, target)
    finite = np.isfinite(generated) & np.isfinite(target)
    blank = np.full(generated.shape, np.nan)
    return np.subtract(generated, target, out=blank, where=finite, dtype=np.float64)


def alignment(source: np.ndarray, driving: np.ndarray) -> np.ndarray:
    """How unlike the poses of two faces are: landmarks (K, 2) and (B, K, 2) to float64 (B,).

    Sum of squared differences of the points after each set is centred and divided by the root of its convex
    hull's area; the driving frame with the least is the best reference of relative motion (docs/specs/evaluation.md 7).

    Raises:
        TalkbenchError: the points of a face lie on a line.
    """
    centred = _unit_hull(source)
    return np.array([np.square(_unit_hull(points) - centred).sum() for points in driving])


def _unit_hull(points: np.ndarray) -> np.ndarray:
    from scipy.spatial import ConvexHull, QhullError

    points = points.astype(np.float64)
    try:
        area: float = ConvexHull(points).volume  # in two dimensions SciPy's volume is the area
    except QhullError as error:
        raise TalkbenchError("the landmarks of a face lie on a line; choose another image") from error
    return (points - points.mean(0)) / np.sqrt(area)


class _Akd(Metric[np.ndarray]):
    direction = "lower"
    unit = "px"
    range = (0.0, 256.0)
    decimals = 3
    extractor = "fan68"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return akd(generated, target)


@registry.register("akd")
class Akd(_Akd):
    """Average keypoint distance of the 68 FAN landmarks, mean over points and coordinates, pixels at 256.

    The landmarks are whole pixels: differences below 0.02 mean little (docs/specs/evaluation.md 3.5).
    """

    name = "akd"
    default_variant = "pose-evaluation"


@registry.register("akd@euclidean")
class AkdEuclidean(_Akd):
    """Average distance of the 68 FAN landmarks as points of the plane, pixels at 256."""

    name = "akd@euclidean"
    range = (0.0, DIAGONAL)

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return akd_euclidean(generated, target)


@registry.register("akd@mtcnn5")
class AkdMtcnn5(_Akd):
    """Average keypoint distance of the five MTCNN landmarks (eyes, nose, mouth corners), pixels at 256.

    The formula of the paper's AKD on fewer and coarser points that need no download; the two are different
    metrics and do not compare.
    """

    name = "akd@mtcnn5"
    extractor = "mtcnn5"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return akd(generated[:, :POINTS], target[:, :POINTS])


@registry.register("akd@dlib68")
class AkdDlib68(_Akd):
    """Average keypoint distance of dlib's 68 landmarks, mean over points and coordinates, pixels at 256.

    The formula of the papers' AKD on the points of another model, which any machine can have; the two are different
    metrics and do not compare (docs/specs/registry-models.md 3). The landmarks are whole pixels, and slide under a hand
    before the face.
    """

    name = "akd@dlib68"
    range = (0.0, BEYOND * 256.0)
    extractor = "dlib68"


@registry.register("akd@mp478")
class AkdMp478(_Akd):
    """Average keypoint distance of the 468 points of MediaPipe's face mesh, mean over points and coordinates, pixels at
    256.

    The formula of the papers' AKD on the points of another model, spread over the whole face and without the irises;
    it does not compare with AKD on 68 points (docs/specs/registry-models.md 3).
    """

    name = "akd@mp478"
    range = (0.0, BEYOND * 256.0)
    extractor = "mp478"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        _check(generated, target)
        return akd(generated[:, :FACE, :2], target[:, :FACE, :2])


@registry.register("akd@mp68")
class AkdMp68(_Akd):
    """Average keypoint distance of the 68 points of MediaPipe's face mesh that stand for the usual landmarks, mean over
    points and coordinates, pixels at 256.

    The formula of the papers' AKD on the points of another model; the two are different metrics and do not compare
    (docs/specs/registry-models.md 3).
    """

    name = "akd@mp68"
    range = (0.0, BEYOND * 256.0)
    extractor = "mp478"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        _check(generated, target)
        return akd(generated[:, LANDMARKS, :2], target[:, LANDMARKS, :2])


@registry.register("nme")
class Nme(Metric[np.ndarray]):
    """Mean distance of the 68 FAN landmarks as a share of the distance between the target's outer eye corners."""

    name = "nme"
    default_variant: str | None = "interocular"
    direction = "lower"
    range = (0.0, DIAGONAL)  # the landmarks are whole pixels, so the corners are at least one apart
    decimals = 4
    extractor = "fan68"
    undefined = "no-distance-between-eyes"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return nme(generated, target)


@registry.register("nme@dlib68")
class NmeDlib68(Nme):
    """Mean distance of dlib's 68 landmarks as a share of the distance between the target's outer eye corners.

    The formula of NME on the points of another model; it does not compare with NME on FAN's landmarks
    (docs/specs/registry-models.md 3).
    """

    name = "nme@dlib68"
    default_variant = None
    range = (0.0, BEYOND * DIAGONAL)
    extractor = "dlib68"


@registry.register("landmark-jitter")
class LandmarkJitter(Metric[np.ndarray]):
    """Mean length of the second difference over time of generated minus target FAN landmarks, pixels at 256."""

    name = "landmark-jitter"
    direction = "lower"
    unit = "px"
    range = (0.0, 4 * DIAGONAL)
    decimals = 3
    extractor = "fan68"
    history = 2

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return jitter(generated, target)


@registry.register("landmark-jitter@dlib68")
class LandmarkJitterDlib68(LandmarkJitter):
    """Mean length of the second difference over time of generated minus target dlib landmarks, pixels at 256.

    The landmarks are whole pixels and tremble by themselves: it does not compare with the jitter of other landmarks
    (docs/specs/registry-models.md 3).
    """

    name = "landmark-jitter@dlib68"
    range = (0.0, BEYOND * 4 * DIAGONAL)
    extractor = "dlib68"


@registry.register("landmark-jitter@mp68")
class LandmarkJitterMp68(LandmarkJitter):
    """Mean length of the second difference over time of generated minus target landmarks, 68 points of MediaPipe's face
    mesh, pixels at 256.

    It does not compare with the jitter of other landmarks (docs/specs/registry-models.md 3).
    """

    name = "landmark-jitter@mp68"
    range = (0.0, BEYOND * 4 * DIAGONAL)
    extractor = "mp478"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        _check(generated, target)
        return jitter(generated[:, :, LANDMARKS, :2], target[:, :, LANDMARKS, :2])
