"""Five landmarks on real faces, on frames without one, and what an extraction leaves behind."""

import importlib.machinery
import importlib.metadata
import importlib.util
import sys

import numpy as np
import torch
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.images import resize, to_tensor
from talkbench.metrics.landmarks import POINTS


def test_a_face_has_its_points_where_they_are(mtcnn, faces):
    for left_eye, right_eye, nose, left_mouth, right_mouth in (face[:POINTS] for face in mtcnn.extract(faces)):
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    portrait = mtcnn.extract(faces[:1])[0]
    by_eye = [[106, 113], [143, 112], [123, 136], [107, 150], [146, 149]]
    assert portrait.dtype == np.float32
    assert portrait.shape == (7, 2)
    np.testing.assert_allclose(portrait[:POINTS], by_eye, atol=4)


def test_the_box_holds_the_points_and_is_the_librarys(mtcnn, faces):
    from facenet_pytorch import MTCNN

    for image, face in zip(faces, mtcnn.extract(faces), strict=True):
        left_top, right_bottom = face[POINTS:]
        assert np.all((left_top < face[:POINTS]) & (face[:POINTS] < right_bottom))
        frame = image.mul(255).round().permute(1, 2, 0).byte().numpy()
        boxes, _ = MTCNN(min_face_size=40, thresholds=[0.6, 0.7, 0.5], keep_all=True).detect(frame)
        boxes = boxes.astype(float)
        widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
        np.testing.assert_allclose(face[POINTS:].ravel(), boxes[np.argmax(widths * heights)], atol=1e-3)


def test_of_several_faces_the_largest_is_taken(mtcnn, faces):
    face = mtcnn.extract(faces[2:])[0]
    assert np.all((face[:POINTS] > [205, 118]) & (face[:POINTS] < [243, 166]))  # not the one with the highest score


def test_points_are_in_pixels_at_256_whatever_the_size(mtcnn, portrait):
    at = {size: mtcnn.extract(to_tensor(resize(portrait, size)[None]))[0] for size in (128, 256, 512)}
    for size in (128, 512):
        assert np.abs(at[size] - at[256]).mean() < 1.5


def test_a_moved_face_has_moved_points(mtcnn, faces):
    here, there = mtcnn.extract(torch.cat([faces[:1], faces[:1].roll((12, 20), (2, 3))]))
    np.testing.assert_allclose((there - here)[:POINTS], np.tile([20, 12], (POINTS, 1)), atol=4)


def test_frames_without_a_face_have_none(mtcnn):
    noise = torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    blank = torch.zeros(1, 3, 256, 256)
    assert mtcnn.extract(torch.cat([blank + 0.5, blank + 1, noise])) == [None] * 3


def test_importing_the_library_and_loading_the_networks_change_nothing(monkeypatch):
    for module in list(sys.modules):
        if module.partition(".")[0] == "facenet_pytorch":
            monkeypatch.delitem(sys.modules, module)
    with unchanged():
        metrics.create_extractor("mtcnn5").extract(torch.zeros(1, 3, 256, 256))
    assert "facenet_pytorch" in sys.modules


def test_a_metric_says_what_its_extractor_lacks(monkeypatch):
    def version(library):
        raise importlib.metadata.PackageNotFoundError(library)

    monkeypatch.setattr("talkbench.metrics.interface.version", version)
    card = metrics.create("missing-face-rate").card()
    assert card.problem == "needs facenet-pytorch: pip install 'talkbench[full]'"
    assert card.backend == ""


def test_without_the_weights_it_says_which(monkeypatch, tmp_path):
    spec = importlib.machinery.ModuleSpec("facenet_pytorch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pnet.pt").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert "lacks its weights rnet.pt, onet.pt" in metrics.create_extractor("mtcnn5").problem()
