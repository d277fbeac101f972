"""The videos of a run's clips: source, driving, generated frame and error side by side."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from talkbench.benchmark.videos.driven_clips import DrivenClip, driven_clips, middle, spread, values_of
from talkbench.benchmark.videos.kept_frames import KeptFrames
from talkbench.benchmark.videos.mp4 import write_video
from talkbench.benchmark.videos.side_by_side import SideBySide
from talkbench.benchmark.videos.timing import is_variable, timeline_of
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import atomic_path, write_atomic
from talkbench.core.images import read_image
from talkbench.datasets import Frame, Split
from talkbench.results import MetricSpec, RunRecord
from talkbench.results.videos import FOLDER, NAME, ClipVideo, ClipVideos

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 250
"""Frames of a video: of a longer clip it shows the beginning, ten seconds at the field's usual rate."""

KEPT, SHORTEST = 64_000, 25
"""Frames that are kept while a run goes on, about 1 GB at 256 pixels. A run of very many clips has shorter videos, but
for their first `SHORTEST` frames."""

QUALITY, PRESET, POSTER_QUALITY = 23, "veryfast", 85
NOT_KEPT = "not-kept"


@dataclass(frozen=True)
class Images:
    """Where the images of a run are read, uint8 RGB (H, W, 3) of one size.

    Attributes:
        real: reads a frame of the data set; raises `PairError`.
        saved: the file that the generated frame of a pair is saved in, if this run saves frames.
        saves: whether it does.
        given: reads the generated frame of a pair that another program made; raises `PairError`. None: none did.
    """

    real: Callable[[Frame], np.ndarray]
    saved: Callable[[int], Path]
    saves: bool = False
    given: Callable[[int], np.ndarray] | None = None


