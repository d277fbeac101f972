"""`bench animate`: the video it writes, and inputs that are none."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import read_image, write_png
from talkbench.metrics.extractors.fan import Fan68Flip


def write_video(path: Path, frames: int = 12, rate: Fraction = Fraction(30000, 1001)) -> Path:
    """A square that grows brighter from frame to frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            image = np.full((48, 64, 3), 60, np.uint8)
            image[12:36, 20:44] = 80 + 10 * index
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return path


def decoded(path: Path) -> tuple[tuple[str, str, Fraction], np.ndarray]:
    """Codec, pixel format and rate of a video, and its frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        kind = (stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate)
        return kind, np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture
def face(place):
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(60, 190, (5, 7, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    write_png(place / "face.png", image)
    return place / "face.png"


@pytest.fixture
def animate(bench, face, place):
    """Animates the face with a video; options given here come last and so win."""
    driving = write_video(place / "driving.mp4")
    command = ("animate", "--method", "blend", "--source", face, "--driving", driving, "--out", "out/result.mp4")
    return lambda *options: bench(*command, "--no-crop", *options)


def test_the_video_plays(animate, place):
    result = animate()
    assert result.code == 0, result.err
    assert result.out == "video   out/result.mp4   (12 frames, 256x256)\n"
    assert "12/12" in result.err
    kind, images = decoded(place / "out" / "result.mp4")
    assert kind == ("h264", "yuv420p", Fraction(30000, 1001))
    assert images.shape == (12, 256, 256, 3)
    assert list((place / "out").iterdir()) == [place / "out" / "result.mp4"]


def test_frames_are_kept_without_loss(animate, place):
    assert animate("--frames", "frames", "--batch-size", 5, "--motion", "absolute").code == 0
    files = sorted((place / "frames").iterdir())
    assert [file.name for file in files] == [f"{index:07d}.png" for index in range(12)]
    _, images = decoded(place / "out" / "result.mp4")
    kept = np.stack([read_image(file) for file in files])
    assert np.abs(kept.astype(int) - images).mean() < 3
    # The square of the driver stands in the middle, half as bright as there.
    middle = kept[:, 128, 128].mean(axis=1)
    assert np.diff(middle) == pytest.approx(5, abs=2)


def test_motion_is_absolute_or_relative_to_the_first_frame(animate, place, face):
    """The method of the tests adds the driver's change to the source, and takes the mean with the source."""
    frames = {}
    for motion in ("absolute", "relative-first"):
        assert animate("--motion", motion, "--frames", motion, "--batch-size", 5).code == 0
        frames[motion] = np.stack([read_image(file) for file in sorted((place / motion).iterdir())]).astype(int)
    source = read_image(face)[:, 20:120]  # its middle
    assert np.abs(frames["relative-first"][0].mean(axis=(0, 1)) - source.mean(axis=(0, 1))).max() < 1
    assert np.abs(frames["absolute"][0].mean(axis=(0, 1)) - source.mean(axis=(0, 1))).max() > 5
    assert animate("--frames", "default").code == 0
    assert np.array_equal(frames["relative-first"][-1], read_image(place / "default" / "0000011.png"))


def test_any_batch_size_gives_the_same_frames(animate, place):
    assert animate("--frames", "one", "--batch-size", 1).code == 0
    assert animate("--frames", "many", "--batch-size", 64).code == 0
    for file in (place / "one").iterdir():
        assert file.read_bytes() == (place / "many" / file.name).read_bytes()


def test_a_folder_of_frames_drives_at_25_frames_per_second(animate, place, clips):
    assert animate("--driving", clips / "a").code == 0
    (_, _, rate), images = decoded(place / "out" / "result.mp4")
    assert len(images) == 8
    assert rate == 25


def test_the_size_is_the_methods_own(animate, place):
    result = animate("--set", "side=64")
    assert "64x64" in result.out
    assert decoded(place / "out" / "result.mp4")[1].shape == (12, 64, 64, 3)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "sound", "empty folder"])
def test_driving_that_is_no_video(animate, place, kind):
    path = place / "broken.mp4"
    if kind == "truncated":
        path.write_bytes((place / "driving.mp4").read_bytes()[:600])
    elif kind == "sound":
        path = path.with_suffix(".wav")
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.rate = 8000
            container.mux(stream.encode(sound))
    elif kind == "empty folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "not a video")
    assert str(path) in animate("--driving", path).complaint()
    assert not (place / "out").exists()


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "folder"])
def test_a_source_that_is_no_image(animate, place, kind):
    path = place / "broken.png"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "not an image")
    problem = f"{path} holds no frames" if kind == "folder" else f"cannot read the image {path}"
    assert problem in animate("--source", path).complaint()
    assert not (place / "out").exists()


