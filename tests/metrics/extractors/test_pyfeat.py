"""py-feat's detectors on files of the real formats, whose weights the test makes up: no network, one face per image."""

import importlib.util
import socket
from types import SimpleNamespace

import model_files
import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import weights
from talkbench.metrics.extractors import pyfeat
from talkbench.metrics.networks import isolated

NAMES = ("pyfeat-2", "pyfeat-2-mlp", "pyfeat-2-multitask")


@pytest.fixture(scope="module")
def extractors(load):
    return {name: load(name) for name in NAMES}


@pytest.fixture(scope="module")
def extracted(extractors, faces):
    """Features of three frames by each."""
    return {name: extractor.extract(faces) for name, extractor in extractors.items()}


def face_finder(extractor):
    """RetinaFace within a detector."""
    detector = extractor._detector
    return detector.face_detector if extractor.name == "pyfeat-2-multitask" else detector.facepose_detector


def skip_the_face_finder(monkeypatch, name=""):
    """RetinaFace takes the longest to build, and comes first."""
    if name != "retinaface-r34":
        for module in ("feat.detector", "feat.detector_v2"):
            monkeypatch.setattr(f"{module}.Retinaface", lambda device: None)


def assert_same(rows, expected):
    for row, other in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_units_and_angles_of_each_face(name, extracted, faces):
    assert len(extracted[name]) == len(faces)
    for row in extracted[name]:
        assert row.dtype == np.float32
        assert row.shape == (25 if name == "pyfeat-2-multitask" else 23,)
        assert np.isfinite(row).all()
        assert np.all((row[:20] >= 0) & (row[:20] <= 1))


@pytest.mark.parametrize("name", NAMES)
def test_one_of_the_rows_of_the_library_in_degrees(name, extractors, extracted, faces):
    extractor = extractors[name]
    with isolated(), pyfeat._replaced(*extractor._stand_ins):
        (found,) = extractor._detector.detect_faces(faces[:1] * 255, face_detection_threshold=0.5)
        table = extractor._detector.detect(faces[:1] * 255, data_type="tensor", progress_bar=False)
    rows = table[list(extractor.columns)].to_numpy(float)
    rows[:, 20:] = np.degrees(rows[:, 20:])
    distance = np.abs(rows - extracted[name][0]).max(axis=1)
    assert distance.min() < 1e-3
    assert len(rows) > 1
    sides = found["boxes"][:, 2:] - found["boxes"][:, :2]  # those in the table are rounded, or squares around them
    assert distance.argmin() == sides.prod(dim=1).argmax()


@pytest.mark.parametrize("name", NAMES)
def test_neither_the_batch_nor_unsound_images_nor_the_format_matter(name, extractors, extracted, faces, monkeypatch):
    monkeypatch.setattr(pyfeat, "AT_ONCE", 2)
    broken = faces[:1].clone()
    broken[0, 1, 5, 5] = torch.nan
    images = torch.cat([faces[2:], broken, faces[:1]]).double().to(memory_format=torch.channels_last)
    rows = extractors[name].extract(images)
    assert rows[1] is None
    assert_same([rows[0], rows[2]], [extracted[name][2], extracted[name][0]])


def test_frames_of_another_size_are_scaled(extractors, faces):
    larger, extractor = faces[:1].repeat_interleave(2, 2).repeat_interleave(2, 3), extractors["pyfeat-2-mlp"]
    assert_same(extractor.extract(larger), extractor.extract(pyfeat.at_size(larger)))


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_largest_face_is_taken_and_none_is_none(name, extractors, faces, monkeypatch):
    small, large, faint = [90.0, 90, 150, 160, 0.99], [60.0, 50, 190, 200, 0.6], [0.0, 0, 250, 250, 0.4]
    finder = face_finder(extractors[name])
    monkeypatch.setattr(finder, "forward", lambda images: [[small, large], [], [faint]])
    rows = extractors[name].extract(faces)
    assert [row is None for row in rows] == [False, True, True]
    monkeypatch.setattr(finder, "forward", lambda images: [[large]])
    assert_same(rows[:1], extractors[name].extract(faces[:1]))


def test_ties_of_size_go_to_the_higher_score():
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 15, 15], [0, 0, 9, 11]])
    face = pyfeat.largest({"face_id": 3, "boxes": boxes, "scores": torch.tensor([0.7, 0.8, 0.9])})
    assert face.keys() == {"boxes", "scores"}
    assert face["boxes"].tolist() == [[5, 5, 15, 15]]


@pytest.mark.parametrize("box", [[float("nan")] * 4, [-20.0, 5, -30, 3], [4.0, 4, 4, 9]])
def test_a_box_without_an_area_is_no_face(box):
    assert pyfeat.largest({"boxes": torch.tensor([box]), "scores": torch.ones(1)}) is None


