"""How often the generated frame shows no face where the driving frame shows one
(docs/specs/evaluation.md 4, point 3)."""

from __future__ import annotations

import numpy as np

from talkbench.metrics import registry
from talkbench.metrics.interface import Metric


@registry.register("missing-face-rate")
class MissingFaceRate(Metric[np.ndarray]):
    """Share of the pairs with a face in the driving frame whose generated frame shows none (MTCNN)."""

    name = "missing-face-rate"
    default_variant: str | None = "mtcnn5"
    direction = "lower"
    unit = "%"
    range = (0.0, 1.0)
    decimals = 1
    scale = 100.0
    needs_truth = False
    extractor = "mtcnn5"
    missing_generated = 1.0

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.zeros(len(generated))  # both have a face: a missing one never gets here


@registry.register("missing-face-rate@dlib")
class MissingFaceRateDlib(MissingFaceRate):
    """Share of the pairs with a face in the driving frame whose generated frame shows none (dlib's frontal detector).

    It sees faces that look into the camera only (docs/specs/registry-models.md 3).
    """

    name = "missing-face-rate@dlib"
    default_variant = None
    extractor = "dlib68"


@registry.register("missing-face-rate@mp")
class MissingFaceRateMp(MissingFaceRate):
    """Share of the pairs with a face in the driving frame whose generated frame shows none (MediaPipe's face mesh).

    It finds a face in much that other detectors take for none (docs/specs/registry-models.md 3).
    """

    name = "missing-face-rate@mp"
    default_variant = None
    extractor = "mp478"
