"""`bench figure --sources`: a folder of images, one driver, several methods."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from talkbench.core.figure import TEXT
from talkbench.core.images import middle_square, read_image, resize, write_png


@pytest.fixture
def paintings(place):
    """A drawn face of an odd size, one in grey, a text that calls itself an image, and a folder."""
    folder = place / "paintings"
    image = Image.new("RGB", (90, 120), "skyblue")
    pen = ImageDraw.Draw(image)
    pen.ellipse((15, 20, 75, 100), "bisque", "black")
    for x in (35, 55):
        pen.ellipse((x - 5, 45, x + 5, 55), "black")
    pen.arc((30, 65, 60, 85), 20, 160, "red", 3)
    write_png(folder / "cartoon.png", np.asarray(image))
    image.convert("L").resize((256, 256)).save(folder / "grey.jpg")
    (folder / "torn.png").write_text("no image")
    (folder / "more").mkdir()
    return folder


@pytest.fixture
def figure(bench, paintings, clips):
    """Draws them; options given here come last and so win."""
    usual = ("--sources", paintings, "--driving", clips / "a", "--method", "copy-source,oracle", "--out", "out.png")
    return lambda *options: bench("figure", *usual, *options)


def panels(path, rows, columns):
    """The images in a figure whose images are 256 pixels wide."""
    drawn, gap, text = read_image(path), 4, round(TEXT * 256)
    top = drawn.shape[0] - rows * (256 + gap) - gap
    left = [2 * text + column * (256 + gap) for column in range(columns)]
    assert drawn.shape[1] == left[-1] + 256 + gap
    return [[drawn[y : y + 256, x : x + 256] for x in left] for y in range(top, top + rows * 260, 260)]


def test_rows_are_sources_and_columns_frames_with_what_each_method_makes(figure, place, clips, paintings):
    result = figure()
    assert result.code == 0, result.err
    assert result.out == "figure  out.png   (2 sources, driving frames 2, 6)\n"
    for line in (
        f"left out: {paintings / 'more'} is a folder",
        f"warning: left out: cannot read the image {paintings / 'torn.png'}: it is no PNG",
        "the source cartoon.png is 90x120: its middle 90x90 is used",
    ):
        assert line in result.err
    drawn = panels(place / "out.png", rows=2, columns=7)
    cartoon = resize(middle_square(read_image(paintings / "cartoon.png")), 256)
    frames = [resize(read_image(sorted((clips / "a").iterdir())[number]), 256) for number in (2, 6)]
    for row, source in zip(drawn, (cartoon, read_image(paintings / "grey.jpg")), strict=True):
        expected = [source, frames[0], source, frames[0], frames[1], source, frames[1]]
        assert all(np.array_equal(shown, wanted) for shown, wanted in zip(row, expected, strict=True))


def test_the_motion_is_that_of_animate(figure, place, bench, clips, paintings):
    """What bench animate writes for a source and a frame, the figure shows."""
    one = ("--method", "blend", "--frames", 1)
    command = ("animate", "--method", "blend", "--source", paintings / "cartoon.png", "--driving", clips / "a")
    for motion in ((), ("--motion", "absolute")):
        assert figure(*one, *motion, "--fit", "pad").code == 0
        assert bench(*command, *motion, "--fit", "pad", "--out", "x.mp4", "--frames", "frames").code == 0
        shown = panels(place / "out.png", rows=2, columns=3)[0][2]
        assert np.array_equal(shown, read_image(place / "frames" / "0000004.png"))


def test_methods_of_several_sizes_are_drawn_at_the_largest(figure, place):
    assert figure("--method", "blend, copy-source", "--frames", 1, "--set", "side=64").code == 2  # copy-source has none
    assert figure("--method", "blend", "--frames", 3, "--set", "side=64", "--batch-size", 2).code == 0
    assert read_image(place / "out.png").shape[1] > 7 * 192  # images of 64 pixels are enlarged, so that labels fit


def test_a_clip_of_a_data_set_drives(figure, clips, place):
    assert figure("--driving", "tiny:a", "--root", clips, "--frames", 1).code == 0
    first = (place / "out.png").read_bytes()
    assert figure("--frames", 1).code == 0
    assert (place / "out.png").read_bytes() == first
    assert "tiny has no clip 'aa'" in figure("--driving", "tiny:aa", "--root", clips).complaint()


def test_without_an_image(figure, place, paintings):
    for name in ("cartoon.png", "grey.jpg"):
        (paintings / name).unlink()
    assert "paintings holds no image that can be read; add PNG" in figure().err
    shutil.rmtree(paintings)
    assert "paintings is not a folder; give the one that holds the images" in figure().complaint()
    assert not (place / "out.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--driving", "none.mp4"), "there is no clip none.mp4; give a folder of frames or a video"),
        (("--driving", "none:a"), "there is no clip none:a"),
        (("--root", "."), "name the driver as DATASET:CLIP, or leave it out"),
        (("--frames", 9), "ask for fewer"),
        (("--motion", "avd"), "copy-source has no motion avd; it has absolute"),
        (("--method", "copy-sorce"), "did you mean copy-source"),
        (("--method", "fomm"), "fomm@vox-256: vox-cpk.pth.tar"),
        (("--checkpoint", "x.pth"), "--checkpoint is for one method"),
        (("--pairs", "3"), "--pairs is for figures of runs; leave it out"),
        (("--html", "x.html"), "--html is for figures of runs; leave it out"),
        (("--method", ""), "--sources needs --driving, what drives the faces, and --method"),
        (("runs/one",), "--sources runs methods on images, and RUNS have their frames already; leave out either"),
    ],
)
def test_a_wrong_option(figure, options, message, place):
    assert message in figure(*options).complaint()
    assert not (place / "out.png").exists()


def test_options_of_sources_without_them(bench):
    assert "--fit is for figures of --sources; leave it out" in bench("figure", "x", "--fit", "pad", "--out", "y").err
    assert "--set is for figures of --sources" in bench("figure", "x", "--set", "a=1", "--out", "y").err
    assert "name folders of runs, or --sources with --driving and --method" in bench("figure", "--out", "y").err


def test_a_source_is_not_overwritten(figure, paintings):
    before = (paintings / "cartoon.png").read_bytes()
    assert "would overwrite a source" in figure("--out", paintings / "cartoon.png").err
    assert (paintings / "cartoon.png").read_bytes() == before