@pytest.mark.parametrize("length", [0.0, 0.8])
def test_landmarks_on_a_line_cost_no_other_face(length, extractors, extracted, faces, monkeypatch):
    detector = extractors["pyfeat-2-mlp"]._detector
    landmarks = detector.landmark_detector.forward
    line = 0.1 + length * torch.arange(68).repeat_interleave(2) / 67

    def collapsed(crops):
        points, features = landmarks(crops)
        points[crops.flatten(1).amax(dim=1) == 0] = line
        return points, features

    monkeypatch.setattr(detector.landmark_detector, "forward", collapsed)
    black = torch.zeros_like(faces[:1])
    rows = extractors["pyfeat-2-mlp"].extract(torch.cat([black, faces[:1]]))
    assert rows[0] is None
    assert_same(rows[1:], extracted["pyfeat-2-mlp"][:1])


def test_a_pose_that_the_library_leaves_out_is_an_error(extractors, faces, monkeypatch):
    monkeypatch.setitem(vars(extractors["pyfeat-2-mlp"]), "_pose", None)
    with pytest.raises(TalkbenchError, match=r"pyfeat-2-mlp gives no head pose; .*pose-mlp"):
        extractors["pyfeat-2-mlp"].extract(faces[:1])


@pytest.mark.parametrize(
    ("extractor", "name"),
    [
        ("pyfeat-2", "img2pose-config"),
        ("pyfeat-2", "img2pose"),
        ("pyfeat-2-mlp", "retinaface-r34"),
        ("pyfeat-2-mlp", "mobilefacenet"),
        ("pyfeat-2-mlp", "xgb-au"),
        ("pyfeat-2-mlp", "pose-mlp-config"),
        ("pyfeat-2-multitask", "face-multitask"),
    ],
)
def test_a_truncated_file_is_named_in_one_line(extractor, name, faces, place, extractors, monkeypatch):
    skip_the_face_finder(monkeypatch, name)
    path = place(name)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(TalkbenchError, match=f"is not py-feat's {name} .*bench weights pull {name}$") as error:
        metrics.create_extractor(extractor).extract(faces[:1])
    place(name)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_goes_before_those_of_the_store(extractors, tmp_path, monkeypatch):
    (tmp_path / "other.safetensors").write_text("of another model")
    monkeypatch.setenv("FEAT_POSE_MLP_PATH", str(tmp_path / "other.safetensors"))
    monkeypatch.setenv("FEAT_MULTITASK_WEIGHTS", str(tmp_path / "other.safetensors"))
    with isolated():
        pose = metrics.create_extractor("pyfeat-2-mlp")._pose
        network = metrics.create_extractor("pyfeat-2-multitask").load().multitask.model
    assert pose is not None
    theirs = extractors["pyfeat-2-multitask"]._detector.multitask.model.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in network.state_dict().items())


def test_forests_of_another_model_are_noticed_before_any_face(faces, place, extractors, monkeypatch):
    skip_the_face_finder(monkeypatch)
    model_files.units("xgb-au", hog_values=4)
    with pytest.raises(TalkbenchError, match=r"is not py-feat's xgb-au .*features"):
        metrics.create_extractor("pyfeat-2-mlp").extract(faces[:1])
    place("xgb-au")


@pytest.mark.parametrize("foreign", [np.load, socket.SocketType])
def test_a_file_that_would_run_foreign_code_is_refused(foreign, tmp_path):
    from skops.io import dump

    dump({"classifiers": foreign}, tmp_path / "file.skops")
    with pytest.raises(TalkbenchError, match=r"is not py-feat's xgb-au .it would run (numpy.load|_?socket)"):
        pyfeat._check_types(tmp_path / "file.skops", "xgb-au")


def test_files_that_are_not_known_are_refused_and_the_hub_comes_back():
    import huggingface_hub
    from feat import detector

    before = huggingface_hub.hf_hub_download, detector.hf_hub_download, detector.hf_hub_download_with_fallback
    for repository, file in (("l2cs", "l2cs_gaze360_resnet50.safetensors"), ("xgb_au", "xgb_au_classifier_v2.skops")):
        with pytest.raises(TalkbenchError, match=f"py-feat/{repository}/"), pyfeat._from_store(["mobilefacenet"]):
            detector.hf_hub_download_with_fallback(
                repo_id=f"py-feat/{repository}", filename=file, fallback_filename="old"
            )
    assert before == (huggingface_hub.hf_hub_download, detector.hf_hub_download, detector.hf_hub_download_with_fallback)


def test_suppression_by_image():
    from torchvision.ops import batched_nms

    generator = torch.Generator().manual_seed(0)
    corners, scores = torch.rand(200, 2, generator=generator) * 60, torch.rand(200, generator=generator)
    boxes, image = torch.cat([corners, corners + 20], dim=1), torch.arange(200) % 3
    kept = pyfeat.nms_by_image(boxes, scores, image, 0.4)
    assert sorted(kept.tolist()) == sorted(batched_nms(boxes, scores, image, 0.4).tolist())
    of_one = kept[image[kept] == 1]
    assert scores[of_one].tolist() == sorted(scores[of_one].tolist(), reverse=True)
    assert len(pyfeat.nms_by_image(boxes[:0], scores[:0], image[:0], 0.4)) == 0


def test_files_in_the_librarys_own_cache_are_found(tmp_path, monkeypatch):
    path = tmp_path / "resources" / "models--py-feat--xgb_au" / "snapshots" / "0" / "xgb_au_classifier_v2.skops"
    path.parent.mkdir(parents=True)
    path.touch()
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: package)
    assert weights.path("xgb-au") == path
