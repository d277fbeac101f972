"""What every clip is, wherever its frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkbench.core.errors import PairError

USUAL_RATE = Fraction(25)
"""Frames per second of the field's data sets: of clips whose frames carry no time."""


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown.

    Attributes:
        ticks: of every frame the moment at which it appears, from 0, ascending; and at last the end of the video.
        tick: the unit of `ticks` in seconds.
        start: the moment of the first frame in seconds of the container, by which its sound goes.
    """

    ticks: Sequence[int]
    tick: Fraction
    start: Fraction = Fraction(0)


class Clip(ABC):
    """A run of frames; `len` counts them.

    Args:
        path: the folder or the file.

    Attributes:
        damage: in words, what the container promises and the frames do not keep; "" for nothing. A frame that does not
            decode shows itself only when it is read.
    """

    damage = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def timeline(self) -> Timeline | None:
        """When frames are shown; None where they carry no time."""
        return None

    def file(self, index: int) -> Path:
        """The file that frame `index` is in."""
        return self.path

    def name(self, index: int) -> str:
        """The name of the image file that frame `index` is, or was before it was packed; "" for a frame of a video."""
        return ""

    def stored_size(self, index: int) -> tuple[int, int]:
        """Width and height of frame `index` as stored, or the other way round where it has to be turned.

        Raises:
            PairError: as `read`.
        """
        height, width = self.read(index).shape[:2]
        return width, height

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def numbers(self) -> Sequence[int]:
        """The frame numbers that `read` accepts, ascending; at least one."""
        return range(len(self))

    @abstractmethod
    def _read(self, index: int) -> np.ndarray: ...

    def read(self, index: int) -> np.ndarray:
        """Frame `index`, from 0, as uint8 RGB (H, W, 3).

        Raises:
            PairError: ``index-beyond-clip``, or ``undecodable-frame`` where this frame is damaged.
        """
        if not 0 <= index < len(self):
            raise PairError("index-beyond-clip", f"{self.path} has frames 0 to {len(self) - 1}, not {index}")
        return self._read(index)

    def sound_frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """The frames that can be read, with their numbers, ascending."""
        for number in self.numbers:
            with suppress(PairError):
                yield number, self.read(number)

    def sound_numbers(self) -> list[int]:
        """The numbers of the frames that can be read, which is tried with all of them."""
        return [number for number, _ in self.sound_frames()]
