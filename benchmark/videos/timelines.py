"""When the frames of a stretch of a clip are shown."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from talkbench.datasets.interface import USUAL_RATE, Clip, Timeline


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
