"""When the frames of a clip, or of a stretch of it, are shown, and the common time of several clips side by side."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

from talkbench.datasets.interface import USUAL_RATE, Clip, Timeline
from talkbench.datasets.videos import TICK

FINEST = 1_000_000
"""A second has at most so many ticks; where clips have no such tick in common, their moments are rounded to `TICK`."""


def span(clip: Clip, number: int, rate: Fraction = USUAL_RATE) -> tuple[Fraction, Fraction]:
    """From when until when frame `number` of a clip is shown, in seconds.

    Args:
        rate: frames per second where the clip's frames carry no time, and beyond its end.
    """
    timeline = clip.timeline
    if timeline is None:
        return number / rate, (number + 1) / rate
    ticks, last = timeline.ticks, len(timeline.ticks) - 2
    if number > last:
        end = ticks[-1] * timeline.tick
        return end + (number - last - 1) / rate, end + (number - last) / rate
    return ticks[number] * timeline.tick, ticks[number + 1] * timeline.tick


def timeline_at(moments: Sequence[Fraction], end: Fraction, start: Fraction = Fraction(0)) -> Timeline:
    """The time line of frames that appear at these moments, in seconds, ascending from 0, the last of them until `end`.

    Args:
        start: see `Timeline`.
    """
    times = [*moments, end]
    tick = Fraction(gcd(*(time.numerator for time in times)), lcm(*(time.denominator for time in times)))
    if tick.denominator <= FINEST:
        return Timeline([int(time / tick) for time in times], tick, start)
    ticks: list[int] = []
    for time in times:
        ticks.append(max(round(time / TICK), ticks[-1] + 1 if ticks else 0))
    return Timeline(ticks, TICK, start)


def timeline_of(clip: Clip, numbers: range, rate: Fraction = USUAL_RATE) -> Timeline:
    """When the frames `numbers` of a clip are shown, the first at once. Frames past its end, which a list may name,
    are shown as long as the last one is. `rate`: of frames that carry no time, in frames per second."""
    whole = clip.timeline
    if whole is None:
        return Timeline(range(len(numbers) + 1), 1 / rate)
    ticks = list(whole.ticks)
    beyond = max(0, numbers.stop + 1 - len(ticks))
    ticks += [ticks[-1] + (ticks[-1] - ticks[-2]) * count for count in range(1, beyond + 1)]
    first = ticks[numbers.start]
    moments = [tick - first for tick in ticks[numbers.start : numbers.stop + 1]]
    return Timeline(moments, whole.tick, whole.start + first * whole.tick)


def is_variable(timeline: Timeline) -> bool:
    """Whether some frames are shown longer than others."""
    return len({after - before for before, after in pairwise(timeline.ticks)}) > 1
