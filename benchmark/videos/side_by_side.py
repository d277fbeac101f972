"""The frames of a clip's video: source, driving, generated frame and error side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from talkbench.core.errors import PairError
from talkbench.datasets import Frame
from talkbench.reports.pages.strips import strip
from talkbench.results.videos import AbsentFrame

GREY = 128


@dataclass
class SideBySide:
    """Iterates over the frames of a video, each drawn when it is asked for.

    Args:
        source: uint8 RGB (H, W, 3).
        driving: the driving frames.
        pairs: the numbers of their pairs.
        real: reads a frame of the data set; raises `PairError`.
        generated: reads the generated frame of a pair; raises `PairError`.
        error: whether the last panel is the error map.

    Attributes:
        absent: the driving frames so far that have no generated one; grey stands in its place, and in that of a driving
            frame that cannot be read.
        poster: the frame in the middle, once it was drawn.
    """

    source: np.ndarray
    driving: list[Frame]
    pairs: tuple[int, ...]
    real: Callable[[Frame], np.ndarray]
    generated: Callable[[int], np.ndarray]
    error: bool
    absent: list[AbsentFrame] = field(default_factory=list)
    poster: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        for place, (frame, number) in enumerate(zip(self.driving, self.pairs, strict=True)):
            image = self._drawn(frame, number)
            if place == len(self.pairs) // 2:
                self.poster = image
            yield image

    def _drawn(self, frame: Frame, number: int) -> np.ndarray:
        grey = np.full_like(self.source, GREY)
        driving = grey
        try:
            driving = self.real(frame)
            return strip(self.source, driving, self.generated(number), self.error)
        except PairError as error:
            self.absent.append(AbsentFrame(index=frame.index, reason=error.reason))
            return np.concatenate([self.source, driving, *[grey] * (2 if self.error else 1)], axis=1)
