"""Average keypoint distance (specs evaluation 3.5), and the best reference frame (7)."""

from __future__ import annotations

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric

POINTS = 5
"""Of the features of `mtcnn5`; what follows them is the box."""


def akd(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean over points and coordinates of the absolute difference: points (B, K, 2) twice to float64 (B,).

    That is half the mean city-block distance, as the pose-evaluation script has it (specs evaluation 3.5).

    Raises:
        TalkbenchError: the two differ in shape.

    >>> akd(np.zeros((1, 2, 2)), np.array([[[1.0, 3.0], [0.0, 0.0]]]))
    array([1.])
    """
    if generated.shape != target.shape:
        raise TalkbenchError(
            f"landmarks of shape {generated.shape} and {target.shape} do not compare; use one extractor"
        )
    return np.abs(generated.astype(np.float64) - target).mean(axis=(1, 2))


def alignment(source: np.ndarray, driving: np.ndarray) -> np.ndarray:
    """How unlike the poses of two faces are: landmarks (K, 2) and (B, K, 2) to float64 (B,).

    Sum of squared differences of the points after each set is centred and divided by the root of its convex
    hull's area; the driving frame with the least is the best reference of relative motion (specs evaluation 7).

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


@registry.register("akd@mtcnn5")
class AkdMtcnn5(Metric[np.ndarray]):
    """Average keypoint distance of the five MTCNN landmarks (eyes, nose, mouth corners), pixels at 256.

    The formula of the paper's AKD on fewer and coarser points that need no download; the two are different
    metrics and do not compare.
    """

    name = "akd@mtcnn5"
    direction = "lower"
    unit = "px"
    range = (0.0, 256.0)
    decimals = 3
    extractor = "mtcnn5"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return akd(generated[:, :POINTS], target[:, :POINTS])