class RunVideos:
    """Keeps the generated frames of every clip while a run goes on, and at its end writes the videos of a few clips.
    What fails here costs the videos and a warning, never the run.

    Args:
        run: the run's folder.
        count: how many videos; 0: none.
        warn: called with one line.

    Attributes:
        filmed: the pairs whose frames are kept for that, since they are nowhere else.
    """

    def __init__(self, run: Path, split: Split, count: int, images: Images, warn: Callable[[str], None]) -> None:
        self.folder, self.split, self.count, self.images, self._warn = run / FOLDER, split, count, images, warn
        self.kept = KeptFrames(self.folder / ".kept")
        done = (self.folder / NAME).exists()  # the run has ended before, and its videos stay as they are
        self.clips = driven_clips(split.pairs) if count and not done else []
        self.limit = min(LONGEST, max(SHORTEST, KEPT // max(1, len(self.clips))))
        others = images.saves or images.given is not None  # the frames are there anyway
        self.filmed = frozenset(number for clip in self.clips if not others for number in clip.pairs[: self.limit])

    def keep(self, frames: Mapping[int, bytes]) -> None:
        """Keep the generated frames of a batch, of those pairs that are `filmed`, by the numbers of their pairs, as
        `kept_frames.encode` gives them. Call it before the rows of the batch are kept."""
        if not frames or not self.clips:
            return
        try:
            self.kept.add(frames)
        except OSError as error:
            self._give_up(f"cannot write {self.kept.folder}: {error.strerror}")

    def write(self, rows: pd.DataFrame, record: RunRecord) -> None:
        """Write the videos, their posters and the file that describes them, and forget the kept frames.

        Args:
            rows: of all pairs.
        """
        try:
            if self.clips:
                self._write(rows, record)
        except Exception as error:  # a damaged driver, a full disk, whatever FFmpeg finds: the numbers are there
            self._give_up(" ".join(str(error).split()) or type(error).__name__)
        self.kept.remove()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _give_up(self, reason: str) -> None:
        self._warn(f"the run leaves no videos of its clips: {reason}")
        self.clips = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, rows: pd.DataFrame, record: RunRecord) -> None:
        for leftover in (*self.folder.glob("*.mp4"), *self.folder.glob("*.jpg")):  # of a process that was killed
            leftover.unlink()
        metric = record.ranking
        ranked = _ranked(self.clips, values_of(self.clips, rows, record), metric)
        there = [place for place, (clip, _) in enumerate(ranked) if any(map(self._is_there, self._shown(clip)))]
        reasons = _reasons(rows)
        videos, failures = [], []
        for place in (there[index] for index in spread(len(there), self.count)):
            clip, value = ranked[place]
            try:
                video = self._video(clip, reasons)
            except TalkbenchError as error:
                failures.append(str(error))
                continue
            position = {"place": _name(place, len(ranked)), "rank": place + 1, "value": value} if metric else {}
            videos.append(video.model_copy(update=position))
        if failures:
            self._warn(f"{len(failures)} of {len(failures) + len(videos)} clips have no video: {failures[0]}")
        if videos:
            name = metric.name if metric else None
            described = ClipVideos(metric=name, clips=len(ranked), error=self.split.has_truth, videos=tuple(videos))
            write_atomic(self.folder / NAME, described.to_json())

    def _shown(self, clip: DrivenClip) -> tuple[int, ...]:
        return clip.pairs[: self.limit]

    def _is_there(self, number: int) -> bool:
        return number in self.kept or self.images.given is not None or self.images.saved(number).exists()

    def _generated(self, number: int, reasons: Mapping[int, str]) -> np.ndarray:
        """The generated frame of a pair; raises `PairError` with the reason why there is none."""
        if self.images.given:
            return self.images.given(number)
        if number in self.kept:
            return self.kept.read(number)
        if self.images.saved(number).exists():
            return read_image(self.images.saved(number))
        raise PairError(reasons.get(number, NOT_KEPT), f"there is no generated frame of pair {number}")

    def _video(self, clip: DrivenClip, reasons: Mapping[int, str]) -> ClipVideo:
        from PIL import Image

        pairs = self._shown(clip)
        indices = range(clip.first, clip.first + len(pairs))
        timeline = timeline_of(self.split.clip(clip.driving), indices, self.split.rate(clip.driving))
        frames = SideBySide(
            self.images.real(clip.source), [Frame(clip.driving, index) for index in indices], pairs,
            self.images.real, lambda number: self._generated(number, reasons), self.split.has_truth,
        )  # fmt: skip
        name, seconds = f"{pairs[0]:06d}", timeline.ticks[-1] * timeline.tick
        with atomic_path(self.folder / f"{name}.mp4") as temporary:
            write_video(temporary, frames, timeline, quality=QUALITY, preset=PRESET)
        assert frames.poster is not None
        with atomic_path(self.folder / f"{name}.jpg") as temporary:
            Image.fromarray(frames.poster).save(temporary, quality=POSTER_QUALITY)
        height, width = frames.poster.shape[:2]
        return ClipVideo(
            file=f"{name}.mp4",
            poster=f"{name}.jpg",
            source_clip=clip.source.clip,
            source_index=clip.source.index,
            driving_clip=clip.driving,
            first=clip.first,
            frames=len(pairs),
            clip_frames=len(clip),
            absent=tuple(frames.absent),
            fps=float(len(pairs) / seconds),
            variable=is_variable(timeline),
            seconds=float(seconds),
            width=width,
            height=height,
        )


def _ranked(
    clips: Sequence[DrivenClip], values: Sequence[float | None], metric: MetricSpec | None
) -> list[tuple[DrivenClip, float | None]]:
    """The clips with their values, from best to worst, those without a value left out; all in the order of the list
    where there is no metric."""
    if metric is None:
        return list(zip(clips, values, strict=True))
    sign = 1 if metric.direction == "lower" else -1
    valued = [(sign * value, place) for place, value in enumerate(values) if value is not None]
    return [(clips[place], values[place]) for _, place in sorted(valued)]


def _name(place: int, count: int) -> Literal["", "best", "median", "worst"]:
    """What the clip at a place of the ranking is called; one alone is called nothing."""
    if count == 1:
        return ""
    if place in (0, count - 1):
        return "worst" if place else "best"
    return "median" if place == middle(count) else ""


def _reasons(rows: pd.DataFrame) -> dict[int, str]:
    """By the number of a pair that has no value at all, why."""
    failed = rows[rows["value"].isna() & ~rows["pair"].isin(rows.loc[rows["value"].notna(), "pair"])]
    return dict(zip(failed["pair"], failed["reason"], strict=True))
