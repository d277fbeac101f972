"""The driving frame whose pose is most like that of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench.benchmark.animation.driver import Driver
from talkbench.benchmark.poses import choose_landmarks, closest
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.metrics import Extractor


def best_frame(face: torch.Tensor, driver: Driver, progress: Progress) -> int:
    """The number of the driving frame whose pose is most like that of `face` (1, 3, H, W), the first of equal ones.

    Poses are compared by the landmarks of `choose_landmarks`; frames without a face do not count.

    Raises:
        TalkbenchError: no extractor of landmarks can run here, or the source or every driving frame shows no face.
    """
    extractor, remark = choose_landmarks(str(face.device))
    target = extractor.extract(face)[0]
    if target is None:
        raise TalkbenchError("--motion relative-best: no face is found in the source; use relative-first")
    if remark:
        progress.warn(remark)
    best = closest(extractor, target, driver_landmarks(extractor, driver, face, progress))
    progress.say(f"best frame {best} of {len(driver.numbers)}, by the landmarks {extractor.name}")
    return best


def driver_landmarks(
    extractor: Extractor, driver: Driver, face: torch.Tensor, progress: Progress
) -> dict[int, np.ndarray]:
    """The landmarks of the driving frames that show a face, by number; frames get the size and device of `face`.

    Raises:
        TalkbenchError: none does.
    """
    progress.start(0, len(driver.numbers))
    candidates: dict[int, np.ndarray] = {}
    for numbers, images in driver.batches(face):
        landmarks = zip(numbers, extractor.extract(images), strict=True)
        candidates |= {number: points for number, points in landmarks if points is not None}
        progress.advance(len(numbers))
    if not candidates:
        raise TalkbenchError("--motion relative-best: no face is found in any driving frame; use relative-first")
    return candidates
