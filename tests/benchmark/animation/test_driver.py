"""`bench animate` with drivers of all kinds: their time stamps, their sound, their shape and their damage."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from made_videos import damaged_end, write_video

from talkbench.core.images import read_image, write_png


@pytest.fixture
def animate(bench, place):
    write_png(place / "face.png", np.full((64, 64, 3), 120, np.uint8))
    command = ("animate", "--method", "blend", "--source", "face.png", "--set", "side=64", "--out", "result.mp4")
    return lambda driving, *options: bench(*command, "--no-crop", "--driving", driving, *options)


def lengths(path):
    """When the frames of a video are shown, how long it is, and the length of its sound; all in seconds."""
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        stream = container.streams.video[0]
        length = float(stream.duration * stream.time_base)
    return times, length, len(waves(path)) / 48000


def waves(path):
    """The sound of a video, one channel, from the moment of its first frame."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0)
        frames = list(container.decode(audio=0))
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        skipped = round(frames[0].time * 48000)
        return samples[max(0, -skipped) :] if skipped < 0 else np.concatenate([np.zeros(skipped), samples])


EVEN = [index * 40 for index in range(46) if index % 3 == 0]  # two of three frames dropped
UNEVEN = [*EVEN[:5], *(stamp + 200 for stamp in EVEN[5:])]


@pytest.mark.parametrize("ending", ["webm", "mp4", "mkv"])
@pytest.mark.parametrize("stamps", [EVEN, UNEVEN])
def test_a_varying_rate_is_kept(animate, place, ending, stamps):
    codec = "libvpx-vp9" if ending == "webm" else "libx264"
    driver = write_video(place / f"slow.{ending}", codec, images=16, milliseconds=stamps, sound=2.5)
    result = animate(driver)
    assert result.code == 0, result.err
    times, length, sound = lengths(place / "result.mp4")
    assert times == pytest.approx([stamp / 1000 for stamp in stamps], abs=0.001)
    assert stamps[-1] / 1000 < length < stamps[-1] / 1000 + 0.15
    assert sound == pytest.approx(length, abs=0.03)


def test_the_sound_is_kept_in_step(animate, place):
    driver = write_video(place / "talk.mp4", images=20, sound=0.8)
    assert animate(driver).code == 0
    _, length, sound = lengths(place / "result.mp4")
    assert (length, sound) == (pytest.approx(0.8), pytest.approx(0.8, abs=0.03))
    with av.open("result.mp4") as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    one, other = waves(driver)[4000:30000], waves(place / "result.mp4")[4000:30000]
    shifts = range(-960, 960, 8)  # a wave of 440 Hz is 109 samples long
    best = max(shifts, key=lambda shift: float(one[1000:20000] @ other[1000 + shift : 20000 + shift]))
    assert min(best % 109.09, 109.09 - best % 109.09) < 12
    assert np.abs(other).max() == pytest.approx(np.abs(one).max(), rel=0.1)


def test_sound_that_begins_later_stays_later(animate, place):
    whole = write_video(place / "talk.mp4", images=20, sound=0.4)
    with av.open(str(whole)) as source, av.open("late.mkv", "w") as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in source.streams}
        for packet in filter(bytes, source.demux()):
            late = round(0.3 / packet.time_base) if packet.stream.type == "audio" else 0
            packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)
    assert animate("late.mkv").code == 0
    heard = np.flatnonzero(np.abs(waves(place / "result.mp4")) > 0.1)
    assert heard[0] / 48000 == pytest.approx(0.3, abs=0.03)
    assert heard[-1] / 48000 == pytest.approx(0.7, abs=0.05)


def test_without_sound(animate, place):
    driver = write_video(place / "talk.mp4", images=5, sound=0.2)
    assert animate(driver, "--no-sound").code == 0
    assert len(waves(place / "result.mp4")) == 0


