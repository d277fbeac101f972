"""Metrics of bodies (docs/specs/evaluation.md 3.5, 3.6): joints that moved, joints that were lost, and appearance.

Joints are arrays (B, K, 2) of x and y in pixels; x = -1 marks one that is absent.
"""

from __future__ import annotations

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric

ABSENT = -1


def present(joints: np.ndarray) -> np.ndarray:
    """Which joints are present: (B, K, 2) to bool (B, K)."""
    return joints[:, :, 0] != ABSENT


def akd_body(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference over coordinates and the joints present in both (docs/specs/evaluation.md 3.5).

    Joints (B, K, 2) twice to float64 (B,); NaN for a pair without a common joint, or with values that are not
    finite.

    Raises:
        TalkbenchError: the two differ in shape.

    >>> akd_body(np.array([[[9, 9], [4, 4], [-1, -1]]]), np.array([[[7, 6], [-1, -1], [5, 5]]]))
    array([2.5])
    """
    a, b = _float64(generated, target)
    both = present(a) & present(b)
    total = np.where(both[:, :, None], np.abs(a - b), 0).sum(axis=(1, 2))
    return _ratio(total, np.where(_finite(a, b), 2 * both.sum(axis=1), 0))


def mkr(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Missing keypoint rate: of the joints present in the target, the share absent in the generated frame
    (docs/specs/evaluation.md 3.5).

    Joints (B, K, 2) twice to float64 (B,) in 0..1; NaN for a pair whose target has no joint, or with values that
    are not finite.

    Raises:
        TalkbenchError: the two differ in shape.

    >>> mkr(np.array([[[9, 9], [-1, -1], [5, 5]]]), np.array([[[7, 6], [4, 4], [-1, -1]]]))
    array([0.5])
    """
    a, b = _float64(generated, target)
    lost = present(b) & ~present(a)
    return _ratio(lost.sum(axis=1), np.where(_finite(a, b), present(b).sum(axis=1), 0))


def squared_difference(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Sum of squared differences of features as they are, not brought to unit length: (B, D) twice to float64 (B,).

    Raises:
        TalkbenchError: the two differ in shape.
    """
    a, b = _float64(generated, target)
    return np.square(a - b).sum(axis=1)


def _float64(generated: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if generated.shape != target.shape:
        raise TalkbenchError(
            f"body features of shape {generated.shape} and {target.shape} do not compare; use one extractor"
        )
    return generated.astype(np.float64), target.astype(np.float64)


def _finite(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.isfinite(a).all(axis=(1, 2)) & np.isfinite(b).all(axis=(1, 2))


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """`total` over `count`; NaN where the count is zero."""
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


@registry.register("akd@body")
class AkdBody(Metric[np.ndarray]):
    """Average keypoint distance of the body's joints that both frames show, pixels of the stored frame.

    It is meant for TED-talks: the range ends at 384, the side of its frames in pixels.
    """

    name = "akd@body"
    direction = "lower"
    unit = "px"
    range = (0.0, 384.0)
    decimals = 2
    extractor = "body-pose"
    undefined = "no-common-joint"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return akd_body(generated, target)


class _Mkr(Metric[np.ndarray]):
    direction = "lower"
    range = (0.0, 1.0)
    decimals = 3
    extractor = "body-pose"
    missing_generated = 1.0

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return mkr(generated, target)


@registry.register("mkr")
class Mkr(_Mkr):
    """Missing keypoint rate: share of the target's joints that the generated frame lacks, mean over frames."""

    name = "mkr"


@registry.register("mkr@pooled")
class MkrPooled(_Mkr):
    """Missing keypoint rate over the joints of all frames: a frame's weight is the number of joints in its target."""

    name = "mkr@pooled"

    def weigh(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return present(target).sum(axis=1).astype(np.float64)


@registry.register("aed@reid-resnet50")
class AedReidResnet50(Metric[np.ndarray]):
    """Squared distance of re-identification features as published; their inputs are scaled twice, so it never ranks.

    Legacy: dividing the image by 255 once more than needed leaves the network an almost constant input, and values
    hundreds of times smaller than they would be (docs/specs/evaluation.md 3.6). The features are not of unit length and
    have no bound: the range ends far above all values that occur; the published ones are about 0.1.
    """

    name = "aed@reid-resnet50"
    direction = "lower"
    range = (0.0, 1e6)
    decimals = 3
    extractor = "reid-resnet50"
    ranks = False

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return squared_difference(generated, target)
