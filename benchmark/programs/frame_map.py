"""Which driving frame each frame of a program's output belongs to."""

from __future__ import annotations

import math
from fractions import Fraction

from talkbench.benchmark.programs.card import FrameMap


def drivers(frames: FrameMap, count: int, rate: Fraction) -> list[int | None]:
    """For each frame of the output the driving frame that it belongs to, counted from 0; None for one of none.

    Where the program resamples, a frame of the output belongs to the driving frame that is shown at its moment.

    Args:
        count: how many driving frames there are.
        rate: frames per second of the driving video.

    >>> drivers(FrameMap(rate=20), 6, Fraction(30))
    [0, 1, 3, 4]
    >>> drivers(FrameMap(cap=4, dropped=1, offset=2), 6, Fraction(30))
    [None, None, 1, 2]
    """
    indices = list(range(count))
    if resamples(frames, rate):
        other = Fraction(str(frames.rate))
        moments = math.ceil(count * other / rate)
        indices = [math.floor(moment * rate / other) for moment in range(moments)]
    return [*[None] * frames.offset, *indices[frames.dropped :]][: frames.cap]


def resamples(frames: FrameMap, rate: Fraction) -> bool:
    """Whether the program changes the rate of a driving video of `rate` frames per second."""
    return frames.rate is not None and Fraction(str(frames.rate)) != rate


def places(frames: FrameMap, count: int, rate: Fraction) -> dict[int, int]:
    """By driving frame, the frame of the output that belongs to it, the first if there are several; those that have
    none are lost.

    >>> places(FrameMap(rate=20), 6, Fraction(30))
    {0: 0, 1: 1, 3: 2, 4: 3}
    """
    first: dict[int, int] = {}
    for index, driver in enumerate(drivers(frames, count, rate)):
        if driver is not None:
            first.setdefault(driver, index)
    return first


def count_fault(frames: FrameMap, written: int, count: int, rate: Fraction) -> str:
    """Why an output of `written` frames does not fit the frame map, in words; "" if it does. Of a resampled video the
    last frame may be there or not."""
    expected = len(drivers(frames, count, rate))
    slack = 1 if resamples(frames, rate) else 0
    if abs(written - expected) <= slack:
        return ""
    return f"it wrote {written} frames, and by the frame map of its card {count} driving frames give {expected}"
