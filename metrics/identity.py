"""How far apart two identities are: AED and CSIM (docs/specs/evaluation.md 3.6)."""

from __future__ import annotations

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric

FAR = 8.0
"""Where the range of distances of dlib's embeddings ends, whose lengths have no bound but lie near 1.4."""

EPSILON = 1e-6
"""What OpenFace adds to the sum of squares before it takes the root (docs/specs/evaluation.md 3.6)."""


def squared_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of squared differences of embeddings (B, D) at unit length, float64 (B,) in 0..4: twice 1 - cosine.

    Unit length: divided by ``sqrt(sum of squares + 1e-6)`` (docs/specs/evaluation.md 3.6).

    Raises:
        TalkbenchError: the two differ in shape.

    >>> squared_distance(np.array([[3.0, 0.0]]), np.array([[0.0, 5.0]])).round(5)
    array([2.])
    """
    first, second = (x / np.sqrt(np.square(x).sum(axis=1, keepdims=True) + EPSILON) for x in _float64(a, b))
    return np.square(first - second).sum(axis=1)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the angle between embeddings (B, D), float64 (B,) in -1..1; NaN where one is all zeros.

    Raises:
        TalkbenchError: the two differ in shape.

    >>> cosine(np.array([[3.0, 0.0]]), np.array([[5.0, 5.0]])).round(5)
    array([0.70711])
    """
    a, b = _float64(a, b)
    with np.errstate(invalid="ignore"):
        values = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return values.clip(-1, 1)  # rounding carries it past the ends


def _float64(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.shape != b.shape:
        raise TalkbenchError(f"embeddings of shape {a.shape} and {b.shape} do not compare; use one extractor")
    return a.astype(np.float64), b.astype(np.float64)


class _Aed(Metric[np.ndarray]):
    """A metric against the driving frame where that is the truth, else against the source frame."""

    direction = "lower"
    range = (0.0, 4.0)
    decimals = 3
    needs_truth = False
    target = "identity"
    extractor = "openface-nn4"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return squared_distance(generated, target)


@registry.register("aed")
class Aed(_Aed):
    """Squared distance of OpenFace embeddings of the whole frames, the published average Euclidean distance.

    Compared with the driving frame where that is the truth, else with the source frame.
    """

    name = "aed"
    default_variant = "openface-nn4"


@registry.register("aed@facenet-vggface2")
class AedFaceNet(_Aed):
    """Squared distance of FaceNet embeddings (VGGFace2) of the faces that MTCNN cuts out, at unit length.

    Compared with the driving frame where that is the truth, else with the source frame.
    """

    name = "aed@facenet-vggface2"
    extractor = "facenet-vggface2"


@registry.register("aed@arcface-r50")
class AedArcFace(_Aed):
    """Squared distance of ArcFace embeddings of aligned faces, at unit length.

    Compared with the driving frame where that is the truth, else with the source frame.
    """

    name = "aed@arcface-r50"
    extractor = "arcface-r50"


@registry.register("aed@euclidean")
class AedEuclidean(_Aed):
    """Distance, not squared, of OpenFace embeddings of the whole frames; the root of each pair's AED.

    Compared with the driving frame where that is the truth, else with the source frame.
    """

    name = "aed@euclidean"
    range = (0.0, 2.0)

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.sqrt(squared_distance(generated, target))


@registry.register("aed@mse")
class AedMse(_Aed):
    """Mean squared difference of OpenFace embeddings of the whole frames; AED over their 128 dimensions.

    Compared with the driving frame where that is the truth, else with the source frame.
    """

    name = "aed@mse"
    range = (0.0, 4.0 / 128)
    decimals = 5

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return squared_distance(generated, target) / generated.shape[1]


@registry.register("aed@dlib128")
class AedDlib128(_Aed):
    """Distance of dlib's embeddings of aligned faces, Euclidean, not squared and not brought to unit length.

    dlib takes faces less than 0.6 apart for one person's. The published AED is another embedding and another formula;
    the two do not compare (docs/specs/registry-models.md 3). Compared with the driving frame where that is the truth,
    else with the source frame.
    """

    name = "aed@dlib128"
    range = (0.0, FAR)
    extractor = "dlib128"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.linalg.norm(np.subtract(*_float64(generated, target)), axis=1)


@registry.register("csim")
class Csim(Metric[np.ndarray]):
    """Cosine similarity of ArcFace embeddings of aligned faces, generated against source."""

    name = "csim"
    default_variant: str | None = "arcface-r50"
    direction = "higher"
    range = (-1.0, 1.0)
    decimals = 3
    needs_truth = False
    target = "source"
    extractor = "arcface-r50"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return cosine(generated, target)


@registry.register("csim@dlib128")
class CsimDlib128(Csim):
    """Cosine similarity of dlib's embeddings of aligned faces, generated against source.

    dlib's embeddings are trained for their distance, and their cosines crowd near 1: 0.977 for frames of one person,
    0.829 for others on average. AED of the same embeddings tells more. It does not compare with the published CSIM,
    which is ArcFace's (docs/specs/registry-models.md 3).
    """

    name = "csim@dlib128"
    default_variant = None
    extractor = "dlib128"
