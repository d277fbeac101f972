"""The face mesh and the blendshapes on real faces with the real networks, and files that are not theirs."""

import re
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize, to_tensor
from talkbench.metrics.extractors import face_mesh
from talkbench.metrics.mesh import LANDMARKS, head_angles

POINTS = [1, 10, 33, 61, 152, 263, 291, 468]  # nose, forehead, eye, mouth, chin, eye, mouth, iris
STORED = [
    [(106, 168), (103, 64.5), (62, 129), (86.5, 198.5), (120, 247), (163, 123.5), (148.5, 194.5), (74, 127.5)],
    [(138, 146.5), (89.5, 70.5), (66.5, 141), (105.5, 194), (171.5, 227.5), (154, 97), (172.5, 161), (80, 132.5)],
    [(133, 147.5), (127, 52), (84.5, 110.5), (100, 171.5), (137, 226.5), (174.5, 105.5), (169, 168), (97.5, 109.5)],
]
"""Of the three frames of `people`, looked at in a picture."""

BLINK, SMILE = slice(9, 11), slice(44, 46)  # left and right


@pytest.fixture(scope="module")
def mp478(load):
    return load("mp478")


@pytest.fixture(scope="module")
def mp52(load):
    return load("mp52")


def test_points_are_where_they_were(mp478, people):
    for mesh, expected in zip(mp478.extract(people), STORED, strict=True):
        assert (mesh.shape, mesh.dtype) == ((478, 3), np.float32)
        np.testing.assert_allclose(mesh[POINTS, :2], expected, atol=1)
        assert mesh[1, 2] < mesh[[33, 263, 152], 2].min() - 20  # the nose is nearer


def test_the_68_points_are_those_of_dlib(mp478, load, people):
    for mesh, points in zip(mp478.extract(people), load("dlib68").extract(people), strict=True):
        assert np.linalg.norm(mesh[LANDMARKS, :2] - points, axis=1).mean() < 7


@pytest.mark.parametrize("angle", [-25, 15, 30])
def test_an_image_turned_in_its_plane_has_that_roll(mp478, portrait, angle):
    image = Image.fromarray(resize(portrait, 256))
    turned = np.asarray(image.rotate(-angle, Image.Resampling.BICUBIC))  # Pillow turns the other way
    straight, tilted = head_angles(np.stack(mp478.extract(to_tensor(np.stack([np.asarray(image), turned])))))
    pitch, yaw, roll = tilted - straight
    assert roll == pytest.approx(angle, abs=2)
    assert abs(pitch) < 4
    assert abs(yaw) < 4


def test_a_mirrored_face_looks_to_the_other_side(mp478, people):
    here, there = head_angles(np.stack(mp478.extract(torch.cat([people[1:2], people[1:2].flip(3)]))))
    np.testing.assert_allclose(there, here * (1, -1, -1), atol=3)
    assert here[2] < -20


def test_eyes_and_smiles_show_in_the_blendshapes(mp52, people):
    half_closed, tilted, smiling = mp52.extract(people)
    assert (half_closed.shape, half_closed.dtype) == ((52,), np.float32)
    assert all(values.min() >= 0 and values.max() <= 1 for values in (half_closed, tilted, smiling))
    assert half_closed[BLINK].mean() > 0.45 > 0.25 > tilted[BLINK].mean()
    assert min(smiling[SMILE].mean(), tilted[SMILE].mean()) > 0.7 > half_closed[SMILE].mean()


def test_of_several_faces_the_largest_is_taken(mp478, faces, people):
    small = torch.nn.functional.interpolate(people[2:], (100, 100), mode="bilinear", antialias=True)
    two = people[:1].clone()
    two[..., 156:, 156:] = small
    (alone,), (together,) = mp478.extract(people[:1]), mp478.extract(two)
    np.testing.assert_allclose(together[33, :2], alone[33, :2], atol=3)
    (mesh,) = mp478.extract(faces[2:])  # four people
    assert np.ptp(mesh[:, 1]) < 100


def test_a_face_that_the_border_cuts(mp478, people):
    shifted = people[:1].roll(-75, 3)
    shifted[..., -75:] = 0
    (mesh,), (whole,) = mp478.extract(shifted), mp478.extract(people[:1])
    assert mesh[:, 0].min() < 0
    assert np.abs(mesh[:, 0] + 75 - whole[:, 0]).mean() < 8
    gone = people[:1].roll(-170, 3)
    gone[..., -170:] = 0
    assert mp478.extract(gone) == [None]


