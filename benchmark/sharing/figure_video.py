"""`bench figure --video`: the clips that several runs generated for the same pairs, moving side by side."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from talkbench.benchmark.progress import Progress
from talkbench.benchmark.sharing.moving_figure import MovingFigure, MovingFile
from talkbench.benchmark.sharing.shown_runs import MOST_DIFFERENT, FigureOptions, ShownRun, ShownRuns
from talkbench.benchmark.videos.timing import span, timeline_at
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.figure import error_map
from talkbench.core.images import resize

Numbers = list[int]
"""The numbers of the pairs of a clip: one source, and frames of one driving clip, the one after the other."""

CLOSE = Fraction(1, 80)
"""Seconds; two rows that change within less change at once. Browsers show shorter frames of an animated picture for a
tenth of a second."""


def write_figure_video(options: FigureOptions, progress: Progress | None = None) -> tuple[list[Numbers], MovingFile]:
    """Draw a row for each clip, all from their beginnings on and in the time of their drivers; returns the clips, from
    top to bottom, and what was written. A clip that ends before others stands still. A panel without an image is grey.

    Raises:
        TalkbenchError: runs that cannot be shown together or have no such clips, or sources that cannot be read.
    """
    progress = progress or Progress()
    group = ShownRuns(options)
    clips = _chosen(options, group)
    group.dataset.prepare_clips(group.runs[0].clips([number for clip in clips for number in clip]))
    rows = [_row(group, clip, options.seconds, progress) for clip in clips]
    _say_what_is_missing(group, rows, progress)
    size = group.runs[0].record.dataset.image_size
    labels = [row.label for row in rows]
    figure = MovingFigure(options.out, group.columns, labels, size, options.width, progress, group.errors)
    moments, close = _moments(rows)
    timeline = timeline_at(moments, max(row.end for row in rows))
    progress.start(0, len(moments))
    file = figure.write(_frames(figure, rows, moments, close, progress), timeline)
    for row in rows:
        row.say_what_is_damaged(progress)
    return [row.numbers for row in rows], file


def clips_of(run: ShownRun) -> list[Numbers]:
    """The clips of a run in the order of its pairs; a pair that goes with no other is a clip of its own."""
    clips: list[Numbers] = []
    before: tuple[object, int] = None, 0
    for number, *place, index in run.pairs.sort_index().itertuples(name=None):
        if place == before[0] and index > before[1]:
            clips[-1].append(int(number))
        else:
            clips.append([int(number)])
        before = place, index
    return clips


def _chosen(options: FigureOptions, group: ShownRuns) -> list[Numbers]:
    """The clips with the pairs that the user names, or those whose mean values differ most between the runs."""
    clips = clips_of(group.runs[0])
    clip_of = {number: place for place, clip in enumerate(clips) for number in clip}
    if options.pairs != MOST_DIFFERENT:
        return [clips[place] for place in dict.fromkeys(clip_of[number] for number in group.asked(options.pairs))]
    values = group.values()
    places = values.index.map(clip_of)
    if not any(len(clips[place]) > 1 for place in places):
        raise TalkbenchError(
            "these runs have no clips: no pair goes on where another ends; run the methods with --task reconstruction, "
            "or give numbers of pairs with --pairs"
        )
    ordered = [place for place in group.most_different(values.groupby(places).mean()) if len(clips[place]) > 1]
    first = group.publishable([clips[place][0] for place in ordered])
    return [clips[clip_of[number]] for number in first[: options.count]]


@dataclass
class _Row:
    """A clip in the figure.

    Attributes:
        numbers: its pairs, as far as they are drawn.
        moments: when each of them appears, in seconds since the first.
        end: when the last one ends.
        source: its image.
        damaged: pairs whose driving frame could not be read.
    """

    group: ShownRuns
    numbers: Numbers
    moments: list[Fraction]
    end: Fraction
    source: np.ndarray
    damaged: list[int]

    @property
    def label(self) -> str:
        return _label(self.numbers)

    def images(self, place: int) -> list[np.ndarray | None]:
        """The images of the pair at a place of the clip."""
        number, group = self.numbers[place], self.group
        driving: np.ndarray | None = None
        try:
            driving = resize(group.dataset.read(group.runs[0].frames(number)[1]), len(self.source))
        except PairError:
            self.damaged.append(number)
        images: list[np.ndarray | None] = [self.source, driving]
        for run in group.runs:
            generated = run.frame(number) if run.path(number).is_file() else None
            images.append(generated)
            if group.errors:
                images.append(None if driving is None or generated is None else error_map(driving, generated))
        return images

    def say_what_is_damaged(self, progress: Progress) -> None:
        if self.damaged:
            number = self.damaged[0]
            frame = self.group.runs[0].frames(number)[1]
            progress.warn(
                f"{self.label}: {len(self.damaged)} of the {len(self.numbers)} driving frames cannot be read and are "
                f"grey, the first: {frame.clip} {frame.index}"
            )


def _label(clip: Numbers) -> str:
    return f"pairs {clip[0]}–{clip[-1]}" if len(clip) > 1 else f"pair {clip[0]}"


def _row(group: ShownRuns, clip: Numbers, seconds: float, progress: Progress) -> _Row:
    """A clip, cut after so many seconds, and its source."""
    data, run = group.dataset, group.runs[0]
    size = run.record.dataset.image_size
    try:
        source = resize(data.read(run.frames(clip[0])[0]), size)
        driver = data.store.open(run.frames(clip[0])[1].clip)
    except PairError as error:
        raise TalkbenchError(
            f"{_label(clip)} cannot be shown: {error}; name the folder of the data with --root"
        ) from error
    rate = data.rate(run.frames(clip[0])[1].clip)
    spans = [span(driver, run.frames(number)[1].index, rate) for number in clip]
    start = spans[0][0]
    spans = [(begin - start, end - start) for begin, end in spans]
    kept = [both for both in spans if both[0] < seconds] or spans[:1]
    if len(kept) < len(spans):
        progress.say(f"{_label(clip)} last {float(spans[-1][1]):.4g} s; the first {seconds:g} are shown (--seconds)")
    return _Row(group, clip[: len(kept)], [begin for begin, _ in kept], kept[-1][1], source, [])


def _say_what_is_missing(group: ShownRuns, rows: Sequence[_Row], progress: Progress) -> None:
    last = max(row.end for row in rows)
    if early := [row for row in rows if row.end < last]:
        names = ", ".join(row.label for row in early)
        progress.say(f"clips that end before {float(last):.4g} s stand still then: {names}")
    for label, run in zip(group.labels, group.runs, strict=True):
        for row in rows:
            missing = [number for number in row.numbers if not run.path(number).is_file()]
            if missing:
                count = f"{len(missing)} of the {len(row.numbers)}" if len(row.numbers) > 1 else "the"
                progress.say(f"{label} has no frame of {count} {row.label}; its panel is grey there")


def _moments(rows: Sequence[_Row]) -> tuple[list[Fraction], Fraction]:
    """The moments at which the figure changes, ascending, and how close is at once: less than `CLOSE`, and so little
    that no row loses a frame."""
    steps = [after - before for row in rows for before, after in pairwise(row.moments)]
    close, moments = min([CLOSE, *steps]), [Fraction(0)]
    for moment in sorted(moment for row in rows for moment in row.moments):
        if moment - moments[-1] >= close:
            moments.append(moment)
    return moments, close


def _frames(
    figure: MovingFigure, rows: Sequence[_Row], moments: Sequence[Fraction], close: Fraction, progress: Progress
) -> Iterator[np.ndarray]:
    """The figure at each of the moments; only rows whose image changes are drawn."""
    places = [-1] * len(rows)
    for moment in moments:
        for number, row in enumerate(rows):
            place = bisect_left(row.moments, moment + close) - 1
            if place != places[number]:
                figure.show(number, row.images(place))
                places[number] = place
        yield figure.pixels()
        progress.advance(1)