def test_a_damaged_end(animate, place):
    whole = write_video(place / "whole.mp4", images=22, options={"x264-params": "bframes=0"}, sound=0.88)
    driver = damaged_end(place / "end.mp4", whole, 3)
    complaint = animate(driver, "--strict").complaint()
    assert "frame 19 of" in complaint
    assert complaint.endswith("leave --strict out to go on without")
    assert not (place / "result.mp4").exists()
    result = animate(driver, "--frames", "frames")
    assert result.code == 0, result.err
    assert f"warning: 3 of the 22 frames of {driver} cannot be read, the first is 19" in result.err
    assert result.out == "video   result.mp4   (19 frames, 64x64; 3 of the driver's cannot be read)\n"
    times, length, sound = lengths(place / "result.mp4")
    assert (len(times), length, sound) == (19, pytest.approx(0.76), pytest.approx(0.76, abs=0.03))
    assert len(list((place / "frames").iterdir())) == 19


def test_frames_of_a_folder_that_cannot_be_read(animate, place, clips):
    """The frame before is shown for as long."""
    shutil.copytree(clips / "a", place / "clip")
    for name in ("0", "5"):
        (place / "clip" / f"{name}.png").write_text("broken")
    result = animate("clip")
    assert result.code == 0, result.err
    assert "2 of the 8 frames of clip cannot be read, the first is 0" in result.err
    times, length, _ = lengths(place / "result.mp4")
    assert (times, length) == (pytest.approx([0, 0.04, 0.08, 0.12, 0.2, 0.24]), pytest.approx(0.28))
    assert "clip/0.png" in animate("clip", "--strict").complaint()
    for path in (place / "clip").iterdir():
        path.write_text("broken")
    assert "no frame of clip can be read; give another driver" in animate("clip").complaint()


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(60), Fraction(30000, 1001), Fraction(12)])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_rates_are_kept_exactly(animate, place, rate, ending):
    driver = write_video(place / f"driver.{ending}", images=10, rate=rate, sound=0.3)
    assert animate(driver).code == 0
    times, length, _ = lengths(place / "result.mp4")
    assert times == pytest.approx([float(index / rate) for index in range(10)])
    assert length == pytest.approx(float(10 / rate))
    with av.open("result.mp4") as container:
        assert container.streams.video[0].average_rate == rate


def test_a_driver_that_was_cut_off(animate, place):
    data = write_video(place / "cut.mkv").read_bytes()
    (place / "cut.mkv").write_bytes(data[: len(data) // 2])
    result = animate("cut.mkv")
    assert result.code == 0
    assert "warning: cut.mkv: it declares 0.96 s and ends after" in result.err
    assert "leave --strict out" in animate("cut.mkv", "--strict").complaint()


def test_what_is_not_square_is_cut_to_its_middle(animate, place):
    """The method of the tests takes the mean of source and driver."""
    source = np.zeros((96, 64, 3), np.uint8)
    source[16:80] = 100
    write_png(place / "face.png", source)
    driver = np.zeros((48, 80, 3), np.uint8)
    driver[:, 16:64] = 200
    path = write_video(place / "wide.mp4", images=[driver] * 2, options={"qp": "0"})
    result = animate(path, "--motion", "absolute", "--frames", "frames")
    assert "the source is 64x96: its middle 64x64 is used; crop it yourself to choose" in result.err
    assert "the driver is 80x48: its middle 48x48 is used; crop it yourself to choose" in result.err
    frame = read_image(place / "frames" / "0000000.png")
    assert frame.min() > 130, "nothing of the black on either side"
    square = animate(write_video(place / "square.mp4", images=[driver[:, 16:64]] * 2), "--source", "frames/0000000.png")
    assert "middle" not in square.err
    padded = animate(path, "--motion", "absolute", "--frames", "padded", "--fit", "pad")
    assert "the source is 64x96: it is padded with black to 96x96" in padded.err
    frame = read_image(place / "padded" / "0000000.png").astype(int)
    assert frame[:3].max() < 10 < 130 < frame[frame.shape[0] // 2, frame.shape[1] // 2].min()
    assert "the driver is 80x48: it is squeezed to a square" in animate(path, "--fit", "squeeze").err


def test_a_gif_drives(animate, place):
    assert animate(write_video(place / "face.gif", "gif", images=6, pixels="gray")).code == 0
    times, length, _ = lengths(place / "result.mp4")
    assert (len(times), length) == (6, pytest.approx(0.24))
