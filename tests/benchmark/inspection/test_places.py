"""The places whose attention is drawn, in faces and without."""

import os

import numpy as np
import pytest
import users_store

from talkbench import datasets
from talkbench.benchmark.inspection.places import (
    DEFAULT,
    FIXED,
    find_landmarks,
    named_points,
    parse_place,
    place_points,
)
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.videos import VideoClip
from talkbench.metrics.extractors import registry
from talkbench.metrics.mesh import LANDMARKS


def face(shift: float = 0.0) -> np.ndarray:
    """Landmarks as shares: an upright face around the middle, its nose `shift` to the right as the head turns."""
    points = np.full((68, 2), 0.5)
    points[2], points[14] = (0.25, 0.6), (0.75, 0.6)  # jaw
    points[36:42], points[42:48] = (0.35, 0.4), (0.65, 0.4)  # eyes
    points[27], points[30], points[33] = (0.5, 0.4), (0.5 + shift, 0.55), (0.5 + shift, 0.6)  # nose
    points[31], points[35] = points[33] - (0.05, 0), points[33] + (0.05, 0)
    points[48], points[54], points[8] = (0.4, 0.7), (0.6, 0.7), (0.5, 0.95)  # mouth, chin
    return points


def test_the_places_of_a_face():
    points = named_points(face())
    assert list(points) == list(FIXED)
    expected = {
        "right-eye": (0.35, 0.4), "left-eye": (0.65, 0.4), "nose": (0.5, 0.55), "mouth": (0.5, 0.7),
        "forehead": (0.5, 0.24), "chin": (0.5, 0.95),
    }  # fmt: skip
    for name, point in expected.items():
        assert points[name] == pytest.approx(point), name


@pytest.mark.parametrize(("shift", "cheek"), [(0.1, 0.4), (-0.1, 0.6)])
def test_the_cheek_is_that_which_is_turned_to_the_viewer(shift, cheek):
    assert named_points(face(shift))["cheek"] == pytest.approx((cheek, 0.6))


def test_the_corner_is_the_one_away_from_the_face():
    assert named_points(face() - np.array([0.2, 0]))["corner"][0] > 0.9
    assert named_points(face() + np.array([0.2, 0]))["corner"][0] < 0.1


def test_what_would_lie_outside_of_the_picture_is_moved_to_its_edge():
    points, outside = place_points(["nose", "chin", (0.2, 0.3)], face() + np.array([0, 0.1]))
    assert outside == ["chin"]
    assert np.array(points) == pytest.approx(np.array([(0.5, 0.65), (0.5, 1), (0.2, 0.3)]), abs=1e-5)
    assert points[1][1] < 1


def test_without_a_face_places_are_fixed():
    assert place_points(DEFAULT, None) == ([FIXED[name] for name in DEFAULT], [])


def test_a_place_by_name_or_by_shares():
    assert parse_place("nose") == "nose"
    assert parse_place(" 0.25, .5") == (0.25, 0.5)


@pytest.mark.parametrize("text", ["", "0.5", "0.1,0.2,0.3", "a,b"])
def test_no_place(text):
    with pytest.raises(TalkbenchError, match=rf"no place '{text}': known: cheek, .*; or give X,Y in shares of width"):
        parse_place(text)


def test_the_nearest_name_is_offered():
    with pytest.raises(TalkbenchError, match=r"no place 'nsoe': did you mean nose\?; or give X,Y"):
        parse_place("nsoe")


@pytest.mark.parametrize("text", ["1,0", "-0.1,0.5", "nan,0.5", "0.5,inf"])
def test_a_place_outside_of_the_picture(text):
    with pytest.raises(TalkbenchError, match=f"'{text}' is outside of the picture"):
        parse_place(text)


class Stub:
    """Finds a mesh in which every point is at its number."""

    name = "mp478"
    fault = ""

    def problem(self):
        return None

    def extract(self, images):
        if self.fault:
            raise TalkbenchError(self.fault)
        return [np.repeat(np.arange(478.0)[:, None], 3, axis=1)]


class Missing(Stub):
    def problem(self):
        return "needs a file: bench weights pull file"


class Broken(Stub):
    fault = "is installed and cannot be imported"


@pytest.fixture
def extractors(monkeypatch):
    """Puts extractors in the place of those that are looked for first and second."""

    def put(first, second):
        for name, kind in (("mp478", first), ("dlib68", second)):
            registry.get(name)  # read before it is replaced
            monkeypatch.setitem(registry._factories, name, kind)

    return put


def test_the_mesh_is_taken_at_its_68_landmarks(extractors):
    extractors(Stub, Missing)
    points = find_landmarks().points(np.zeros((64, 64, 3), np.uint8))
    np.testing.assert_array_equal(points, np.stack([LANDMARKS, LANDMARKS], axis=1) / 256)


def test_the_second_extractor_stands_in_for_one_that_cannot_run(extractors):
    for first in (Missing, Broken):
        extractors(first, Stub)
        assert find_landmarks().extractor is not None
    extractors(Missing, Broken)
    landmarks = find_landmarks()
    assert landmarks.problem == "mp478 needs a file: bench weights pull file"
    assert landmarks.points(np.zeros((64, 64, 3), np.uint8)) is None


def test_the_places_of_a_real_face(monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", os.environ[users_store.USERS])
    clip = VideoClip(datasets.create("demo").find_source("single-face"))
    landmarks = find_landmarks()
    assert landmarks.name == "mp478"
    points = named_points(landmarks.points(clip.read(0)[:, 140:500]))
    looked_at = {"right-eye": (0.33, 0.47), "left-eye": (0.53, 0.47), "nose": (0.44, 0.59), "chin": (0.45, 0.84)}
    for name, point in looked_at.items():
        assert points[name] == pytest.approx(point, abs=0.02), name
