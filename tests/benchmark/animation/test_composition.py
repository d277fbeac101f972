"""Source, driver and result beside one another, and faces put back where they were cut out."""

import numpy as np
import pytest
from painted_faces import painted
from PIL import Image

from talkbench.benchmark.animation.composition import PasteBack, beside
from talkbench.core.images import read_image, write_png

FACE = (100, 50, 140, 110)


@pytest.fixture
def photo(place):
    write_png(place / "photo.png", painted(251, 201, FACE))
    return place / "photo.png"


@pytest.fixture
def still(place):
    write_png(place / "driver.png", painted(64, 64, (20, 12, 44, 52)))
    return place / "driver.png"


def test_panels_have_the_height_of_the_last():
    panels = [np.zeros((10, 20, 3), np.uint8), np.full((40, 40, 3), 9, np.uint8), np.ones((20, 30, 3), np.uint8)]
    image = beside(panels)
    assert image.shape == (20, 40 + 20 + 30, 3)
    assert [image[10, column, 0] for column in (5, 50, 80)] == [0, 9, 1]


@pytest.mark.parametrize("out", ["a.mp4", "a.webp", "a.gif", "a.png"])
def test_source_driver_and_result_side_by_side(drive, place, photo, still, out):
    result = drive(photo, still, "--side-by-side", out=out)
    assert result.code == 0, result.err
    assert result.out == f"{'video' if out == 'a.mp4' else 'image'}   {out}   (1 frame, 192x64)\n"
    if out == "a.png":
        image = read_image(place / out).astype(int)
        assert np.array_equal(image[:, 64:128], read_image(still)), "the driver as the method sees it"
        assert np.abs(image[:, 128:] - (image[:, :64] + image[:, 64:128]) / 2).max() <= 1


def test_the_face_is_put_back(drive, place, photo, still):
    """Beyond the square the picture is as it was, and its edge is seen nowhere."""
    result = drive(photo, still, "--paste-back", out="a.png")
    assert result.code == 0, result.err
    assert "(1 frame, 250x200)" in result.out
    assert "the source is 251x201: cropped to the face, 96x96 at 72,32" in result.err
    picture, image = read_image(photo)[:200, :250].astype(int), read_image(place / "a.png").astype(int)
    inside = np.zeros((200, 250), bool)
    inside[32:128, 72:168] = True
    change = np.abs(image - picture).max(axis=2)
    assert change[~inside].max() == 0
    assert change[32, 72:168].max() < 4
    assert change[60:100, 150:155].min() > 5, "the driver's background is another one"


def test_a_square_at_the_border_does_not_fade_there():
    picture = np.full((60, 80, 3), 50, np.uint8)
    image = PasteBack(picture, (0, 20, 40), 1920)(np.full((64, 64, 3), 250, np.uint8))
    assert (image[25:55, 0] == 250).sum() > 40
    assert image[40, 39, 0] < 60
    assert (image[:20] == 50).all()
    assert (image[:, 40:] == 50).all()
    assert image[40, 20, 0] == 250
    steps = np.diff(image[40, :, 0].astype(int))
    assert (steps <= 0).all()
    assert steps.min() > -90, "no edge"


def test_a_large_picture_is_made_smaller(drive, place, still):
    large = Image.fromarray(painted(251, 201, FACE)).resize((2510, 2010))
    large.save(place / "large.png")
    result = drive("large.png", still, "--paste-back")
    assert "the source is 2510x2010: the face is put back into it at 1920x1536" in result.err
    assert "(1 frame, 1920x1536)" in result.out
    assert "at 640x512" in drive("large.png", still, "--paste-back", out="a.gif").err
    both = drive("large.png", still, "--paste-back", "--side-by-side", out="a.png")
    assert "(1 frame, 2688x768)" in both.out


def test_nothing_to_put_back_into(drive, place, still):
    result = drive(still, still, "--paste-back")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("bench: --paste-back: nothing was cut out of the source")
    assert not (place / "result.mp4").exists()
