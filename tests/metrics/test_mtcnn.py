"""Five landmarks on real faces, on frames without one, and what an extraction leaves behind."""

import importlib.machinery
import importlib.metadata
import importlib.util
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
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


def test_frames_without_a_face_have_none(mtcnn, faces):
    noise = torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    blank = torch.zeros(1, 3, 256, 256)
    spoilt = faces[:1].clone()
    spoilt[0, 0, 0, 0] = torch.inf
    assert mtcnn.extract(torch.cat([blank, blank + 0.5, blank + 1, noise, spoilt])) == [None] * 5
    assert mtcnn.extract(blank[:0]) == []


def test_a_batch_gives_what_single_frames_give(mtcnn, faces):
    batch = torch.cat([faces[:2], torch.zeros(1, 3, 256, 256), faces[2:]])
    together = mtcnn.extract(batch)
    for alone, points in zip((mtcnn.extract(image) for image in batch.split(1)), together, strict=True):
        if points is None:
            assert alone == [None]
        else:
            np.testing.assert_array_equal(alone[0], points)
    assert [points is None for points in together] == [False, False, True, False]


def test_nothing_around_it_changes(mtcnn, faces):
    def state():
        return (
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.backends.cudnn.conv.fp32_precision,
            torch.backends.cudnn.benchmark,
            torch.get_rng_state().tolist(),
            list(warnings.filters),
        )

    threads = torch.get_num_threads()
    plain = mtcnn.extract(faces)
    try:
        torch.set_num_threads(2)
        weight = torch.ones(3, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            before = state()
            surrounded = mtcnn.extract(faces * weight[0])
            assert state() == before
        (weight * 2).sum().backward()
    finally:
        torch.set_num_threads(threads)
    assert weight.grad.tolist() == [2, 2, 2]
    np.testing.assert_array_equal(surrounded, plain)


def test_loading_the_networks_changes_nothing_either():
    code = """if True:
        import sys, warnings, torch
        from talkbench import metrics
        extractor = metrics.create_extractor("mtcnn5")
        extractor.id, extractor.problem()
        assert "facenet_pytorch" not in sys.modules
        before = torch.get_rng_state(), list(warnings.filters), torch.get_num_threads(), torch.is_grad_enabled()
        extractor.extract(torch.zeros(1, 3, 256, 256))
        after = torch.get_rng_state(), list(warnings.filters), torch.get_num_threads(), torch.is_grad_enabled()
        assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_id_names_library_weights_and_settings(mtcnn):
    assert mtcnn.id == metrics.create("akd@mtcnn5").backend()
    assert mtcnn.id.startswith("mtcnn5@facenet-pytorch-2.5.3@743721dfef3c@size256-min40-")


def test_without_the_library_it_says_what_to_install(monkeypatch, faces):
    def version(library):
        raise importlib.metadata.PackageNotFoundError(library)

    monkeypatch.setattr("talkbench.metrics.interface.version", version)
    card = metrics.create("missing-face-rate").card()
    assert card.problem == "needs facenet-pytorch: pip install 'talkbench[full]'"
    assert card.backend == ""
    with pytest.raises(TalkbenchError, match=r"mtcnn5 needs facenet-pytorch: pip install 'talkbench\[full\]'"):
        metrics.create_extractor("mtcnn5").extract(faces)


def test_without_the_weights_it_says_which(monkeypatch, tmp_path):
    spec = importlib.machinery.ModuleSpec("facenet_pytorch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pnet.pt").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert "lacks its weights rnet.pt, onet.pt" in metrics.create_extractor("mtcnn5").problem()