def test_grey_frames(mp478, people):
    grey = people[:1].mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    (mesh,), (colour,) = mp478.extract(grey), mp478.extract(people[:1])
    assert np.abs(mesh[:, :2] - colour[:, :2]).mean() < 2


def test_frames_without_a_face_have_none(mp478, mp52, people):
    noise = torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    frames = torch.cat([noise, torch.zeros(1, 3, 256, 256), people[:1].flip(2)])  # the last is upside down
    assert mp478.extract(frames) == mp52.extract(frames) == [None] * 3


def test_the_library_s_notes_are_not_shown(place, people, capfd):
    place("face-landmarker")
    metrics.create_extractor("mp52").extract(people[:1])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("no zip", "it is no zip file, or a damaged one"),
        ("another zip", r"it has no (face_detector|face_blendshapes)\.tflite"),
        ("another network", r"(face_detector|face_blendshapes)\.tflite: .+"),
    ],
)
@pytest.mark.parametrize("name", ["mp478", "mp52"])
def test_a_file_that_is_not_the_landmarker_is_named_in_one_line(name, how, reason, place, people):
    path = place("face-landmarker", {})
    if how == "no zip":
        path.write_bytes(b"no zip" * 1000)
    else:
        with zipfile.ZipFile(path, "w") as bundle:
            for network in ("face_detector", "face_blendshapes") if how == "another network" else ("nose",):
                bundle.writestr(f"{network}.tflite", b"no network" * 100)
    with pytest.raises(TalkbenchError) as error:
        metrics.create_extractor(name).extract(people[:1])
    begin = rf"{re.escape(str(path))} is not MediaPipe's face landmarker \("
    assert re.fullmatch(
        rf"{begin}{reason}\); delete it and fetch it anew: bench weights pull face-landmarker", str(error.value)
    )


def candidate(anchor, centre, size):
    """A row of the detector's output for a box, as offsets from an anchor in pixels of its input."""
    x, y = (np.array(centre) - face_mesh.anchors()[anchor]) * face_mesh.INPUT
    return [x, y, *(np.array(size) * face_mesh.INPUT), *[x, y] * 6]


def test_anchors_are_the_centres_of_two_grids():
    anchors = face_mesh.anchors()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2, 32]], [(1 / 32, 1 / 32)] * 2 + [(3 / 32, 1 / 32), (1 / 32, 3 / 32)])
    np.testing.assert_allclose(
        anchors[[512, 517, 518, 895]], [(1 / 16, 1 / 16)] * 2 + [(3 / 16, 1 / 16), (15 / 16,) * 2]
    )


def test_boxes_of_one_face_are_averaged_by_their_scores():
    values, scores = np.zeros((896, 16)), np.zeros(896)
    values[100], scores[100] = candidate(100, (0.5, 0.5), (0.2, 0.2)), 0.9
    values[102], scores[102] = candidate(102, (0.52, 0.5), (0.2, 0.2)), 0.6
    values[600], scores[600] = candidate(600, (0.2, 0.8), (0.3, 0.1)), 0.5
    values[700], scores[700] = candidate(700, (0.1, 0.1), (0.3, 0.3)), 0.49
    first, second = face_mesh.merged(values, scores)
    np.testing.assert_allclose(first, [0.408, 0.4, 0.608, 0.6, *[0.508, 0.5] * 6, 0.9], atol=1e-9)
    np.testing.assert_allclose(second, [0.05, 0.75, 0.35, 0.85, *[0.2, 0.8] * 6, 0.5], atol=1e-9)
    assert len(face_mesh.merged(values, np.zeros(896))) == 0


def test_overlap_is_intersection_over_union():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 3, 3], [1, 1, 1, 1]])
    np.testing.assert_allclose(face_mesh.overlap(boxes, boxes[0]), [1, 1 / 3, 0, 0])
    np.testing.assert_allclose(face_mesh.overlap(boxes[3:], boxes[3]), [0])


def test_a_square_is_cut_turned_and_scaled():
    frame = torch.arange(256.0).expand(1, 3, 256, 256) / 255  # x
    whole = face_mesh.square(frame, np.array([128, 128]), 256, 0.0, 128)
    np.testing.assert_allclose(whole[0, 5, :, 0], (np.arange(128) * 2 + 0.5) / 255, atol=1e-6)
    quarter = face_mesh.square(frame, np.array([64, 100]), 20, np.pi / 2, 10)
    np.testing.assert_allclose(quarter[0, :, 3, 1], (64 + 10 - 1 - np.arange(10) * 2 - 0.5) / 255, atol=1e-6)
    outside = face_mesh.square(frame, np.array([256, 128]), 20, 0.0, 10)
    assert (outside[0, :, 6:] == 0).all()
