"""Which face is posed most like another, by its landmarks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.best_frames import LANDMARKS
from talkbench.metrics import Extractor
from talkbench.metrics.landmarks import POINTS, alignment


def choose_landmarks(device: str) -> tuple[Extractor, str]:
    """The extractor of landmarks to search by: that of 68 points, or the five of MTCNN where its models are not there,
    and then what the user should be told; else "".

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


def closest(extractor: Extractor, wanted: np.ndarray, found: Mapping[int, np.ndarray]) -> int:
    """The number of those features `found` whose landmarks fit the `wanted` best (`alignment`), the first of equals."""
    shape = slice(POINTS) if extractor.name == "mtcnn5" else slice(None)  # what follows its points is the box
    numbers = list(found)
    distances = alignment(wanted[shape], np.stack([found[number][shape] for number in numbers]))
    return numbers[int(distances.argmin())]
