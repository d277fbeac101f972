"""What every registered extractor must do, with made-up weights: of a frame with a face, with several, with none."""

import importlib.metadata
import re
import sys
from functools import partial

import model_files
import numpy as np
import pytest
import torch
from reference_fill import image

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize, to_tensor
from talkbench.metrics import weights
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import at_size

NAMES = registry.names()
EXTRACTORS = {name: metrics.create_extractor(name) for name in NAMES}
SETTINGS = {
    "mtcnn5": "743721dfef3c@size256-min40-thr0.6-0.7-0.5-box",
    "fan68": "size256-noflip-largest",
    "fan68-flip": "size256-flip-largest",
    "openface-nn4": "whole-bgr96-antialiased",
    "facenet-vggface2": "crop160-margin0-pillow",
    "arcface-r50": "aligned112-bilinear",
    "reid-resnet50": "288x144-pil-scaled-twice",
    "body-pose": "h368-mirror-sigma3-thr0.1-0.05-0.5",
    "pyfeat-2": "size256-score0.5-largest",
    "pyfeat-2-mlp": "size256-score0.5-largest",
    "pyfeat-2-multitask": "size256-score0.5-largest",
    "inception-fid": "pool2048",
    "dlib68": "size256-upsample1-largest",
    "dlib128": "chip150-padding0.25",
    "mp478": "size256-score0.5-margin1.5-largest",
    "mp52": "points146",
    "efficientnet-lite0": "size224-mean127-deviation128",
}
"""How the ids end, which nothing may change unnoticed; a new extractor needs no line here."""

WHAT = {
    "openface-nn4": "OpenFace's nn4.small2",
    "facenet-vggface2": "InceptionResnetV1 trained on VGGFace2",
    "arcface-r50": "ArcFace with a ResNet50",
    "reid-resnet50": "the re-identification ResNet50",
    "body-pose": "the body pose network",
    "inception-fid": "torch-fidelity's Inception network",
    "dlib68": "dlib's predictor of 68 landmarks",
    "dlib128": "dlib's network of face embeddings",
    "mp478": "MediaPipe's face landmarker",
    "mp52": "MediaPipe's face landmarker",
    "efficientnet-lite0": "EfficientNet-Lite0",
}
"""What the one network of an extractor is called where its file is refused."""

WHOLE = {"openface-nn4", "reid-resnet50", "inception-fid", "efficientnet-lite0"}
"""They have features of any frame."""

FOUND = {"mtcnn5", "dlib68", "mp478", *(name for name in NAMES if EXTRACTORS[name].uses)}
"""They know faces from other things: their weights are the real ones."""

ONE_BY_ONE = {
    *("mtcnn5", "fan68", "fan68-flip", "reid-resnet50", "body-pose"),
    *("dlib68", "dlib128", "mp478", "mp52", "efficientnet-lite0"),
}
"""On the CPU they take the frames of a batch one after another."""

PACKAGES = {
    "ai_edge_litert",
    "dlib",
    "face_alignment",
    "facenet_pytorch",
    "feat",
    "skimage",
    "torch_fidelity",
    "torchvision",
}

every = pytest.mark.parametrize("name", NAMES)


def shrink(patch):
    """The two slowest networks see a sixteenth of the pixels and less."""
    from face_alignment import utils

    patch.setattr("talkbench.metrics.extractors.body.HEIGHT", 64)
    patch.setattr("talkbench.metrics.extractors.fan.at_size", partial(at_size, size=64))
    patch.setattr(utils, "crop", partial(utils.crop, resolution=64))


@pytest.fixture(scope="module")
def frames(faces):
    """One face, the same in an unsound frame, nothing, four faces, colours: (5, 3, 256, 256)."""
    spoilt = faces[:1].clone()
    spoilt[0, 1, 5, 5] = torch.inf
    return torch.cat([faces[:1], spoilt, torch.zeros(1, 3, 256, 256), faces[2:], image(1)])


