"""Five landmarks on real faces, on frames without one, and what an extraction leaves behind."""

import importlib.machinery
import importlib.metadata
import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import quantise, resize, to_tensor
from talkbench.metrics.landmarks import POINTS
from talkbench.metrics.networks import isolated


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


def test_the_box_holds_the_points(mtcnn, faces):
    for face in mtcnn.extract(faces):
        left_top, right_bottom = face[POINTS:]
        assert np.all((left_top < face[:POINTS]) & (face[:POINTS] < right_bottom))


def test_boxes_scores_and_points_have_the_bits_of_the_library(mtcnn, faces):
    from facenet_pytorch import MTCNN

    library = MTCNN(min_face_size=40, thresholds=[0.6, 0.7, 0.5], keep_all=True)
    noise = torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    many = functional.avg_pool2d(faces[:1], 4).repeat(1, 1, 4, 4)  # equal boxes with equal scores
    frames = torch.cat([faces, faces.roll(100, 3), (faces + noise) / 2, many, noise, 0 * noise])
    features = mtcnn.extract(frames)
    with isolated(threads=1):  # with more, the library's small convolutions are others
        for frame, feature in zip(frames, features, strict=True):
            frame = quantise(frame).mul(255).round()
            boxes, scores, points = library.detect(frame.permute(1, 2, 0), landmarks=True)
            found = mtcnn._cascade.faces(frame.numpy())
            assert (feature is None) == (boxes is None) == (len(found[0]) == 0)
            if boxes is not None:
                for ours, theirs in zip(found, (boxes, scores, points), strict=True):
                    np.testing.assert_array_equal(ours, theirs.astype(np.float32))
    assert sum(feature is None for feature in features) >= 2


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


def test_loading_the_networks_changes_nothing_and_imports_no_library(monkeypatch):
    for module in list(sys.modules):
        if module.partition(".")[0] == "facenet_pytorch":
            monkeypatch.delitem(sys.modules, module)
    with unchanged():
        metrics.create_extractor("mtcnn5").extract(torch.zeros(1, 3, 256, 256))
    assert "facenet_pytorch" not in sys.modules
    assert metrics.create("missing-face-rate").imported_libraries() == []
    assert metrics.create_extractor("facenet-vggface2").imported_libraries() == ["facenet-pytorch"]


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


def test_weights_of_another_network_are_one_line(monkeypatch, tmp_path):
    folder = Path(importlib.util.find_spec("facenet_pytorch").submodule_search_locations[0]) / "data"
    spec = importlib.machinery.ModuleSpec("facenet_pytorch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    (tmp_path / "data").mkdir()
    for name in ("pnet", "rnet", "onet"):
        shutil.copy(folder / "rnet.pt", tmp_path / "data" / f"{name}.pt")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(
        TalkbenchError, match=r"^\S+pnet.pt holds other weights than MTCNN's; install facenet-py\S+ again$"
    ):
        metrics.create_extractor("mtcnn5").extract(torch.zeros(1, 3, 256, 256))
