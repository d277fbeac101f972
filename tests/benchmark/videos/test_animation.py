"""Animated pictures show each frame for as long as the driver does."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from talkbench.benchmark.videos.animation import durations, write_animation
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Timeline

FILM = Timeline([1001 * place for place in range(49)], Fraction(1, 24000))  # 23.976 frames a second
GREYS = [np.full((16, 24, 3), 5 * place, np.uint8) for place in range(48)]


@pytest.mark.parametrize(("unit", "shown"), [(1, {41, 42}), (10, {40, 50})])
def test_rounding_does_not_add_up(unit, shown):
    times = durations(FILM, unit)
    assert set(times) == shown
    assert sum(times) == pytest.approx(2002, abs=unit)


@pytest.mark.parametrize("kind", [".webp", ".gif"])
def test_frames_and_times_are_kept(tmp_path, kind):
    write_animation(tmp_path / "a", kind, iter(GREYS), FILM)
    with Image.open(tmp_path / "a") as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (48, (24, 16), 0)
        times, greys = [], []
        for place in range(48):
            image.seek(place)
            image.load()
            times.append(image.info["duration"])
            greys.append(int(np.asarray(image.convert("RGB"))[0, 0, 0]))
    assert sum(times) == pytest.approx(2002, abs=10)
    assert greys == pytest.approx(range(0, 240, 5), abs=3)


def test_frames_of_no_time_are_shown():
    assert durations(Timeline([0, 0, 1], Fraction(1, 10)), 10) == [10, 100]


def test_nothing_to_write(tmp_path):
    with pytest.raises(TalkbenchError, match="there is no frame"):
        write_animation(tmp_path / "a", ".webp", iter(()), Timeline([0], Fraction(1)))


@pytest.mark.parametrize("kind", [".webp", ".gif"])
def test_frames_are_written_as_they_come(tmp_path, kind):
    """A clip of ten minutes would not fit into memory."""
    alive = 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def frames():
        nonlocal alive
        for grey in GREYS:
            alive += 1
            most.append(alive)
            yield grey.view(Counted)

    most: list[int] = []
    write_animation(tmp_path / "a", kind, frames(), FILM)
    assert len(most) == 48
    assert max(most) < 5


@pytest.mark.parametrize("kind", [".webp", ".gif"])
def test_the_maker_of_the_frames_comes_to_its_end(tmp_path, kind):
    ended = []

    def frames():
        yield from GREYS
        ended.append(True)

    write_animation(tmp_path / "a", kind, frames(), FILM)
    assert ended