@pytest.fixture(scope="module", params=NAMES)
def first(request, load, frames):
    """An extractor, and the features of all frames at once, in another type and layout and with gradients."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        extractor = load(request.param)
        features = extractor.extract(frames.to(torch.float64, memory_format=torch.channels_last).requires_grad_())
    return extractor, features


@pytest.fixture
def extractor(first, monkeypatch):
    shrink(monkeypatch)
    return first[0]


@pytest.fixture
def together(first):
    return first[1]


def test_features_of_one_shape_or_none(extractor, together):
    found = [feature is not None for feature in together]
    assert found[1] is False
    assert any(found)
    if extractor.name in WHOLE:
        assert found == [True, False, True, True, True]
    if extractor.name in FOUND:
        assert found == [True, False, False, True, False]
    features = [feature for feature in together if feature is not None]
    assert {(type(feature), feature.shape, feature.dtype) for feature in features} == {
        (np.ndarray, features[0].shape, np.dtype(np.float32))
    }
    assert np.isfinite(features).all()
    assert len({feature.tobytes() for feature in features}) == len(features)


def test_a_frame_has_the_same_features_alone(extractor, together, frames):
    tolerance = 0 if extractor.name in ONE_BY_ONE else 1e-5
    for frame, feature in zip(frames.split(1), together, strict=True):
        (alone,) = extractor.extract(frame)
        assert (alone is None) == (feature is None)
        if alone is not None:
            np.testing.assert_allclose(feature, alone, rtol=tolerance, atol=tolerance * np.abs(alone).max())


def test_no_sound_frames_no_features(extractor, frames):
    assert extractor.extract(frames[:0]) == []
    assert extractor.extract(torch.full_like(frames[:2], torch.nan)) == [None, None]


@pytest.mark.parametrize("size", [(320, 320), (128, 160)])
def test_frames_of_other_sizes(extractor, together, portrait, size):
    (feature,) = extractor.extract(to_tensor(resize(portrait, size[0])[None, :, : size[1]]))
    if extractor.name in WHOLE | FOUND:
        assert feature is not None
    assert feature is None or feature.shape == next(other.shape for other in together if other is not None)


@pytest.mark.parametrize("name", [name for name in NAMES if EXTRACTORS[name].uses])
def test_what_is_given_is_not_computed(name, load, frames, monkeypatch):
    extractor = load(name)
    other = metrics.create_extractor(extractor.uses)
    together, base = extractor.extract(frames), other.extract(frames)
    monkeypatch.delattr(type(other), "extract")
    for given, computed in zip(extractor.extract(frames, base), together, strict=True):
        np.testing.assert_array_equal(given, computed)


@every
def test_the_id_names_libraries_weights_what_it_starts_from_and_settings(name, place):
    extractor, version = EXTRACTORS[name], importlib.metadata.version
    files = [place(file) for file in extractor.weights]
    parts = [name, *(f"{library}-{version(library)}" for library in extractor.libraries)]
    parts += ["-".join(weights.digest(file)[:12] for file in files)] if files else []
    parts += [EXTRACTORS[extractor.uses].full_id] if extractor.uses else []
    assert extractor.problem() is None
    assert extractor.id.startswith("@".join(parts))
    assert name not in SETTINGS or extractor.id == "@".join([*parts, SETTINGS[name]])
    card = extractor.card()
    assert (card.name, card.id, card.problem) == (name, extractor.full_id, "")
    assert card.about.endswith((".", ":"))
    metric = next(
        (metric for metric in map(metrics.create, metrics.registry.names()) if metric.extractor == name), None
    )
    assert metric is None or metric.backend() == extractor.full_id


@every
def test_libraries_wait_until_frames_come(name, place, monkeypatch):
    for module in list(sys.modules):
        if module.partition(".")[0] in PACKAGES:
            monkeypatch.delitem(sys.modules, module)
    extractor = metrics.create_extractor(name)
    for file in extractor.weights:
        place(file)
    assert extractor.id
    assert extractor.problem() is None
    assert {module.partition(".")[0] for module in sys.modules} & PACKAGES == set()


@every
def test_without_its_files_it_says_which(name, frames, tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    extractor = metrics.create_extractor(name)
    if not extractor.weights:
        assert extractor.problem() is None
        return
    with pytest.raises(TalkbenchError, match=f"^{name} needs ") as error:
        extractor.extract(frames[:1])
    assert str(error.value) == f"{name} {extractor.problem()}"
    assert all(weights.files()[file].path.rpartition("/")[2] in str(error.value) for file in extractor.weights)


@every
def test_without_the_library_it_says_what_to_install(name, frames, place, monkeypatch):
    extractor = metrics.create_extractor(name)
    for file in extractor.files():
        place(file)
    if not extractor.libraries:
        assert extractor.problem() is None
        return
    (lacking,) = extractor.libraries

    def version(library):
        if library == lacking:
            raise importlib.metadata.PackageNotFoundError(library)
        return importlib.metadata.version(library)

    monkeypatch.setattr("talkbench.metrics.interface.version", version)
    problem = f"needs {lacking}: pip install 'talkbench[full]'"
    assert extractor.problem() == problem
    with pytest.raises(TalkbenchError, match=rf"^\S+ {re.escape(problem)}$"):  # or what it starts from says so
        extractor.extract(frames[:1])


@pytest.mark.parametrize("name", [name for name in NAMES if len(EXTRACTORS[name].weights) == 1])
@pytest.mark.parametrize("damage", ["truncated", "another's"])
def test_a_file_that_is_not_it_is_one_line(name, damage, faces, place):
    (file,) = EXTRACTORS[name].weights
    size = place(file).stat().st_size
    with place(file).open("rb") as whole:
        beginning = whole.read(min(100_000, size // 2))
    path = place(file, torch.nn.Linear(2, 3).state_dict())
    if damage == "truncated":
        path.write_bytes(beginning)
    remedy = weights.remedy(weights.files()[file])
    with pytest.raises(TalkbenchError) as error:
        metrics.create_extractor(name).extract(faces[:1])
    what = re.escape(WHAT[name]) if name in WHAT else ".+"
    begin, end = rf"{re.escape(str(path))} is not {what} \(", re.escape(f"); delete it and fetch it anew: {remedy}")
    assert re.fullmatch(f"{begin}.+{end}", str(error.value))


def test_every_file_can_be_filled(place):
    assert model_files.FILES.keys() <= weights.files().keys()
    for name in weights.files().keys() - model_files.FILES.keys():
        assert place(name).stat().st_size
