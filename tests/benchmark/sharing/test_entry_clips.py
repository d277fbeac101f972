"""Which clips an entry shows, and how they are made of a run's saved frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest

from talkbench.benchmark.sharing.entry_clips import chosen_clips, entry_clips
from talkbench.benchmark.videos.driven_clips import DrivenClip
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets import Frame
from talkbench.datasets.interface import Timeline


def clip(driving: str, first: int = 0) -> DrivenClip:
    return DrivenClip(Frame("face", 0), driving, first, (first, first + 1))


@pytest.mark.parametrize(
    ("drivers", "count", "expected"),
    [("abc", 2, [0, 2]), ("aabbaa", 2, [0, 2]), ("aaaa", 2, [0, 3]), ("ab", 1, [0]), ("a", 2, [0]), ("", 2, []),
     ("abc", 0, [])],
)  # fmt: skip
def test_clips_are_of_two_videos_at_fixed_places_of_the_list(drivers: str, count: int, expected: list[int]) -> None:
    clips = [clip(name, 10 * place) for place, name in enumerate(drivers)]
    assert chosen_clips(clips, count) == [clips[place] for place in expected]


class Run:
    """A run of a square that grows; generated frames are lighter than the real ones."""

    def __init__(self, lengths: list[int], size: int = 48, absent: frozenset[int] = frozenset(), noise: int = 0):
        places = [
            (f"video-{video}", 0, f"video-{video}", index)
            for video, length in enumerate(lengths)
            for index in range(length)
        ]
        columns = ["source_clip", "source_index", "driving_clip", "driving_index"]
        self.pairs = pd.DataFrame(places, columns=columns).rename_axis("pair")
        self.record = SimpleNamespace(dataset=SimpleNamespace(image_size=size))
        self.size, self.absent, self.noise = size, absent, noise

    def path(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(is_file=lambda: number not in self.absent)

    def frame(self, number: int) -> np.ndarray:
        draw = np.random.default_rng(number)
        noise = draw.integers(0, self.noise + 1, (self.size, self.size, 3))
        return np.clip(real(self.pairs.iloc[number]["driving_index"], self.size) + 60 + noise, 0, 255).astype(np.uint8)


def real(index: int, size: int) -> np.ndarray:
    image = np.zeros((size, size, 3), np.uint8)
    image[: round(size * (2 + index % 15) / 16)] = 120
    return image


class Data:
    def __init__(self, hidden: str = "", rate: Fraction | None = Fraction(25), damaged: int = -1):
        self.card = SimpleNamespace(may_show=lambda *names: hidden not in names)
        timeline = Timeline(range(100_000), 1 / rate) if rate else None
        self.store = SimpleNamespace(open=lambda name: SimpleNamespace(timeline=timeline))
        self.damaged = damaged

    def prepare_clips(self, names: set[str]) -> None:
        pass

    def rate(self, clip: str) -> Fraction:
        return Fraction(25)

    def read(self, frame: Frame) -> np.ndarray:
        if frame.index == self.damaged:
            raise PairError("undecodable-frame", "frame is damaged")
        return real(frame.index, 64)


def frames(content: bytes, tmp_path: Path) -> list[np.ndarray]:
    (tmp_path / "clip.mp4").write_bytes(content)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("rate", "length", "shown"),
    [(Fraction(25), 12, 12), (Fraction(25), 400, 75), (Fraction(60), 400, 180), (Fraction(24000, 1001), 400, 71),
     (None, 400, 75), (Fraction(240), 400, 200), (Fraction(1, 10), 9, 2)],
)  # fmt: skip
def test_a_clip_is_the_first_seconds_at_the_rate_of_its_driver(rate, length, shown, tmp_path) -> None:
    told: list[str] = []
    ((info, content),) = entry_clips(Run([length]), Data(rate=rate), 1, told.append)
    assert told == []
    assert info.pairs == tuple(range(shown))
    assert info.rate == pytest.approx(float(rate or 25))
    assert info.video == "clips/000000.mp4"
    images = frames(content, tmp_path)
    assert len(images) == shown
    source, driving, generated = np.split(images[-1].astype(int), 3, axis=1)
    assert source.shape == (48, 48, 3)
    assert abs(source[0] - 120).mean() < 4
    assert abs(generated[0] - 180).mean() < 4
    assert abs(driving - generated + 60).mean() < 4


@pytest.mark.parametrize(("size", "side"), [(47, 46), (256, 256), (257, 256), (512, 256)])
def test_panels_are_even_and_at_most_256_pixels_wide(size: int, side: int, tmp_path) -> None:
    ((_, content),) = entry_clips(Run([3], size), Data(), 1, print)
    assert frames(content, tmp_path)[0].shape == (side, 3 * side, 3)


def test_the_clips_of_an_entry_fit_together() -> None:
    clips = entry_clips(Run([75, 75], size=128, noise=100), Data(), 2, print)
    assert len(clips) == 2
    assert 60_000 < sum(len(content) for _, content in clips) <= 250_000


def test_each_clip_that_is_missing_is_told_once() -> None:
    told: list[str] = []
    (first,) = entry_clips(Run([8, 8], absent=frozenset({11})), Data(), 2, told.append)
    assert first[0].pairs == tuple(range(8))
    assert told == ["no clip of video-1 driving video-1: the run has no frame of pair 11"]
    told.clear()
    assert len(entry_clips(Run([8, 8, 8]), Data(hidden="video-2"), 2, told.append)) == 2
    assert len(entry_clips(Run([8, 8]), Data(hidden="video-1"), 2, told.append)) == 1
    assert told == ["1 clip in place of 2: of the others no picture is published"]
    told.clear()
    assert len(entry_clips(Run([8]), Data(), 2, told.append)) == 1
    assert told == ["1 clip in place of 2: the list has no more"]
    told.clear()
    assert entry_clips(Run([8]), Data(rate=Fraction(5000)), 1, told.append) == []
    assert told == ["no clip of video-0 driving video-0: it has 5000 frames per second"]


def test_a_variable_rate_stays_and_is_told_as_its_mean(tmp_path) -> None:
    data, moments = Data(), [0, 20, 100, 140, 400, 440, 800]
    timeline = Timeline([*moments, *range(10_000, 100_000, 40)], Fraction(1, 1000))
    data.store = SimpleNamespace(open=lambda name: SimpleNamespace(timeline=timeline))
    ((info, content),) = entry_clips(Run([12]), data, 1, print)
    assert info.pairs == tuple(range(6)), "the seventh would be shown until after three seconds"
    assert info.rate == pytest.approx(6 / 0.8)
    (tmp_path / "clip.mp4").write_bytes(content)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert [round(1000 * frame.time) for frame in container.decode(video=0)] == moments[:-1]


def test_single_frames_are_no_clips() -> None:
    told: list[str] = []
    assert entry_clips(Run([1, 1, 1]), Data(), 2, told.append) == []
    assert told == []


def test_real_frames_that_cannot_be_read() -> None:
    with pytest.raises(TalkbenchError, match=r"no clip of pair 0: .*--root, or --clips 0"):
        entry_clips(Run([8]), Data(damaged=3), 1, print)
