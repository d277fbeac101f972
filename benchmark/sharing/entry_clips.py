"""The clips of an entry: short videos of the same pairs in all entries of a list, so that two methods play in step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.benchmark.sharing.shown_runs import ShownRun
from talkbench.benchmark.videos.driven_clips import DrivenClip, driven_clips
from talkbench.benchmark.videos.mp4 import FINE, write_video
from talkbench.benchmark.videos.timing import timeline_of
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets import Frame, Pair
from talkbench.datasets.interface import Timeline
from talkbench.results.entries import MAX_CLIP_BYTES, MAX_CLIP_FRAMES, MAX_SIDE, EntryClip, clip_path

if TYPE_CHECKING:
    from talkbench.datasets.dataset import Dataset

SECONDS = 3
MAX_RATE = 1000

QUALITIES = range(FINE, 52, 3)
"""The constant rate factors that are tried, from fine to coarse, until the file is small enough."""


def entry_clips(run: ShownRun, data: Dataset, count: int, say: Callable[[str], None]) -> list[tuple[EntryClip, bytes]]:
    """At most `count` clips of a run, each with its file; those of which no picture may be published are not among
    them.

    Args:
        say: called with a line for each clip that the entry has to do without.

    Raises:
        TalkbenchError: the real frames cannot be read.
    """
    pairs = [Pair(Frame(*place[:2]), Frame(*place[2:])) for place in run.pairs.itertuples(index=False, name=None)]
    listed = driven_clips(pairs)
    public = [clip for clip in listed if data.card.may_show(clip.source.clip, clip.driving)]
    chosen = chosen_clips(public, count)
    data.prepare_clips({name for clip in chosen for name in (clip.source.clip, clip.driving)})
    clips = []
    for clip in chosen:
        try:
            clips.append(_written(run, data, clip, MAX_CLIP_BYTES // len(chosen)))
        except _NotShownError as error:
            say(f"no clip of {clip.driving} driving {clip.source.clip}: {error}")
    if listed and len(chosen) < count:
        others = "of the others no picture is published" if len(public) < len(listed) else "the list has no more"
        say(f"{len(chosen)} clip{'s' if len(chosen) != 1 else ''} in place of {count}: {others}")
    return clips


def chosen_clips(clips: Sequence[DrivenClip], count: int) -> list[DrivenClip]:
    """`count` clips at even steps of the list, the first and the last among them; of each driving video the first clip
    alone, if there are several videos. What a method makes of them plays no part."""
    first = {clip.driving: clip for clip in reversed(clips)}
    candidates = [clip for clip in clips if first[clip.driving] is clip] if len(first) > 1 else list(clips)
    places = np.linspace(0, len(candidates) - 1, min(count, len(candidates))).round().astype(int)
    return [candidates[place] for place in places]


class _NotShownError(Exception):
    """Why a clip cannot be shown, in words."""


def _written(run: ShownRun, data: Dataset, clip: DrivenClip, size: int) -> tuple[EntryClip, bytes]:
    """A clip as a video of at most `size` bytes."""
    whole = timeline_of(data.store.open(clip.driving), _places(clip), data.rate(clip.driving))
    numbers, timeline = _beginning(clip, whole)
    rate = float(len(numbers) / (timeline.ticks[-1] * timeline.tick))
    if rate > MAX_RATE:
        raise _NotShownError(f"it has {rate:.0f} frames per second")
    missing = [number for number in numbers if not run.path(number).is_file()]
    if missing:
        raise _NotShownError(f"the run has no frame of pair {missing[0]}")
    frames = _frames(run, data, clip, numbers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        for quality in QUALITIES:
            write_video(path, frames, timeline, quality=quality)
            if path.stat().st_size <= size:
                return EntryClip(pairs=numbers, rate=rate, video=clip_path(numbers)), path.read_bytes()
    raise _NotShownError(f"it has more than {size} bytes at any quality")


def _places(clip: DrivenClip) -> range:
    return range(clip.first, clip.first + len(clip))


def _beginning(clip: DrivenClip, timeline: Timeline) -> tuple[tuple[int, ...], Timeline]:
    """The pairs of the first `SECONDS` of a clip, two at least, and when their frames are shown."""
    end = Fraction(SECONDS) / timeline.tick
    whole = sum(1 for _ in takewhile(lambda tick: tick <= end, timeline.ticks[1:]))
    count = min(max(2, whole), len(clip), MAX_CLIP_FRAMES)
    return clip.pairs[:count], Timeline(timeline.ticks[: count + 1], timeline.tick)


def _frames(run: ShownRun, data: Dataset, clip: DrivenClip, numbers: Sequence[int]) -> list[np.ndarray]:
    """Source, driving and generated image side by side; their sides are even, as H.264 needs it."""
    size = run.record.dataset.image_size
    side = max(2, min(MAX_SIDE, size) // 2 * 2)

    def real(frame: Frame) -> np.ndarray:
        return resize(resize(data.read(frame), size), side)

    try:
        source = real(clip.source)
        driving = [real(Frame(clip.driving, clip.first + place)) for place in range(len(numbers))]
    except PairError as error:
        raise TalkbenchError(
            f"no clip of pair {numbers[0]}: {error}; name the folder of the data with --root, or --clips 0"
        ) from error
    generated = [resize(run.frame(number), side) for number in numbers]
    return [np.concatenate([source, *images], axis=1) for images in zip(driving, generated, strict=True)]
