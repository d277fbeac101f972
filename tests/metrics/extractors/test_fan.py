"""68 landmarks against the library's own way to them, with filled weights: S3FD's heads are set so that it fires."""

import numpy as np
import pytest
import torch
from goldens import image
from torch.nn import functional

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import to_uint8
from talkbench.metrics import weights
from talkbench.metrics.extractors.fan import decode, largest, square

BLANK = (torch.tensor([123.0, 117.0, 104.0]) / 255).view(1, 3, 1, 1).expand(1, 3, 256, 256)
"""The colour that S3FD subtracts: all its features are zero then."""


@pytest.fixture(scope="module")
def frames():
    return torch.cat([image(1), image(2)])


@pytest.fixture(scope="module")
def fan(load):
    return load("fan68")


@pytest.fixture(scope="module")
def found(fan, frames):
    return fan.extract(frames)


@pytest.fixture(scope="module")
def library(fan):
    """face-alignment as its users build it, but for the download, and for compiling two functions in ten seconds."""
    import face_alignment
    from face_alignment import utils

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("face_alignment.api.load_file_from_url", lambda url: str(weights.path("fan-2d")))
        for name in ("transform_np", "_get_preds_fromhm"):
            patch.setattr(utils, name, getattr(utils, name).py_func)
        yield face_alignment.FaceAlignment(
            face_alignment.LandmarksType.TWO_D,
            device="cpu",
            flip_input=False,
            compile=False,
            face_detector_kwargs={"path_to_detector": str(weights.path("s3fd"))},
        )


@pytest.fixture(scope="module")
def by_library(library, frames):
    """The library's landmarks of the largest face of the first frame, its box, and the place of its score."""
    (frame, _) = to_uint8(frames)
    boxes = library.face_detector.detect_from_image(frame.copy())  # by falling score
    areas = [(right - left) * (bottom - top) for left, top, right, bottom, _ in boxes]
    place = areas.index(max(areas))
    (landmarks,) = library.get_landmarks_from_image(frame, [boxes[place]])
    return landmarks, boxes[place], place


def test_the_points_are_those_of_the_library_for_the_largest_box(found, by_library):
    landmarks, _, place = by_library
    assert place > 0  # not the one with the highest score
    np.testing.assert_array_equal(found[0], landmarks)
    for points in found:
        np.testing.assert_array_equal(points, points.round())
        assert points.dtype == np.float32
        assert points.shape == (68, 2)
        assert len(np.unique(points, axis=0)) > 10


def test_flip_averages_as_the_library_does(fan, library, by_library, frames, monkeypatch):
    _, box, _ = by_library
    monkeypatch.setattr(library, "flip_input", True)
    monkeypatch.setattr(fan, "flip", metrics.create_extractor("fan68-flip").flip)
    monkeypatch.setattr(fan, "_candidates", lambda shown: [np.array([box])])
    expected = library.get_landmarks_from_image(to_uint8(frames)[0], [box])[0]
    np.testing.assert_array_equal(fan.extract(frames[:1])[0], expected)


def test_a_batch_gives_what_single_frames_give_and_none_without_a_face(fan, frames, found, monkeypatch):
    spoilt = frames[:1].clone()
    spoilt[0, 0, 0, 0] = torch.inf
    monkeypatch.setattr(type(fan), "_cpu", False)  # all at once, as on an accelerator
    first, nothing, blank, second = fan.extract(torch.cat([frames[:1], spoilt, BLANK, frames[1:]]))
    assert (nothing, blank) == (None, None)
    np.testing.assert_array_equal(np.stack([first, second]), np.stack(found))


@pytest.mark.parametrize("on_cpu", [True, False])
def test_no_images_no_points(fan, frames, monkeypatch, on_cpu):
    monkeypatch.setattr(type(fan), "_cpu", on_cpu)
    assert fan.extract(frames[:0]) == []
    assert fan.extract(torch.full((2, 3, 64, 64), torch.nan)) == [None, None]


def test_the_networks_see_8_bit_frames_of_256_pixels(fan, frames, monkeypatch):
    seen = []

    def nothing(shown):
        seen.extend(shown)
        return [np.empty((0, 5))] * len(shown)

    monkeypatch.setattr(fan, "_candidates", nothing)
    small = functional.interpolate(frames[:1], (96, 96), mode="bilinear")
    for images in (frames[:1], frames[:1].double(), frames[:1].to(memory_format=torch.channels_last), small):
        assert fan.extract(images) == [None]
    as_is, double, channels_last, enlarged = seen
    np.testing.assert_array_equal(as_is, to_uint8(frames)[0])
    np.testing.assert_array_equal(double, as_is)
    np.testing.assert_array_equal(channels_last, as_is)
    assert enlarged.shape == (256, 256, 3)
    assert np.abs(enlarged.astype(int) - as_is).mean() < 3


def candidates(*boxes):
    return np.array(boxes, dtype=float).reshape(-1, 5)


@pytest.mark.parametrize(
    ("boxes", "chosen"),
    [
        (candidates(), None),
        (candidates((10, 10, 60, 60, 0.49)), None),
        (candidates((10, 10, 40, 40, 0.9), (100, 100, 200, 200, 0.6)), 1),
        (candidates((10, 10, 40, 40, 0.7), (100, 100, 130, 130, 0.9), (160, 10, 190, 40, 0.8)), 1),
        (candidates((10, 10, 100, 100, 0.9), (5, 5, 105, 105, 0.8)), 0),  # one face, found twice
        (candidates((10, 10, 40, 40, 0.7), (300, 100, 400, 200, 0.9)), 0),  # beyond the border
        (candidates((-200, -200, -10, -10, 0.9)), None),
    ],
)
def test_the_face_is_the_largest_in_the_frame(boxes, chosen):
    box = largest(boxes)
    assert (box is None) if chosen is None else (box == boxes[chosen]).all()


def test_peaks_become_points_as_in_the_library(library):
    from face_alignment.utils import get_preds_fromhm

    rng = np.random.default_rng(0)
    for _ in range(10):
        left, top = rng.uniform(-50, 200, 2)
        box = np.array([left, top, left + rng.uniform(8, 250), top + rng.uniform(8, 250), 0.9])
        heat = rng.standard_normal((68, 64, 64)).astype(np.float32)
        border = zip(rng.choice([0, 63], 8), rng.integers(0, 64, 8), strict=True)
        for number, (edge, along) in enumerate(border):
            heat[(number, edge, along) if number % 2 else (number, along, edge)] = 9
        heat[8, 30:33, 30:33] = 9  # a plateau: no neighbour is larger
        centre, scale = square(box)
        expected = get_preds_fromhm(heat[None], centre, scale)[1][0]
        np.testing.assert_array_equal(decode(heat, centre, scale), expected)


def test_files_that_are_of_another_model_are_named_in_one_line(frames, place, monkeypatch):
    content = place("s3fd").read_bytes()
    place("s3fd", {}).write_bytes(content[:100_000])
    extractor = metrics.create_extractor("fan68")
    place("fan-2d", {"conv1.weight": torch.zeros(1)})
    with pytest.raises(TalkbenchError, match=r"^.*s3fd.* is not the S3FD face detector \(.*weights pull s3fd$"):
        extractor.extract(frames[:1])
    monkeypatch.setattr(extractor, "_candidates", lambda shown: [candidates((50, 50, 150, 150, 0.9))])
    with pytest.raises(TalkbenchError, match=r"^.*2DFAN4.* is not the 2D FAN landmark network .*weights pull fan-2d$"):
        extractor.extract(frames[:1])
