"""The search for the face whose landmarks are posed most like another's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.best_frames import LANDMARKS
from talkbench.metrics import Extractor
from talkbench.metrics.landmarks import POINTS, alignment


def choose_landmarks(device: str) -> tuple[Extractor, str]:
    """The extractor of landmarks to search by, and a remark for the user, or "".

    It is the one of 68 points, or, with a remark, the one of MTCNN's five points where the models for 68 are missing.

    Raises:
        TalkbenchError: neither can run here.
    """
    candidates = [metrics.create_extractor(name, device) for name in LANDMARKS]
    extractor = next((candidate for candidate in candidates if not candidate.problem()), None)
    if extractor is None:
        raise TalkbenchError(f"the best frame is searched by {LANDMARKS[0]}, which {candidates[0].problem()}")
    if extractor is candidates[0]:
        return extractor, ""
    return extractor, f"{LANDMARKS[0]} {candidates[0].problem()}; the best frame is searched by {extractor.name}"


def closest(extractor: Extractor, target: np.ndarray, candidates: Mapping[int, np.ndarray]) -> int:
    """The number of the candidate whose landmarks fit those of the `target` best (`alignment`), the first of equals.

    Args:
        extractor: made the features, of which only the points count.
        target: features of a face.
        candidates: features of other faces, by number.
    """
    shape = slice(POINTS) if extractor.name == "mtcnn5" else slice(None)  # what follows its points is the box
    numbers = list(candidates)
    distances = alignment(target[shape], np.stack([candidates[number][shape] for number in numbers]))
    return numbers[int(distances.argmin())]
