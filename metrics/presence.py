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
    default_variant = "mtcnn5"
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
