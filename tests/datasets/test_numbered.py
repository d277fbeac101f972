"""Clips whose frames go by the numbers in their file names."""

import os

import numpy as np
import pytest
from PIL import Image

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets.clips import file_number, open_clip


@pytest.fixture
def folder(tmp_path):
    """Frames 3, 5 and 12 of grey level 3, 5 and 12, and files that are no frames."""
    for name, level in (("x_7.jpg_0003.png", 3), ("0000005.png", 5), ("12.PNG", 12), ("cover.png", 99)):
        Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(tmp_path / name)
    (tmp_path / ".hidden_5.png").touch()
    (tmp_path / "5.txt").touch()
    return tmp_path


def test_frames_by_number(folder):
    clip = open_clip(folder, numbered=True)
    assert (len(clip), list(clip.numbers)) == (3, [3, 5, 12])
    assert [clip.read(number).max() for number in (12, 3, 5)] == [12, 3, 5]
    assert list(open_clip(folder).numbers) == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [0, 4, 13, -1])
def test_number_that_is_not_there(folder, number):
    with pytest.raises(PairError, match=f"has no frame {number}") as caught:
        open_clip(folder, numbered=True).read(number)
    assert caught.value.reason == "missing-frame"


def test_two_files_of_one_number(folder):
    (folder / "05.jpg").touch()
    with pytest.raises(TalkbenchError, match=r"0000005\.png and 05\.jpg are both frame 5"):
        open_clip(folder, numbered=True)


def test_folder_without_numbers(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(TalkbenchError, match="no numbered PNG"):
        open_clip(tmp_path, numbered=True)


def test_missing_clip(tmp_path):
    with pytest.raises(PairError, match="there is no clip") as caught:
        open_clip(tmp_path / "none")
    assert caught.value.reason == "missing-clip"


def test_file_number():
    assert [file_number(name) for name in ("0000013.png", "a1_x.jpg_0123.jpg", "a.png", "7")] == [13, 123, None, None]


def test_name_that_is_not_utf8(folder):
    (folder / "12.PNG").rename(folder / os.fsdecode(b"caf\xe9_20.png"))
    assert open_clip(folder, numbered=True).read(20).max() == 12
