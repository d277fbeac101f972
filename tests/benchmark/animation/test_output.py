"""Videos, animated pictures and single ones: what each kind of file holds, and what is said of what it does not."""

from fractions import Fraction

import pytest
from made_videos import write_video
from PIL import Image

from talkbench.benchmark.animation import output


def shown(path):
    """For how many milliseconds each frame of an animated picture is shown."""
    with Image.open(path) as image:
        times = []
        for place in range(image.n_frames):
            image.seek(place)
            image.load()
            times.append(image.info["duration"])
        return times


@pytest.fixture
def talk(place):
    return write_video(place / "talk.mp4", images=12, rate=Fraction(30000, 1001), sound=0.4)


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_animated_pictures_last_as_long_as_the_driver(drive, place, talk, kind):
    result = drive(talk, talk, "--no-crop", out=f"out/a.{kind}")
    assert result.code == 0, result.err
    assert result.out == f"image   out/a.{kind}   (12 frames, 64x64)\n"
    assert f".{kind} files have no sound; that of the driver is left out" in result.err
    times = shown(place / "out" / f"a.{kind}")
    assert len(times) == 12
    assert sum(times) == pytest.approx(400.4, abs=5)
    assert "sound" not in drive(talk, talk, "--no-crop", "--no-sound", out=f"b.{kind}").err
    assert [path.name for path in (place / "out").iterdir()] == [f"a.{kind}"]


def test_a_varying_rate_is_kept(drive, place):
    stamps = [0, 40, 80, 400, 440, 700]
    driver = write_video(place / "slow.mkv", images=6, milliseconds=stamps)
    assert drive(driver, driver, "--no-crop", out="a.webp").code == 0
    assert shown("a.webp")[:5] == [40, 40, 320, 40, 260]


def test_endings_in_capitals(drive, talk, place):
    assert drive(talk, talk, "--no-crop", out="A.WEBP").code == 0
    assert len(shown("A.WEBP")) == 12


def test_a_fast_gif_is_warned_of(drive, place):
    fast = write_video(place / "fast.mp4", images=6, rate=Fraction(60))
    assert "browsers slow GIFs of more than 50 frames a second down" in drive(fast, fast, "--no-crop", out="a.gif").err
    assert "browsers" not in drive(fast, fast, "--no-crop", out="a.webp").err


def test_a_large_one_says_its_size(drive, talk, monkeypatch):
    monkeypatch.setattr(output, "LARGE", 1000)
    assert "a.gif has 0 MB; as .mp4 it would be far smaller" in drive(talk, talk, "--no-crop", out="a.gif").err
    assert "smaller" not in drive(talk, talk, "--no-crop", out="a.mp4").err


def test_a_folder_in_the_way(drive, talk, place):
    (place / "file").write_text("")
    result = drive(talk, talk, "--no-crop", out="file/a.webp")
    assert result.code == 2
    assert "cannot write file/a.webp" in result.err.splitlines()[-1]


def test_another_precision(drive, place, talk):
    assert drive(talk, talk, "--no-crop", "--precision", "bf16", out="half.webp").code == 0
    assert len(shown(place / "half.webp")) == 12
    complaint = drive(talk, talk, "--precision", "tf32").complaint()
    assert complaint.startswith("bench: --precision tf32 is of NVIDIA's GPUs")
