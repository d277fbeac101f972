"""When frames are shown: every rate exactly, frames without times at a rate, and several clips in one time."""

from fractions import Fraction
from pathlib import Path

import pytest

from talkbench.benchmark.videos.timing import span, timeline_at
from talkbench.datasets.interface import Clip, Timeline

FILM = Fraction(1001, 24000)  # seconds of a frame at 23.976 frames a second


class Frames(Clip):
    """Three frames that nobody reads."""

    def __init__(self, timeline: Timeline | None) -> None:
        super().__init__(Path("clip"))
        self._timeline = timeline

    @property
    def timeline(self) -> Timeline | None:
        return self._timeline

    def __len__(self) -> int:
        return 3

    def _read(self, index: int):
        raise AssertionError


def test_frames_without_times_are_shown_at_the_rate():
    assert span(Frames(None), 7) == (Fraction(7, 25), Fraction(8, 25))
    assert span(Frames(None), 7, Fraction(12)) == (Fraction(7, 12), Fraction(8, 12))


def test_frames_with_times_are_shown_then_and_beyond_the_end_at_the_rate():
    clip = Frames(Timeline([0, 1, 5, 6], Fraction(1, 10)))
    assert [span(clip, number) for number in range(3)] == [
        (0, Fraction(1, 10)),
        (Fraction(1, 10), Fraction(1, 2)),
        (Fraction(1, 2), Fraction(3, 5)),
    ]
    assert span(clip, 4) == (Fraction(3, 5) + Fraction(1, 25), Fraction(3, 5) + Fraction(2, 25))


@pytest.mark.parametrize("step", [FILM, Fraction(1, 60), Fraction(1, 25), Fraction(377, 4500)])
def test_a_constant_rate_stays_exact(step):
    timeline = timeline_at([number * step for number in range(48)], 48 * step)
    assert [tick * timeline.tick for tick in timeline.ticks] == [number * step for number in range(49)]
    assert list(timeline.ticks) == list(range(49))


def test_two_rates_have_a_tick_in_common_or_are_rounded_without_adding_up():
    moments = sorted({number * step for step in (FILM, Fraction(1, 60)) for number in range(100)})
    timeline = timeline_at(moments, moments[-1] + FILM)
    assert [tick * timeline.tick for tick in timeline.ticks[:-1]] == moments
    odd = sorted({number * step for step in (Fraction(125, 2997), Fraction(125, 1492)) for number in range(100)})
    timeline = timeline_at(odd, odd[-1] + 1)
    assert timeline.tick == Fraction(1, 90000)
    assert max(abs(tick * timeline.tick - moment) for tick, moment in zip(timeline.ticks, odd, strict=False)) < 1e-5
    assert len(set(timeline.ticks)) == len(odd) + 1


def test_one_frame():
    assert timeline_at([Fraction(0)], Fraction(1, 25)) == Timeline([0, 1], Fraction(1, 25))
