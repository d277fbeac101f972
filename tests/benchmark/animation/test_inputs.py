"""Sources that are transparent or videos, and pictures that drive."""

import av
import numpy as np
import pytest
from made_videos import number, numbered, write_video
from painted_faces import painted
from PIL import Image

from talkbench.core.images import read_image, write_png

HEAD = (20, 12, 44, 52)


@pytest.fixture
def still(place):
    """A driver of one picture, black."""
    write_png(place / "black.png", np.zeros((64, 64, 3), np.uint8))
    return place / "black.png"


@pytest.fixture
def cutout(place):
    """A grey square, half transparent to the right of it, and wild colours under full transparency."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    image[..., 3] = 0
    image[16:48, 16:48] = (100, 100, 100, 255)
    image[16:48, 48:] = (100, 100, 100, 128)
    Image.fromarray(image).save(place / "cutout.png")
    return place / "cutout.png"


@pytest.mark.parametrize(("options", "colour"), [((), (255, 255, 255)), (("--background", "#00ff10"), (0, 255, 16))])
def test_what_is_transparent_is_laid_on_a_colour(drive, place, still, cutout, options, colour):
    result = drive(cutout, still, *options, out="a.png")
    assert result.code == 0, result.err
    name = options[1] if options else "white"
    assert f"the source is transparent in places and laid on {name}; --background takes another colour" in result.err
    frame = read_image(place / "a.png").astype(int)  # the mean of source and driver, which is black
    assert np.abs(2 * frame[:16] - colour).max() <= 1, "nothing of the hidden colours"
    assert np.abs(2 * frame[16:48, 16:48] - 100).max() <= 1
    assert np.abs(2 * frame[16:48, 50:] - (np.array(colour) + 100) / 2).max() <= 2


def test_what_is_opaque_is_not_spoken_of(drive, place, still):
    Image.fromarray(painted(64, 64, HEAD)).convert("RGBA").save(place / "opaque.png")
    assert "transparent" not in drive("opaque.png", still).err


def test_a_palette_with_a_transparent_colour(drive, place, still):
    picture = Image.fromarray(painted(64, 64, HEAD)).quantize(8)
    picture.save(place / "palette.png", transparency=picture.getpixel((0, 0)))
    assert "laid on white" in drive("palette.png", still, out="a.png").err
    assert read_image(place / "a.png")[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("out", ["a.mp4", "a.webp", "a.gif"])
def test_one_picture_drives(drive, place, still, cutout, out):
    """The video shows one frame for a second."""
    result = drive(cutout, still, out=out)
    assert result.code == 0, result.err
    assert "(1 frame, 64x64)" in result.out
    if out == "a.mp4":
        with av.open(out) as container:
            stream = container.streams.video[0]
            assert (stream.frames, stream.duration * stream.time_base) == (1, 1)


def test_one_picture_gives_its_pose(bench, detector, place, still, cutout):
    """Relative to itself it would move nothing."""
    command = ("animate", "--method", "blend", "--set", "side=64", "--source", cutout, "--driving", still, "--out")
    result = bench(*command, "a.png")
    assert "the driver is one frame: the face takes its pose (--motion absolute)" in result.err
    assert read_image(place / "a.png")[0, 0, 0] == 128, "half of white"
    asked = bench(*command, "b.png", "--motion", "relative-first")
    assert "warning: the driver is one frame, since which nothing moves; --motion absolute" in asked.err
    assert read_image(place / "b.png")[0, 0, 0] == 255


def test_a_video_is_the_source(drive, place, still):
    """By its first frame with a face, or by the frame of a number."""
    images = [painted(64, 64)] * 5 + [painted(64, 64, HEAD)] * 3
    write_video(place / "film.mp4", images=images, options={"qp": "0"}, pixels="yuv444p")
    result = drive("film.mp4", still, out="a.png")
    assert result.code == 0, result.err
    first = "the source is frame 5 of film.mp4, the first in which a face is found; --source-frame takes another"
    assert first in result.err
    assert read_image(place / "a.png")[30, 30, 0] > 110
    chosen = drive("film.mp4", still, "--source-frame", 2, out="b.png")
    assert chosen.code == 0
    assert "takes another" not in chosen.err
    assert read_image(place / "b.png")[30, 30, 0] < 40
    beyond = drive("film.mp4", still, "--source-frame", 8)
    assert beyond.code == 2
    assert "film.mp4 has frames 0 to 7, not 8" in beyond.err


def test_a_source_without_a_face_in_any_frame(drive, place, still):
    write_video(place / "film.mp4", images=[numbered(3, 64, 64)] * 4)
    result = drive("film.mp4", still, out="a.png")
    assert "the source is frame 0 of film.mp4, no face is found in its first 4; --source-frame takes" in result.err
    assert number(2 * read_image(place / "a.png")) == 3


def test_an_animated_picture_is_refused_in_one_line(drive, place, still, cutout):
    images = [Image.fromarray(numbered(index)) for index in range(3)]
    images[0].save(place / "moving.webp", save_all=True, append_images=images[1:])
    for pair in (("moving.webp", still), (cutout, "moving.webp")):
        result = drive(*pair)
        assert result.code == 2
        assert "cannot read the image moving.webp: it is an animation" in result.err.splitlines()[-1]
