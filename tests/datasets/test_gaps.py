"""Missing numbers within clips: counted, the first ones named, and only where numbers count frames."""

import numpy as np
import pytest

from talkbench.core.images import write_png
from talkbench.datasets.clips import NumberedClip, open_clip
from talkbench.datasets.gaps import Gap, describe_gaps, gap_of


@pytest.fixture
def clip(tmp_path):
    """Makes a folder of frames with these names."""

    def make(*names):
        folder = tmp_path / "clip"
        for name in names:
            write_png(folder / f"{name}.png", np.zeros((2, 2, 3), np.uint8))
        return folder

    return make


@pytest.mark.parametrize(
    ("numbers", "gap"),
    [
        ((0, 1, 2, 3), None),
        ((0, 1, 3, 7, 8), Gap(4, (2, 4, 5))),
        ((2, 3), Gap(2, (0, 1))),
        ((0, 10**20), Gap(10**20 - 1, (1, 2, 3))),
    ],
)
def test_numbers_of_a_published_clip(clip, numbers, gap):
    assert gap_of(NumberedClip(clip(*(f"{number:07d}" for number in numbers))), from_zero=True) == gap


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        (("1", "2", "3", "5", "9", "10"), Gap(4, (4, 6, 7))),
        (("0100", "0101", "0102"), None),
        (("0000", "0005", "0010", "0020"), None),  # every fifth frame
        (("20190101", "20190317", "20191105"), None),  # dates
        (("a", "b", "7"), None),
        (("1",), None),
    ],
)
def test_numbers_of_anyones_folder(clip, names, gap):
    assert gap_of(open_clip(clip(*names)), from_zero=False) == gap


def test_a_video_has_none(video):
    assert gap_of(open_clip(video), from_zero=True) is None


def test_in_words():
    assert str(Gap(1, (4,))) == "1 frame is missing (4)"
    assert str(Gap(40, (4, 5, 6))) == "40 frames are missing (4, 5, 6, …)"
    assert describe_gaps({}) == ""
    gaps = {name: Gap(2, (4, 9)) for name in "abcde"}
    assert describe_gaps(gaps) == (
        "frames are missing within clips: a: 2 frames are missing (4, 9); b: 2 frames are missing (4, 9); "
        "c: 2 frames are missing (4, 9); and 2 more clips"
    )
