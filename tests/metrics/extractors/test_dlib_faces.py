"""dlib's landmarks and embeddings on real faces with the real files."""

import importlib.metadata
import platform
import re

import numpy as np
import pytest
import torch
from PIL import Image

from talkbench import metrics
from talkbench.core.images import read_image, resize, to_tensor

POINTS = [0, 8, 16, 30, 36, 45, 48, 54]  # ends of the jaw and chin, nose, outer corners of eyes, corners of the mouth
STORED = [
    [(44, 129), (123, 249), (199, 121), (104, 158), (63, 130), (160, 124), (86, 200), (148, 195)],
    [(29, 167), (175, 232), (171, 95), (137, 139), (65, 141), (154, 97), (106, 193), (174, 162)],
    [(57, 112), (140, 229), (199, 104), (133, 145), (86, 110), (173, 107), (101, 172), (168, 169)],
]
"""Of the three frames of `people`, looked at in a picture."""


@pytest.fixture(scope="module")
def dlib68(load):
    return load("dlib68")


@pytest.fixture(scope="module")
def dlib128(load):
    return load("dlib128")


def test_landmarks_are_where_they_were(dlib68, people):
    for points, expected in zip(dlib68.extract(people), STORED, strict=True):
        assert (points.shape, points.dtype) == ((68, 2), np.float32)
        np.testing.assert_allclose(points[POINTS], expected, atol=1)


def test_landmarks_are_those_of_other_models(dlib68, mtcnn, people):
    """Eyes, nose and corners of the mouth lie where MTCNN sees them."""
    for points, other in zip(dlib68.extract(people), mtcnn.extract(people), strict=True):
        five = points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]
        np.testing.assert_allclose(five, other[:5], atol=12)


def test_of_several_faces_the_largest_is_taken(dlib68, faces):
    (points,) = dlib68.extract(faces[2:])
    assert np.all((points > (190, 100)) & (points < (256, 180)))


def test_the_same_person_is_nearer_than_another(dlib128, people):
    woman, tilted, man = dlib128.extract(people)
    same, others = np.linalg.norm(woman - tilted), [np.linalg.norm(face - man) for face in (woman, tilted)]
    assert same < 0.6 < min(others)
    assert same == pytest.approx(0.452, abs=0.02)
    assert 1.2 < np.linalg.norm(woman) < 1.7


def test_the_embedding_follows_the_given_points(dlib128, dlib68, people):
    base = dlib68.extract(people[:1])
    (own,), (given,) = dlib128.extract(people[:1]), dlib128.extract(people[:1], base)
    (moved,) = dlib128.extract(people[:1], [base[0] + np.float32(40)])
    np.testing.assert_array_equal(own, given)
    assert np.linalg.norm(moved - own) > 0.3


def test_a_face_that_the_border_cuts(dlib68, people):
    """Points lie beyond the border as long as the detector sees the face, then there is none."""
    shifted = people[:1].roll(-75, 3)
    shifted[..., -75:] = 0
    (points,) = dlib68.extract(shifted)
    assert points[:, 0].min() < 0
    gone = people[:1].roll(-170, 3)
    gone[..., -170:] = 0
    assert dlib68.extract(gone) == [None]


def test_grey_and_transparent_files(dlib68, portrait, tmp_path):
    """As frames are read, grey becomes three equal channels, and what is opaque stays as it is."""
    image = resize(portrait, 256)
    Image.fromarray(image).convert("L").save(tmp_path / "grey.png")
    Image.fromarray(image).convert("RGBA").save(tmp_path / "opaque.png")
    frames = np.stack([image, read_image(tmp_path / "grey.png"), read_image(tmp_path / "opaque.png")])
    colour, grey, opaque = dlib68.extract(to_tensor(frames))
    np.testing.assert_array_equal(colour, opaque)
    assert np.abs(colour - grey).mean() < 1


@pytest.mark.parametrize(
    ("marker", "remedy"),
    [
        ("python_version > '3'", r": pip install 'talkbench\[full\]'"),
        ("python_version < '3'", rf", which has no wheel for Python {platform.python_version()} on \w+ \w+"),
    ],
)
def test_a_missing_runtime_is_named_with_the_remedy_where_there_is_one(marker, remedy, monkeypatch):
    """Where talkbench's own requirement leaves the library out, nothing can be installed."""

    def version(library):
        raise importlib.metadata.PackageNotFoundError(library)

    monkeypatch.setattr("talkbench.metrics.interface.version", version)
    requirements = [f"dlib-bin>=19; ({marker}) and extra == 'full'", "numpy>=1"]
    monkeypatch.setattr("talkbench.metrics.interface.requires", lambda _: requirements)
    for name in ("akd@dlib68", "aed@dlib128"):
        assert re.fullmatch(f"needs dlib-bin{remedy}", metrics.create(name).problem())


def test_frames_without_a_face_have_none(dlib68, dlib128):
    noise = torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    frames = torch.cat([noise, torch.zeros(1, 3, 256, 256), torch.ones(1, 3, 256, 256)])
    assert dlib68.extract(frames) == dlib128.extract(frames) == [None] * 3