@pytest.mark.parametrize("ending", [".mp4", ".webp", ".gif"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, TalkbenchError("enough")])
def test_what_ends_early_leaves_no_half_file(animate, place, monkeypatch, ending, stop):
    def render(self, source, motion):
        calls.append(1)
        if len(calls) == 3:
            raise stop
        return source.images

    calls = []
    monkeypatch.setattr(methods.registry.factories()["blend"], "render", render)
    result = animate("--out", f"out/result{ending}", "--batch-size", 1)
    assert result.code == (2 if isinstance(stop, TalkbenchError) else 130)
    assert list((place / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "result.avi"), "--out result.avi does not end in .mp4, .webp, .gif or .png; name one of them"),
        (("--out", "result"), "--out result does not end in .mp4, .webp, .gif or .png; name one of them"),
        (("--out", "frames.mp4"), "--out frames.mp4 is a folder; give the name of a file"),
        (("--out", "\x1b[31m.avi"), r"--out \x1b[31m.avi does not end in"),
        (("--out", "clip/12.png", "--driving", "clip"), "clip/12.png would lie among the frames of an input"),
        (("--frames", "clip", "--driving", "clip"), "--frames clip would overwrite an input; choose another folder"),
        (("--out", "result.png"), "--out result.png holds one frame and the driver has 12; give .mp4, .webp or .gif"),
        (("--background", "blurple"), "--background 'blurple' is no colour; give a name such as white, or six digits"),
        (("--background", "#ffffff80"), "--background '#ffffff80' is no colour"),
        (("--source-frame", "2"), "--source-frame chooses a frame of a video, and the source is a picture"),
        (("--source-face", "2"), "--source-face says what to crop to; leave it or --no-crop out"),
        (("--driving-face", "tallest"), "--driving-face tallest: give largest, first or a number from 1"),
        (("--paste-back", "--fit", "pad"), "--paste-back: nothing was cut out of the source; leave it out, or give"),
        (("--out", "driving.mp4"), "--out driving.mp4 would overwrite an input; choose another name"),
        (("--motion", "relative"), "unknown motion 'relative': did you mean relative-best?"),
        (("--motion", "relative-best"), "no face is found in the source; use relative-first"),
        (("--motion", "avd"), "blend has no motion avd; it has absolute, relative-first, relative-best"),
        (("--method", "blent"), "unknown method 'blent': did you mean blend?"),
        (("--device", "gpu"), "device 'gpu' cannot be used here"),
        (("--set", "nois=1"), "blend has no setting 'nois'"),
        (("--checkpoint", "x.pth"), "blend has no weights"),
    ],
)
def test_a_wrong_option_of_animate(animate, place, options, message):
    (place / "frames.mp4").mkdir()
    write_png(place / "clip" / "0.png", np.zeros((64, 64, 3), np.uint8))
    result = animate(*options)
    assert result.code == 2
    assert result.out == ""
    assert message in result.err.splitlines()[-1]
    assert not (place / "out").exists()


def test_a_folder_that_cannot_be_written(animate, place):
    (place / "out").write_text("in the way")
    result = animate()
    assert result.code == 2
    assert "cannot write out/result.mp4" in result.err.splitlines()[-1]
    frames = animate("--out", "other.mp4", "--frames", "out/frames")
    assert frames.code == 2
    assert "cannot write out/frames/0000000.png" in frames.err.splitlines()[-1]
    assert not (place / "other.mp4").exists()


def test_a_full_disk(animate, place, monkeypatch):
    """As PyAV says it."""

    def full(*_):
        raise av.error.OSError(28, "No space left on device")

    monkeypatch.setattr(av.container.OutputContainer, "mux", full, raising=False)
    result = animate()
    assert result.err.splitlines()[-1].endswith("No space left on device; free some space")
    assert list((place / "out").iterdir()) == []


def test_out_of_memory(animate, place, clips):
    driving = ("--driving", clips / "a", "--motion", "absolute", "--set", "side=48")
    result = animate(*driving, "--set", "fault=memory", "--batch-size", 4)
    assert result.code == 2
    assert result.err.splitlines()[-1] == "bench: out of memory; try a smaller --batch-size than 4"
    assert list((place / "out").iterdir()) == []


def test_the_best_frame_is_searched_by_68_landmarks_where_their_models_are(animate, monkeypatch):
    monkeypatch.setattr(Fan68Flip, "problem", lambda self: None)
    shape = np.random.default_rng(0).uniform(40, 200, (68, 2))
    monkeypatch.setattr(Fan68Flip, "extract", lambda self, images, base=None: [shape] * len(images))
    result = animate("--motion", "relative-best")
    assert result.code == 0, result.err
    assert "best frame 0 of 12, by the landmarks fan68-flip" in result.err
    assert "warning" not in result.err
