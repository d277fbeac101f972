"""FaceNet's embedding against the library's own pipeline, with a network that is filled and real detections."""

import math
import shutil

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from PIL import Image
from reference_fill import fill_
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize, to_tensor, to_uint8
from talkbench.metrics.faces import at_size
from talkbench.metrics.landmarks import POINTS

BLANK = torch.zeros(1, 3, 256, 256)


@pytest.fixture(scope="module")
def network():
    return fill_(InceptionResnetV1(), "facenet").requires_grad_(False)


@pytest.fixture(scope="module")
def file(network, place):
    """As the published one: with the layer of the training set's people, and with counters."""
    classes = {"logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}
    return place("facenet-vggface2", {**network.state_dict(), **classes})


@pytest.fixture(scope="module")
def extractor(file, faces, found):
    extractor = metrics.create_extractor("facenet-vggface2")
    with unchanged():  # the network is loaded here
        extractor.extract(faces[:1], found[:1])
    return extractor


def test_it_is_what_the_library_makes_of_the_largest_face(extractor, network, faces):
    library = MTCNN(min_face_size=40, thresholds=[0.6, 0.7, 0.5])  # crops 160 without margin, standardised
    some = faces[1:]
    for frame, embedding in zip(to_uint8(some), extractor.extract(some), strict=True):
        crop = library(Image.fromarray(frame))
        np.testing.assert_allclose(embedding, network(crop[None])[0], rtol=0, atol=1e-5)
        assert (embedding.shape, embedding.dtype) == ((512,), np.float32)
        assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


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
        np.testing.assert_allclose(together[i], alone, rtol=0, atol=1e-5)
    assert extractor.extract(frames[:0]) == []


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


def test_the_id_names_what_it_starts_from(extractor, mtcnn):
    assert extractor.id.startswith("facenet-vggface2@facenet-pytorch-2.5.3@")
    assert f"@{mtcnn.id}@" in extractor.id
    assert extractor.id == metrics.create("aed@facenet-vggface2").backend()


def test_the_librarys_own_copy_is_found(file, faces, found, tmp_path, monkeypatch):
    place = tmp_path / "checkpoints" / file.name
    place.parent.mkdir()
    shutil.copy(file, place)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "empty"))
    (embedding,) = metrics.create_extractor("facenet-vggface2").extract(faces[:1], found[:1])
    assert embedding.shape == (512,)
    place.unlink()
    with pytest.raises(TalkbenchError, match=r"facenet-vggface2 needs 20180402-114759-vggface2\.pt"):
        metrics.create_extractor("facenet-vggface2").extract(faces[:1], found[:1])


def test_another_models_file_is_one_line(place, faces, found, tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    place("facenet-vggface2", torch.nn.Linear(2, 3).state_dict())
    with pytest.raises(TalkbenchError, match=r"is not InceptionResnetV1 .* bench weights pull") as error:
        metrics.create_extractor("facenet-vggface2").extract(faces[:1], found[:1])
    assert "\n" not in str(error.value)
