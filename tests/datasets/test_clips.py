"""Clips give exactly the frame that is asked for, and say which one is damaged."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from PIL import Image

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets.clips import file_number, open_clip


def test_video_has_b_frames(video):
    with av.open(str(video)) as container:
        assert PictureType.B in {frame.pict_type for frame in container.decode(video=0)}


def test_random_access_equals_sequential(video, number):
    clip = open_clip(video)
    frames = [clip.read(index) for index in range(len(clip))]
    assert [number(frame) for frame in frames] == list(range(60))
    assert frames[0].dtype == np.uint8
    assert frames[0].shape == (48, 64, 3)
    other = open_clip(video)
    for index in np.random.default_rng(1).integers(60, size=40):
        np.testing.assert_array_equal(other.read(int(index)), frames[index])


def test_frames_handed_out_are_copies(video, number):
    clip = open_clip(video)
    clip.read(3)[:] = 255
    assert number(clip.read(3)) == 3


def test_reading_forward_opens_the_file_once(video, monkeypatch):
    clip = open_clip(video)
    opened = []
    real = av.open
    monkeypatch.setattr(av, "open", lambda *args, **kwargs: opened.append(args) or real(*args, **kwargs))
    for index in (0, 1, 0, 7, 5, 30, 29, 59):
        clip.read(index)
    assert len(opened) == 1
    clip.read(0)
    assert len(opened) == 2


def test_threads_and_pickles_read_right(video, number):
    clip = open_clip(video)
    order = [int(index) for index in np.random.default_rng(2).integers(60, size=30)]
    with ThreadPoolExecutor(4) as pool:
        assert [number(image) for image in pool.map(clip.read, order)] == order
    assert number(pickle.loads(pickle.dumps(clip)).read(17)) == 17  # noqa: S301


def test_frames_by_time(video):
    clip = open_clip(video)
    assert clip.frames_between(Fraction(0), Fraction(1)) == range(25)
    assert clip.frames_between(Fraction(3, 50), Fraction(1, 5)) == range(2, 5)  # 1.5 is not yet in, 5 not any more
    assert clip.frames_between(Fraction(2), Fraction(4)) == range(50, 100)


def test_frames_by_time_where_stamps_are_rounded(tmp_path):
    clip = open_clip(_stamped(tmp_path / "thirds.mkv", 30, [round(1000 * index / 30) for index in range(30)]))
    assert clip.frames_between(Fraction(1, 30), Fraction(2, 30)) == range(1, 2)


def test_frames_by_time_where_the_rate_varies(tmp_path):
    clip = open_clip(_stamped(tmp_path / "varying.mkv", 25, [*range(0, 400, 40), *range(1000, 2000, 100)]))
    assert clip.frames_between(Fraction(0), Fraction(1)) == range(10)
    assert clip.frames_between(Fraction(1), Fraction(3, 2)) == range(10, 15)
    assert clip.frames_between(Fraction(1), Fraction(2)) == range(10, 20)
    assert clip.frames_between(Fraction(1), Fraction(7, 2)) == range(10, 35)


def _stamped(path: Path, rate: int, milliseconds: list[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp in milliseconds:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 100, np.uint8))
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("index", [-1, 60, 10**9])
def test_beyond_the_end_is_the_pairs_failure(video, index):
    with pytest.raises(PairError, match="frames 0 to 59") as caught:
        open_clip(video).read(index)
    assert caught.value.reason == "index-beyond-clip"


def test_damage_costs_only_the_frames_it_touches(video, number, tmp_path):
    data = bytearray(video.read_bytes())
    hole = len(data) * 55 // 100
    data[hole : hole + 3000] = bytes(3000)
    path = tmp_path / "hole.mp4"
    path.write_bytes(data)
    clip = open_clip(path)
    read = {}
    for index in range(len(clip)):
        with suppress(PairError):
            read[index] = number(clip.read(index))
    assert len(clip) == 60
    assert 40 <= len(read) < 60
    assert all(index == shown for index, shown in read.items())
    damaged = min(set(range(60)) - set(read))
    with pytest.raises(PairError, match=f"frame {damaged} of") as caught:
        clip.read(damaged)
    assert caught.value.reason == "undecodable-frame"


def test_truncated_video_keeps_its_beginning(video, number, tmp_path):
    data = video.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    clip = open_clip(path)
    assert 10 < len(clip) < 40
    assert [number(clip.read(index)) for index in range(10)] == list(range(10))
    with pytest.raises(PairError) as caught:
        clip.read(len(clip) - 1)
    assert caught.value.reason == "undecodable-frame"


@pytest.mark.parametrize("kept", [0, 20, 300])
def test_unreadable_video_is_refused(video, tmp_path, kept):
    path = tmp_path / "cut.mp4"
    path.write_bytes(video.read_bytes()[:kept])
    with pytest.raises(TalkbenchError, match=r"cut\.mp4") as caught:
        open_clip(path)
    assert "\n" not in str(caught.value)


def test_video_of_which_nothing_decodes_is_refused(video, tmp_path):
    data = video.read_bytes()
    start = data.index(b"mdat") + 4
    path = tmp_path / "zero.mp4"
    path.write_bytes(data[:start] + bytes(len(data) - start))
    with pytest.raises(TalkbenchError, match="no frame of this video can be decoded"):
        open_clip(path)


def test_sound_without_pictures_is_refused(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(TalkbenchError, match="holds no video"):
        open_clip(path)


def test_upright_video_of_a_phone_is_turned(tmp_path):
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        image = np.zeros((48, 64, 3), np.uint8)
        image[:24, :32] = 255  # top left
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    one, clockwise = (1 << 16).to_bytes(4, "big"), (-(1 << 16) % (1 << 32)).to_bytes(4, "big")
    upright, turned = one + bytes(12) + one + bytes(4), bytes(4) + one + bytes(4) + clockwise + bytes(8)
    data = path.read_bytes()
    track = data.rindex(upright)  # the first matrix is the movie's
    path.write_bytes(data[:track] + turned + data[track + len(turned) :])
    frame = open_clip(path).read(0)
    assert frame.shape == (64, 48, 3)
    assert frame[:30, 26:].min() > 200  # top right
    assert frame[34:].max() < 50


def _save(path: Path, level: int) -> None:
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)


def test_folder_is_read_in_natural_order(tmp_path):
    for name, level in (("frame10.png", 100), ("frame2.PNG", 20), ("frame1.jpg", 10), ("frame3.jpeg", 30)):
        _save(tmp_path / name, level)
    _save(tmp_path / "._frame1.png", 0)
    (tmp_path / "notes.txt").write_text("not a frame")
    clip = open_clip(tmp_path)
    assert [int(clip.read(index)[0, 0, 0]) for index in range(len(clip))] == [10, 20, 30, 100]


def test_two_files_of_one_frame_are_refused(tmp_path):
    for name in ("frame2.png", "frame2.jpg", "frame10.png"):
        _save(tmp_path / name, 20)
    with pytest.raises(TalkbenchError, match=r"frame2\.jpg and frame2\.png are both one frame; remove one of them"):
        open_clip(tmp_path)
    (tmp_path / "frame2.jpg").rename(tmp_path / "frame02.png")
    with pytest.raises(TalkbenchError, match=r"frame02\.png and frame2\.png are both one frame"):
        open_clip(tmp_path)


def test_frames_of_any_format_are_read(tmp_path):
    endings = (".png", ".JPG", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
    for index, ending in enumerate(endings):
        _save(tmp_path / f"{index}{ending}", 30 * index)
    clip = open_clip(tmp_path)
    assert [round(int(clip.read(index)[0, 0, 0]) / 30) for index in range(len(clip))] == list(range(len(endings)))


def test_broken_image_is_the_pairs_failure(tmp_path):
    _save(tmp_path / "0.png", 0)
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    with pytest.raises(PairError) as caught:
        open_clip(tmp_path).read(1)
    assert caught.value.reason == "undecodable-frame"


def test_nothing_to_open(tmp_path):
    with pytest.raises(TalkbenchError, match="holds no frames, PNG, JPEG"):
        open_clip(tmp_path)
    with pytest.raises(TalkbenchError, match="there is no clip"):
        open_clip(tmp_path / "missing")


@pytest.fixture
def numbered(tmp_path):
    """Frames that go by the numbers in their names, 3, 5 and 12 of that grey level, and files that are no frames."""
    for name, level in (("x_7.jpg_0003.png", 3), ("0000005.png", 5), ("12.PNG", 12), ("cover.png", 99)):
        Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(tmp_path / name)
    (tmp_path / ".hidden_5.png").touch()
    (tmp_path / "5.txt").touch()
    return tmp_path


def test_frames_by_number(numbered):
    clip = open_clip(numbered, numbered=True)
    assert (len(clip), list(clip.numbers)) == (3, [3, 5, 12])
    assert [clip.read(number).max() for number in (12, 3, 5)] == [12, 3, 5]
    assert list(open_clip(numbered).numbers) == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [0, 4, 13, -1])
def test_number_that_is_not_there(numbered, number):
    with pytest.raises(PairError, match=f"has no frame {number}") as caught:
        open_clip(numbered, numbered=True).read(number)
    assert caught.value.reason == "missing-frame"


def test_two_files_of_one_number(numbered):
    (numbered / "05.jpg").touch()
    with pytest.raises(TalkbenchError, match=r"0000005\.png and 05\.jpg are both frame 5"):
        open_clip(numbered, numbered=True)


def test_folder_without_numbers(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(TalkbenchError, match="holds no frames with numbers in their names"):
        open_clip(tmp_path, numbered=True)


def test_missing_clip(tmp_path):
    with pytest.raises(PairError, match="there is no clip") as caught:
        open_clip(tmp_path / "none")
    assert caught.value.reason == "missing-clip"


def test_file_number():
    assert [file_number(name) for name in ("0000013.png", "a1_x.jpg_0123.jpg", "a.png", "7")] == [13, 123, None, None]


def test_name_that_is_not_utf8(numbered):
    (numbered / "12.PNG").rename(numbered / os.fsdecode(b"caf\xe9_20.png"))
    assert open_clip(numbered, numbered=True).read(20).max() == 12
