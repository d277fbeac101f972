"""FaceNet's embedding against the library's own pipeline, with a network that is filled and real detections."""

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from PIL import Image

from talkbench.core.images import resize, to_tensor, to_uint8
from talkbench.metrics import weights
from talkbench.metrics.extractors.faces import at_size
from talkbench.metrics.landmarks import POINTS


@pytest.fixture(scope="module")
def extractor(load):
    return load("facenet-vggface2")


def test_it_is_what_the_library_makes_of_the_largest_face(extractor, faces):
    network = InceptionResnetV1(classify=True, num_classes=8631).eval().requires_grad_(False)
    network.load_state_dict(torch.load(weights.path("facenet-vggface2"), weights_only=True))
    network.classify = False
    library = MTCNN(min_face_size=40, thresholds=[0.6, 0.7, 0.5])  # crops 160 without margin, standardised
    some = faces[1:]
    for frame, embedding in zip(to_uint8(some), extractor.extract(some), strict=True):
        crop = library(Image.fromarray(frame))
        np.testing.assert_allclose(embedding, network(crop[None])[0], rtol=0, atol=1e-5)
        assert (embedding.shape, embedding.dtype) == ((512,), np.float32)
        assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shift", [(300, 0), (0, -300)])
def test_a_box_outside_the_frame_is_no_face(extractor, faces, found, shift):
    assert extractor.extract(faces[:1], [found[0] + np.float32(shift)]) == [None]


def test_a_box_across_the_border_is_cut_there(extractor, faces, found):
    face = found[0].copy()
    face[POINTS:] = [[-20, 60], [90, 300]]
    inside = face.copy()
    inside[POINTS:] = [[0, 60], [90, 256]]
    across, cut = (extractor.extract(faces[:1], [box])[0] for box in (face, inside))
    np.testing.assert_array_equal(across, cut)


def test_frames_of_another_size_are_scaled(extractor, portrait, found):
    large = to_tensor(resize(portrait, 512)[None])
    direct, scaled = (extractor.extract(images, found[:1])[0] for images in (large, at_size(large)))
    np.testing.assert_array_equal(direct, scaled)
