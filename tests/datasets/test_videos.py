"""Videos are told by what is in them and read as a player shows them; what is missing in them is said."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from made_videos import B_FRAMES, damaged_end, number, numbered, set_matrix, write_video
from PIL import Image

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import write_png
from talkbench.datasets.clips import open_clip
from talkbench.datasets.videos import VideoClip, is_video

KINDS = {
    "avi": ("libx264", {"options": B_FRAMES}),
    "mp4": ("libx264", {"options": B_FRAMES}),
    "mkv": ("libx264", {"options": B_FRAMES}),
    "ts": ("libx264", {"options": B_FRAMES}),
    "flv": ("libx264", {"options": B_FRAMES}),
    "h264": ("libx264", {"options": B_FRAMES}),
    "mpg": ("mpeg2video", {"options": {"bf": "2", "b": "4000000"}}),
    "m2ts": ("mpeg2video", {"options": {"bf": "2", "b": "4000000"}, "form": "mpegts"}),
    "m1v": ("mpeg1video", {"options": {"bf": "2", "b": "4000000"}, "form": "mpeg1video"}),
    "divx": ("mpeg4", {"options": {"bf": "2", "b": "4000000"}, "form": "avi"}),
    "webm": ("libvpx", {"options": {"auto-alt-ref": "1", "lag-in-frames": "10"}}),
    "vp9": ("libvpx-vp9", {"form": "webm"}),
    "wmv": ("wmv2", {}),
    "3gp": ("mpeg4", {}),
    "m4v": ("mpeg4", {"form": "mp4"}),
    "gif": ("gif", {"pixels": "gray"}),
    "mjpeg": ("mjpeg", {"pixels": "yuvj420p", "form": "avi"}),
}


@pytest.mark.parametrize("ending", KINDS)
def test_every_container_gives_its_frames_in_the_order_of_a_player(tmp_path, ending):
    codec, options = KINDS[ending]
    path = write_video(tmp_path / f"clip.{ending}", codec, **options).rename(tmp_path / "clip.anything")
    assert is_video(path)
    clip = open_clip(path)
    assert [number(clip.read(index)) for index in range(len(clip))] == list(range(24))
    assert [number(clip.read(index)) for index in (20, 3, 4, 23, 0)] == [20, 3, 4, 23, 0]
    assert clip.damage == ""
    assert clip.sound_numbers() == list(range(24))
    assert float(clip.timeline.ticks[-1] * clip.timeline.tick) == pytest.approx(24 / 25, abs=0.001)


MATRICES = {  # where x and y go, and what becomes of an image
    "upright": ((1, 0), (0, 1), lambda image: image),
    "half turn": ((-1, 0), (0, -1), lambda image: np.rot90(image, 2)),
    "clockwise": ((0, 1), (-1, 0), lambda image: np.rot90(image, -1)),
    "anticlockwise": ((0, -1), (1, 0), lambda image: np.rot90(image)),
    "mirrored": ((-1, 0), (0, 1), np.fliplr),
    "upside down": ((1, 0), (0, -1), np.flipud),
    "mirrored, clockwise": ((0, 1), (1, 0), lambda image: np.swapaxes(image, 0, 1)),
    "mirrored, anticlockwise": ((0, -1), (-1, 0), lambda image: np.rot90(np.swapaxes(image, 0, 1), 2)),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_every_display_matrix_is_honoured(tmp_path, kind):
    across, down, moved = MATRICES[kind]
    plain = write_video(tmp_path / "plain.mp4", images=1)
    image = open_clip(plain).read(0)
    turned = open_clip(set_matrix(plain, across, down)).read(0)
    assert np.array_equal(turned, moved(image))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [((64, 128), (2, 1), (128, 128)), ((128, 64), (1, 2), (128, 128)), ((72, 48), (16, 15), (77, 48))],
)
def test_pixels_are_made_square_by_stretching_the_short_side(tmp_path, stored, aspect, shown):
    rows, columns = np.mgrid[: stored[1], : stored[0]]
    ramp = np.stack([rows * 255 // stored[1], columns * 255 // stored[0], rows * 0 + 99], -1).astype(np.uint8)
    path = write_video(tmp_path / "wide.mp4", images=[ramp], aspect=Fraction(*aspect), options={"qp": "0"})
    image = open_clip(path).read(0)
    assert image.shape == (shown[1], shown[0], 3)
    corner = image[shown[1] * 3 // 4, shown[0] // 4].astype(int)
    assert np.abs(corner - (191, 64, 99)).max() < 8
    upright = open_clip(set_matrix(path, (0, 1), (-1, 0))).read(0)
    assert np.array_equal(upright, np.rot90(image, -1)), "first the pixels, then the turn"


@pytest.mark.parametrize("ending", ["mkv", "webm", "avi", "mp4", "wmv", "flv"])
def test_a_video_that_was_cut_off_says_so(tmp_path, ending):
    codec = {"webm": "libvpx-vp9", "wmv": "wmv2"}.get(ending, "libx264")
    options = {"sound": 0.9} if ending in ("mkv", "webm", "mp4") else {}
    whole = write_video(tmp_path / f"whole.{ending}", codec, **options)
    assert open_clip(whole).damage == ""
    data = whole.read_bytes()
    if ending == "mp4":  # its index stands at the end; cut without it nothing can be read
        with (
            av.open(str(whole)) as container,
            av.open(str(tmp_path / "first.mp4"), "w", options={"movflags": "faststart"}) as copy,
        ):
            source = container.streams.video[0]
            stream = copy.add_stream_from_template(source)
            for packet in container.demux(source):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
        data = (tmp_path / "first.mp4").read_bytes()
    path = tmp_path / f"half.{ending}"
    path.write_bytes(data[: len(data) * 6 // 10])
    clip = open_clip(path)
    assert len(clip) < 22
    assert str(path) in clip.damage
    assert "it declares " in clip.damage
    assert clip.damage.endswith("it was cut off or is damaged")


def test_the_sound_frames_before_a_damaged_end(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", images=22, options={"x264-params": "bframes=0"})
    clip = open_clip(damaged_end(tmp_path / "end.mp4", whole, 3))
    assert len(clip) == 22
    assert clip.sound_numbers() == list(range(19))
    with pytest.raises(PairError, match="frame 19 of"):
        clip.read(19)


@pytest.mark.parametrize("ending", ["ts", "avi"])
def test_frames_before_the_first_key_frame_are_not_read(tmp_path, ending):
    whole = write_video(tmp_path / "whole.ts", options={"x264-params": "bframes=0:keyint=10:min-keyint=10:scenecut=0"})
    path = tmp_path / f"later.{ending}"
    with av.open(str(whole)) as container, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(container.streams.video[0])
        for packet in list(container.demux(video=0))[5:]:
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    clip = open_clip(path)
    assert clip.sound_numbers() == list(range(5, 19))
    assert [number(clip.read(index)) for index in (5, 18)] == [10, 23]
    with pytest.raises(PairError) as caught:
        clip.read(2)
    assert caught.value.reason == "undecodable-frame"


def test_after_a_damage_nothing_is_numbered_without_presentation_times(tmp_path):
    path = write_video(tmp_path / "clip.avi", options=B_FRAMES)
    data = bytearray(path.read_bytes())
    hole = len(data) * 6 // 10
    data[hole : hole + 3000] = bytes(3000)
    path.write_bytes(data)
    clip = open_clip(path)
    sound = clip.sound_numbers()
    assert 3 < len(sound) < 20
    assert [number(clip.read(index)) for index in sound] == sound == list(range(len(sound)))
    with pytest.raises(PairError):
        clip.read(23)


def test_time_stamps_of_a_varying_rate(tmp_path):
    stamps = [index * 40 for index in range(46) if index % 3 == 0]
    clip = open_clip(write_video(tmp_path / "slow.webm", "libvpx-vp9", images=len(stamps), milliseconds=stamps))
    times = [float(tick * clip.timeline.tick) for tick in clip.timeline.ticks]
    assert times[:-1] == pytest.approx([stamp / 1000 for stamp in stamps])
    assert times[-1] == pytest.approx(1.84, abs=0.09)


def test_time_stamps_are_kept_where_the_codec_could_change_the_order_and_does_not(tmp_path):
    stamps = [0, 40, 80, 400, 440, 1000]
    path = write_video(tmp_path / "still.mp4", images=6, milliseconds=stamps, kinds=PictureType.P)
    with av.open(str(path)) as container:
        packets = [packet.pts for packet in container.demux(video=0) if packet.size]
        assert packets == sorted(packets)
        assert container.streams.video[0].codec_context.has_b_frames
    clip = open_clip(path)
    assert [number(clip.read(index)) for index in range(6)] == list(range(6))
    assert [float(tick * clip.timeline.tick) for tick in clip.timeline.ticks[:-1]] == [stamp / 1000 for stamp in stamps]


def test_a_stamp_that_is_damaged_costs_no_other_frame(tmp_path):
    path = write_video(tmp_path / "late.mkv", "mpeg4", images=12)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        (frame,) = (bytes(packet) for packet in container.demux(video=0) if packet.pts == 280)
    place = data.index(frame) - 3  # before it a block has its time, two bytes, and one of flags
    time = int.from_bytes(data[place : place + 2], "big")
    data[place : place + 2] = (time - 100).to_bytes(2, "big")
    path.write_bytes(data)
    clip = open_clip(path)
    assert clip.sound_numbers() == list(range(12))
    assert [number(clip.read(index)) for index in range(12)] == list(range(12))


def sound_only(path, cover=False):
    """A sound, perhaps with the picture of its cover."""
    with av.open(str(path), "w", format="mp4") as container:
        tone = container.add_stream("aac", rate=8000, layout="mono")
        if cover:
            picture = container.add_stream("png")
            picture.width, picture.height, picture.pix_fmt = 64, 48, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(numbered(0))))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(tone.encode(sound))
        container.mux(tone.encode())
    return path


def test_what_holds_no_video(tmp_path):
    frames = [Image.fromarray(numbered(index)) for index in range(3)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "still.gif")
    write_png(tmp_path / "still.png", numbered(0))
    (tmp_path / "page.txt").write_text("FFmpeg draws text as a video\n" * 40)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n")
    sound_only(tmp_path / "sound.m4a")
    sound_only(tmp_path / "cover.m4a", cover=True)
    faults = {}
    for path in tmp_path.iterdir():
        assert not is_video(path)
        with pytest.raises(TalkbenchError) as caught:
            open_clip(path)
        faults[path.name] = str(caught.value)
    assert all(str(tmp_path / name) in fault and "\n" not in fault for name, fault in faults.items())
    assert "of animations only GIF is supported" in faults["moving.webp"]
    assert "is a picture, which holds no video" in faults["still.png"]
    assert "GIF of one picture, no video" in faults["still.gif"]
    assert "holds no video" in faults["sound.m4a"]
    assert "holds no video" in faults["cover.m4a"]


def test_a_moving_gif_is_laid_on_black(tmp_path):
    pictures = []
    for index in range(3):
        picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
        picture.paste((200, 0, 50 * index, 255), (0, 0, 8, 16))
        pictures.append(picture)
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40, disposal=2)
    clip = open_clip(tmp_path / "a.gif")
    assert len(clip) == 3
    for index in range(3):
        assert np.abs(clip.read(index)[8, 3].astype(int) - (200, 0, 50 * index)).max() < 10
        assert clip.read(index)[8, 12].max() == 0


def test_a_title_that_is_not_utf8(tmp_path):
    path = tmp_path / "title.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Mueller"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(0))))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes().replace(b"Mueller", b"M\xfceller"))
    assert len(VideoClip(path)) == 1


def test_a_frame_larger_than_the_limit_is_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "large.mp4", images=2)
    monkeypatch.setattr("talkbench.core.images.MAX_MEGAPIXELS", 0.003)
    with pytest.raises(TalkbenchError, match=r"large\.mp4: 64x48 is more than 0\.003 megapixels"):
        open_clip(path)
