"""Figures that move: a grid of labelled panels whose images change, as a video or an animated picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.benchmark.progress import Progress
from talkbench.benchmark.videos.animation import UNITS, write_animation
from talkbench.benchmark.videos.mp4 import write_video
from talkbench.core.errors import TalkbenchError
from talkbench.core.figure import SMALLEST, Grid, Sheet
from talkbench.core.files import atomic_path
from talkbench.core.images import resize
from talkbench.datasets.interface import Timeline

if TYPE_CHECKING:
    from av import AudioFrame

KINDS = (".mp4", *UNITS)
"""The endings of the files that can be written."""

LARGEST = 1920
"""Pixels of a figure's sides at most, which every player shows."""

ANIMATED = 960
"""Pixels of an animated picture's width at most, unless the user says: its file is many times as large as a video's."""

READABLE = 96
"""Pixels of a panel's side at least: the letters of the labels would be too small."""

SECONDS = 20.0
"""How long a figure lasts at most, unless the user says."""

GREY = 200
"""Of the panel in the place of an image that is missing."""


@dataclass(frozen=True)
class MovingFile:
    """What was written: when its frames are shown, and its width and height."""

    timeline: Timeline
    size: tuple[int, int]

    def __str__(self) -> str:
        count = len(self.timeline.ticks) - 1
        seconds = float(self.timeline.ticks[-1] * self.timeline.tick)
        return f"{count} {'frame' if count == 1 else 'frames'}, {seconds:.4g} s, {self.size[0]}x{self.size[1]}"


class MovingFigure:
    """A grid whose images change. All are square; what the grid has no room for is scaled down, and the user is told.

    Args:
        out: the file to be written; its ending, of `KINDS`, says of what kind.
        columns, rows: the labels.
        side: of the images, in pixels. Small ones are enlarged, as in a figure for print.
        width: of the whole at most, in pixels; None: `LARGEST`, or `ANIMATED`. The height is `LARGEST` at most.
        errors: see `Grid`.

    Raises:
        TalkbenchError: there are so many rows or columns that the labels would be unreadable.
    """

    def __init__(
        self,
        out: Path,
        columns: Sequence[str],
        rows: Sequence[str],
        side: int,
        width: int | None,
        progress: Progress,
        errors: bool = False,
    ) -> None:
        self._out, self._kind = out, out.suffix.lower()
        most = min(width or (LARGEST if self._kind == ".mp4" else ANIMATED), LARGEST) // 2 * 2
        self._sheet, self._side = _fitting_sheet(columns, rows, side, (most, LARGEST), errors)
        if self._side < side:
            progress.say(
                f"images of {side} pixels are scaled down to {self._side}, so that all fit into {most}x{LARGEST}"
            )
        for row in range(len(rows)):
            self.show(row, [None] * len(columns))

    def show(self, row: int, images: Sequence[np.ndarray | None]) -> None:
        """Put the images of a row, uint8 RGB and square, into their panels; a missing one is grey."""
        for column, image in enumerate(images):
            blank = np.full((self._side, self._side, 3), GREY, np.uint8)
            self._sheet.paste(row, column, blank if image is None else self.scaled(image))

    def scaled(self, image: np.ndarray) -> np.ndarray:
        """An image as large as a panel; by a whole factor each pixel becomes a square, as in a figure for print."""
        factor, part = divmod(self._side, len(image))
        return resize(image, self._side) if part else image.repeat(factor, axis=0).repeat(factor, axis=1)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; even, as H.264 asks for."""
        width, height = self._sheet.size
        return width + width % 2, height + height % 2

    def pixels(self) -> np.ndarray:
        """The figure as it is now, uint8 RGB (H, W, 3)."""
        width, height = self._sheet.size
        return np.pad(self._sheet.pixels(), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")

    def write(
        self, frames: Iterable[np.ndarray], timeline: Timeline, sound: Iterator[AudioFrame] | None = None
    ) -> MovingFile:
        """Write what `pixels` gave at the moments of the time line; an animated picture has no sound.

        Raises:
            TalkbenchError: it cannot be written; no half file is left.
        """
        with atomic_path(self._out) as temporary:
            if self._kind == ".mp4":
                write_video(temporary, frames, timeline, sound)
            else:
                write_animation(temporary, self._kind, frames, timeline)
        return MovingFile(timeline, self.size)


def _fitting_sheet(
    columns: Sequence[str], rows: Sequence[str], side: int, room: tuple[int, int], errors: bool
) -> tuple[Sheet, int]:
    """The figure without images, in the room (width, height), and the side of its panels."""
    panel = min(side * -(-SMALLEST // side), room[0] // len(columns), room[1] // len(rows))
    while panel >= READABLE:
        blank = np.zeros((panel, panel, 3), np.uint8)
        sheet = Sheet(Grid(columns, [(label, [blank]) for label in rows], errors, smallest=1))
        share = min(most / pixels for most, pixels in zip(room, sheet.size, strict=True))
        if share >= 1:
            return sheet, panel
        panel = min(panel - 1, int(panel * share) + 1)  # letters and gaps do not shrink quite as the panels do
    raise TalkbenchError(
        f"{len(columns)} columns and {len(rows)} rows leave less than {READABLE} pixels for an image within "
        f"{room[0]}x{room[1]}; show less at once"
    )
