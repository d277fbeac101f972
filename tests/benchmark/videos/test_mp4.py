"""The video that `bench animate` writes has the time and the sound of the driver, whatever its container."""

from fractions import Fraction

import av
import numpy as np
import pytest
from made_videos import write_video

from talkbench.core.images import write_png

EIGHTH = {"g": "8", "sc_threshold": "1000000000"}  # every eighth frame is a key frame


@pytest.fixture
def animate(bench, place):
    """Animates a face with the video at a path, by a method of the tests."""
    write_png(place / "face.png", np.full((32, 32, 3), 90, np.uint8))
    command = ("animate", "--method", "blend", "--set", "side=32", "--source", "face.png", "--out", "result.mp4")
    return lambda driving, *options: bench(*command, "--no-crop", "--driving", driving, *options)


def times(path, kind: str) -> list[float]:
    """When each frame of video or of sound begins, in seconds; and the end of the last."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        packets = sorted((packet.pts, packet.duration) for packet in container.demux(stream) if packet.size)
        ends = [start + length for start, length in packets[-1:]]
        return [float(stamp * stream.time_base) for stamp in [*(start for start, _ in packets), *ends]]


def loudness(path) -> np.ndarray:
    """The mean square of the sound of every 10 ms."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].sample_rate
        pieces = [(frame.pts, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    samples = np.zeros(max(place + len(piece) for place, piece in pieces))
    for place, piece in pieces:
        samples[max(0, place) : place + len(piece)] = piece[max(0, -place) :]
    step = rate // 100
    return (samples[: len(samples) // step * step].reshape(-1, step) ** 2).mean(axis=1)


def beginning(path) -> int:
    """The first 10 ms in which there is sound."""
    return int(np.argmax(loudness(path) > 0.01))


def test_the_rate_of_the_driver_is_kept_exactly(animate, place):
    assert animate(write_video(place / "a.mkv")).code == 0
    with av.open("result.mp4") as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.duration * stream.time_base) == (25, Fraction(24, 25))
        assert not container.streams.audio


@pytest.mark.parametrize("ending", ["mp4", "webm", "mkv", "ts", "mov"])
def test_the_sound_of_the_driver_is_kept(animate, place, ending):
    codec = "libvpx" if ending == "webm" else "libx264"
    driver = write_video(place / f"talk.{ending}", codec, sound=0.96)
    assert animate(driver).code == 0
    with av.open("result.mp4") as container:
        sound = container.streams.audio[0]
        assert (sound.codec_context.name, sound.sample_rate) == ("aac", 48000)
        assert float(container.duration / av.time_base) == pytest.approx(0.96, abs=0.03)
    loud = loudness("result.mp4")
    assert (loud[3:92] > 0.05).all(), "a tone from the first frame to the last"


def late(path, video: float, sound: float, without: int = 0):
    """A video whose frames begin at `video` and whose tone begins at `sound`, in seconds; `without` so many of
    its first frames."""
    whole = write_video(path.with_name("whole.mkv"), "mpeg4", sound=0.96, options=EIGHTH)
    with av.open(str(whole)) as container, av.open(str(path), "w") as copy:
        delays = {stream.index: delay for stream, delay in zip(container.streams, (video, sound), strict=True)}
        streams = [copy.add_stream_from_template(stream) for stream in container.streams]
        frames = 0
        for packet in container.demux():
            frames += packet.stream.type == "video"
            if packet.size and (packet.stream.type == "audio" or frames > without):
                delay = round(delays[packet.stream_index] / packet.time_base)
                packet.pts, packet.dts = packet.pts + delay, packet.dts + delay
                packet.stream = streams[packet.stream_index]
                copy.mux(packet)
    return path


@pytest.mark.parametrize(("video", "sound", "begins"), [(0.0, 0.4, 40), (0.2, 0.5, 30), (0.4, 0.0, 0)])
def test_sound_is_in_step_where_it_begins_at_another_time(animate, place, video, sound, begins):
    assert animate(late(place / "late.mkv", video, sound)).code == 0
    assert beginning("result.mp4") == pytest.approx(begins, abs=3)
    assert times("result.mp4", "video")[0] == 0
    assert times("result.mp4", "audio")[-1] == pytest.approx(0.96 if sound >= video else 0.56, abs=0.04)


def test_sound_of_many_channels_and_a_rate_that_aac_lacks(animate, place):
    with av.open(str(place / "six.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        tone = container.add_stream("pcm_s16le", rate=37800, layout="5.1")
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode())
        sound = av.AudioFrame.from_ndarray(np.full((1, 6 * 7560), 9000, np.int16), format="s16", layout="5.1")
        sound.sample_rate, sound.pts = 37800, 0
        container.mux(tone.encode(sound))
    assert animate(place / "six.mkv").code == 0
    with av.open("result.mp4") as container:
        sound = container.streams.audio[0]
        assert (sound.sample_rate, sound.layout.name) == (48000, "stereo")


def test_sound_of_which_nothing_decodes(animate, place):
    path = write_video(place / "talk.mp4", sound=0.5)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    for start, size in packets:
        data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    result = animate(path)
    assert result.code == 0
    assert f"the sound of {path} cannot be decoded and is left out" in result.err
    assert len(times("result.mp4", "video")) == 25


def test_a_hole_in_the_driver_keeps_its_time(animate, place):
    options = {"x264-params": "bframes=0:keyint=8:min-keyint=8:scenecut=0"}
    driver = write_video(place / "whole.mp4", options=options)
    data = bytearray(driver.read_bytes())
    with av.open(str(driver)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][10]
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    driver.write_bytes(data)
    assert animate(driver).code == 0
    shown = [index for index in range(24) if not 10 <= index < 16]
    assert times("result.mp4", "video") == pytest.approx([*(index / 25 for index in shown), 0.96])


def test_sound_is_in_step_where_the_first_frames_cannot_be_decoded(animate, place):
    driver = late(place / "late.mkv", 0, 0.6, without=3)
    assert animate(driver).code == 0
    assert times("result.mp4", "video") == pytest.approx([index / 25 for index in range(17)])
    assert beginning("result.mp4") == pytest.approx(28, abs=3), "the first frame is shown at 0.32 s of the driver"
