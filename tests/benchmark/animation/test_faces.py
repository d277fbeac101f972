"""Source and driver are cropped to one face, unless they are head crops; what is done is said."""

import sys

import numpy as np
import pytest
from painted_faces import painted

from talkbench.benchmark.animation import faces, inputs
from talkbench.benchmark.animation.faces import animates_bodies, detect
from talkbench.core.images import read_image, write_png

HEAD = (20, 12, 44, 52)  # in a picture of 64x64
PHOTO = (160, 60, 180, 90)  # in one of 300x200


def frames_of(folder):
    return [read_image(path) for path in sorted(folder.iterdir())]


def write_clip(folder, *images):
    for number, image in enumerate(images):
        write_png(folder / f"{number}.png", image)
    return folder


@pytest.fixture
def head(place):
    write_png(place / "head.png", painted(64, 64, HEAD))
    return place / "head.png"


@pytest.fixture
def talk(place):
    """A driver whose face moves to the right within 120x90 pixels."""
    images = [painted(120, 90, (30 + 2 * index, 30, 50 + 2 * index, 60)) for index in range(9)]
    return write_clip(place / "talk", *images)


def test_head_crops_stay_as_they_are(drive, place, head):
    clip = write_clip(place / "clip", *[painted(64, 64, HEAD, colour=(index, 90, 90)) for index in range(6)])
    result = drive(head, clip, "--frames", "auto")
    assert result.code == 0, result.err
    assert "crop" not in result.err
    assert drive(head, clip, "--frames", "none", "--no-crop").code == 0
    for path in (place / "none").iterdir():
        assert path.read_bytes() == (place / "auto" / path.name).read_bytes()


def test_the_driver_is_cropped_by_one_square(drive, place, head, talk):
    """That around its face in the frames that are looked at, 0, 4 and 8, with a tenth on each side: as FOMM's."""
    result = drive(head, talk, "--frames", "auto")
    assert result.code == 0, result.err
    assert "the driver is 120x90: cropped to the face, 43x43 at 26,24 (--no-crop leaves it)" in result.err
    assert "the source" not in result.err
    cut = [read_image(path)[24:67, 26:69] for path in sorted(talk.iterdir())]
    assert drive(head, write_clip(place / "cut", *cut), "--frames", "cut-frames", "--no-crop").code == 0
    for one, other in zip(frames_of(place / "auto"), frames_of(place / "cut-frames"), strict=True):
        assert np.array_equal(one, other)


def test_the_source_is_cropped_so_that_its_face_is_as_large_as_the_drivers(drive, place, head, talk):
    write_png(place / "photo.png", painted(300, 200, PHOTO))
    result = drive("photo.png", talk, "--side-by-side", out="a.webp")
    assert result.code == 0, result.err
    assert "the source is 300x200: cropped to the face, 43x43 at 148,54 (--no-crop leaves it)" in result.err
    close = drive("photo.png", write_clip(place / "close", painted(64, 64, HEAD)), out="b.mp4")
    assert "the source is 300x200: cropped to the face, 48x48 at" in close.err, "the face takes 0.625 of the driver"
    small = painted(300, 200, (160, 60, 168, 72))
    write_png(place / "small.png", small)
    assert "19x19 at 154,56, enlarged 3.4 times" in drive("small.png", "close", out="c.mp4").err


def test_one_of_two_people_is_held(drive, place, head):
    """Though now the one is larger and now the other."""
    images = []
    for index in range(24):
        grown = 4 if index // 4 % 2 else 0
        images.append(painted(200, 100, (20, 20, 50, 62), (130 - grown, 20 - grown, 158 + grown, 60 + grown)))
    clip = write_clip(place / "two", *images)
    result = drive(head, clip)
    assert "number 2 of 2 faces from the left, the largest; --driving-face N takes another" in result.err
    assert "cropped to the face, 58x58 at 115,11" in result.err
    other = drive(head, clip, "--driving-face", "1")
    assert "50x50 at 10,16" in other.err
    assert "number 1 of 2 faces from the left; --driving-face N" in other.err
    refused = drive(head, clip, "--driving-face", "3", out="other.mp4")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == "bench: --driving-face 3: there are 2; choose one of them"
    assert not (place / "other.mp4").exists()


def test_a_face_that_is_seldom_seen(drive, place, head, talk):
    for number in range(9, 40):
        write_png(talk / f"{number}.png", painted(120, 90))
    assert "it is seen in 3 of the 10 frames that were looked at" in drive(head, talk).err


def test_without_a_face(drive, place, head):
    write_png(place / "wall.png", painted(96, 64))
    clip = write_clip(place / "walls", *[painted(96, 64)] * 3)
    result = drive("wall.png", clip)
    assert result.code == 0
    for what in ("source", "driver"):
        assert f"no face is found in the {what}, so it is not cropped to one" in result.err
        assert f"the {what} is 96x64: its middle 64x64 is used" in result.err
    needed = drive(head, clip, "--crop")
    assert needed.code == 2
    assert "no face is found in the driver, which --crop needs; give another driver" in needed.err.splitlines()[-1]
    assert "which --source-face needs" in drive("wall.png", clip, "--source-face", 1).err.splitlines()[-1]


def test_a_head_crop_is_cropped_where_that_is_asked_for(drive, place, head, talk):
    result = drive(head, talk, "--crop")
    assert "the source is 64x64: cropped to the face" in result.err


def test_without_a_detector(drive, place, head, talk, monkeypatch):
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    for module in (faces, inputs):
        monkeypatch.setattr(module, "can_detect", lambda: False)
    result = drive(head, talk)
    assert result.code == 0
    assert "nothing is cropped to the face: finding faces needs facenet-pytorch; pip install" in result.err
    assert "the driver is 120x90: its middle 90x90 is used" in result.err
    assert "facenet-pytorch" in drive(head, talk, "--source-face", 1).complaint()


def test_methods_of_bodies_are_left_alone():
    assert animates_bodies("mcnet@ted-384")
    assert animates_bodies("fomm@taichi-256")
    assert not animates_bodies("mcnet")
    assert not animates_bodies("mcnet@demo")
    assert not animates_bodies("an object of the caller's")


def test_large_pictures_are_searched_at_a_fraction_of_their_size(detector):
    large = painted(2900, 2200, (600, 900, 1200, 1800), colour=(40, 60, 0))
    (boxes,) = detect([large])
    assert boxes[0] == pytest.approx([600, 900, 1200, 1800], abs=4)
