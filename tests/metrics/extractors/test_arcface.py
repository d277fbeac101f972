"""ArcFace's alignment on made-up and on real faces, and its embedding with a network that is filled."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.transform import SimilarityTransform
from torch.nn import functional

from talkbench.metrics import weights
from talkbench.metrics.extractors.arcface import TEMPLATE, _iresnet50, align, similarity
from talkbench.metrics.extractors.faces import at_size
from talkbench.metrics.landmarks import POINTS


def turned(points, degrees, scale, shift):
    """Points (..., 2) rotated about the origin, scaled, and shifted."""
    angle = math.radians(degrees)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ (scale * rotation).T + shift


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


def test_it_is_the_networks_answer_to_the_aligned_crop(load, faces, found):
    extractor = load("arcface-r50")
    state = load_file(weights.path("arcface-r50"))
    network = _iresnet50().eval().requires_grad_(False)
    network.load_state_dict(state)
    points = np.stack([face[:POINTS] for face in found])
    crops = (align(faces, points) * 255 - 127.5) / 127.5
    for embedding, theirs in zip(extractor.extract(faces), network(crops).numpy(), strict=True):
        assert (embedding.shape, embedding.dtype) == ((512,), np.float32)
        np.testing.assert_allclose(embedding, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
