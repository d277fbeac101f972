"""`bench figure --sources --video`: every frame of the driver, in its time and with its sound."""

from fractions import Fraction

import av
import numpy as np
import pytest
from made_videos import STEP, damaged_end, numbered, write_video
from PIL import Image

from talkbench.benchmark.sharing.moving_figure import GREY, MovingFigure
from talkbench.core.figure import SMALLEST
from talkbench.core.images import write_png
from talkbench.datasets.clips import FolderClip

KEYS = {"g": "8", "sc_threshold": "1000000000"}  # every eighth frame is a key frame


@pytest.fixture
def faces(place):
    """Two images that are not square, and a text that calls itself one."""
    for name, grey in (("one.png", 60), ("\x1b[31m<b>two.png", 120)):
        write_png(place / "faces" / name, np.full((40, 30, 3), grey, np.uint8))
    (place / "faces" / "torn.png").write_text("no image")
    return place / "faces"


@pytest.fixture
def video(bench, faces):
    """Moves the faces by the video at a path, by methods of the tests."""
    usual = ("--sources", faces, "--method", "oracle", "--video", "--out", "x.mp4")
    return lambda driver, *options: bench("figure", *usual, "--driving", driver, *options)


def opened(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = sorted((packet.pts, packet.duration) for packet in container.demux(stream) if packet.size)
        return [float(pts * stream.time_base) for pts, _ in packets], bool(container.streams.audio)


def panels(path, column: int, row: int = 0) -> list[np.ndarray]:
    """The images in a column of the figures, enlarged to 256 pixels."""
    with av.open(str(path)) as container:
        drawn = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    step, left = 256 + 4, 2 * round(0.11 * 256)
    top = drawn[0].shape[0] - 4 - 2 * step + row * step
    return [image[top : top + 256, left + column * step : left + column * step + 256] for image in drawn]


def test_rows_are_faces_and_every_frame_of_the_driver_is_shown(video, place):
    driver = write_video(place / "talk.mp4", images=12, sound=0.48)
    result = video(driver, "--batch-size", 5)
    assert result.code == 0, result.err
    assert result.out.startswith("video   x.mp4   (2 sources; 12 frames, 0.48 s, ")
    assert "warning: left out: cannot read the image" in result.err
    assert "\x1b[31m" not in result.err
    moments, has_sound = opened("x.mp4")
    assert moments == pytest.approx([index / 25 for index in range(12)])
    assert has_sound
    for column in (1, 2):  # the driver, and the oracle, which gives it back
        assert [round(float(image[:, 170:].mean()) / STEP) for image in panels("x.mp4", column)] == list(range(12))
    assert [round(float(panels("x.mp4", 0, row)[0].mean())) for row in (0, 1)] == pytest.approx([120, 60], abs=2)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(60)])
def test_the_rate_of_the_driver_is_kept(video, place, rate):
    driver = place / "driver.mp4"
    with av.open(str(driver), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index), format="rgb24")))
        container.mux(stream.encode())
    assert video(driver).code == 0
    assert opened("x.mp4")[0] == pytest.approx([float(index / rate) for index in range(5)], abs=1e-4)


def test_a_varying_rate_and_an_odd_size(video, place):
    images = [np.full((51, 37, 3), 40 * index, np.uint8) for index in range(1, 6)]
    times = [0, 40, 120, 300, 340]
    assert video(write_video(place / "webcam.mkv", images=images, pixels="yuv444p", milliseconds=times)).code == 0
    assert opened("x.mp4")[0] == pytest.approx([time / 1000 for time in times], abs=0.002)


def test_one_frame(video, place):
    write_png(place / "still" / "0.png", np.full((48, 48, 3), 90, np.uint8))
    result = video(place / "still")
    assert "1 frame, 0.04 s" in result.out
    assert len(opened("x.mp4")[0]) == 1


def test_frames_that_cannot_be_read_are_grey_and_said(video, place):
    driver = damaged_end(place / "torn.mp4", write_video(place / "whole.mp4", "mpeg4", options=KEYS), 3)
    result = video(driver)
    assert result.code == 0, result.err
    assert f"3 of the 24 frames of {driver} cannot be read and are grey, the first: 21" in result.err
    greys = [abs(float(image.mean()) - GREY) < 2 and float(image.std()) < 2 for image in panels("x.mp4", 2)]
    assert greys == [index >= 21 for index in range(24)]
    (place / "nothing").mkdir()
    (place / "nothing" / "0.png").write_text("no image")
    assert "no frame of" in video(place / "nothing").err


def test_a_face_on_which_a_method_fails_is_grey_for_these_frames(video, clips):
    result = video(clips / "a", "--method", "blend", "--set", "fault=pair", "--motion", "absolute")
    assert result.code == 0, result.err
    assert (
        result.err.count("blend fails on one.png: this frame moves nothing")
        == result.err.count("blend fails on one.png")
        == 1
    )
    greys = [abs(float(image.mean()) - GREY) < 2 for image in panels("x.mp4", 2, row=1)]
    assert greys == [index == 5 for index in range(8)]


def test_a_long_driver_is_cut_with_a_word_and_streamed(video, place, monkeypatch):
    """Ten minutes at 25 frames a second, of which two seconds are shown; never more than a batch is in memory."""
    for index in range(60):
        write_png(place / "long" / f"{index}.png", np.full((8, 8, 3), index, np.uint8))
    events: list[str] = []
    read, pixels = FolderClip._read, MovingFigure.pixels
    monkeypatch.setattr(FolderClip, "__len__", lambda clip: 15000)
    monkeypatch.setattr(FolderClip, "_read", lambda clip, index: [events.append("read"), read(clip, index)][1])
    monkeypatch.setattr(MovingFigure, "pixels", lambda figure: [events.append("drawn"), pixels(figure)][1])
    result = video(place / "long", "--seconds", 2, "--batch-size", 4)
    assert "the driver lasts 600 s; its first 2 s are shown (--seconds)" in result.err
    assert "50 frames, 2 s" in result.out
    ahead = [events[: place + 1].count("read") - events[: place + 1].count("drawn") for place in range(len(events))]
    assert max(ahead) <= 4 + 4  # and those that are looked at before


def test_a_clip_of_a_data_set_has_the_rate_of_its_card(video, clips, monkeypatch):
    from talkbench.datasets.dataset import Dataset

    monkeypatch.setattr(Dataset, "rate", lambda data, clip: Fraction(10))
    assert "8 frames, 0.8 s" in video("tiny:a", "--root", clips).out


def test_an_animated_picture(video, clips, place):
    result = video(clips / "a", "--seconds", 0.1, "--out", "x.webp")
    assert result.code == 0, result.err
    with Image.open(place / "x.webp") as picture:
        assert picture.n_frames == 3
        assert picture.size[0] >= 3 * SMALLEST


def test_methods_of_several_sizes_are_drawn_at_the_largest(video, clips):
    result = video(clips / "a", "--method", "blend", "--set", "side=64", "--motion", "absolute", "--seconds", 0.1)
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--frames", 3), "--frames is for pictures; leave it out"),
        (("--out", "x.png"), "--out x.png is no video"),
        (("--seconds", 0), "0"),
        (("--width", 2000), "2000"),
        (("--driving", "none.mp4"), "there is no clip none.mp4"),
    ],
)
def test_a_wrong_option(video, clips, options, message, place):
    result = video(clips / "a", *options)
    assert result.code == 2
    assert message in result.err
    assert not (place / "x.mp4").exists()
