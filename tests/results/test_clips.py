"""Clips of entries: sound ones are taken in, and every other file is told in a line."""

import json
import re
import shutil
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from damaged_entries import agree, change, change_rows, set_
from made_videos import write_video
from site_entries import video, write

from talkbench.core.errors import TalkbenchError
from talkbench.results.checks.plausibility import Expected
from talkbench.results.entries import MAX_CLIP_BYTES, Entry
from talkbench.results.validation import faults, import_entry

CLIP = "clips/000008.mp4"


@pytest.fixture
def folder(moving: Entry, tmp_path: Path) -> Path:
    """A copy of the sound entry, to be damaged."""
    return Path(shutil.copytree(moving.folder, tmp_path / "entries" / "mine"))


def content(**options: object) -> Callable[[Path], None]:
    """A damage: another video in the place of the second clip."""

    def put(folder: Path) -> None:
        (folder / CLIP).write_bytes(video(**{"frames": 8, **options}))
        agree(folder)

    return put


def edited(edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A damage: the bytes of the second clip."""

    def put(folder: Path) -> None:
        (folder / CLIP).write_bytes(edit((folder / CLIP).read_bytes()))
        agree(folder)

    return put


def endless(data: bytes) -> bytes:
    """The index says that there are a billion frames of one byte each."""
    place = data.index(b"stsz") + 8
    return data[:place] + struct.pack(">II", 1, 10**9) + data[place + 8 :]


def endless_times(data: bytes) -> bytes:
    place = data.index(b"stts") + 12
    return data[:place] + struct.pack(">I", 2**32 - 1) + data[place + 4 :]


def garbled(data: bytes) -> bytes:
    place = data.index(b"mdat") + 4
    return data[:place] + bytes(reversed(data[place:]))


def smaller_than_coded(data: bytes) -> bytes:
    """The index says 96x32 pixels where the frames have 192x64."""
    place = data.index(b"avc1", data.index(b"stsd")) + 28
    assert struct.unpack_from(">HH", data, place) == (192, 64)
    return data[:place] + struct.pack(">HH", 96, 32) + data[place + 4 :]


def other_codec(folder: Path) -> None:
    write_video(folder / CLIP, "mpeg4", 8)
    agree(folder)


def sound_too(folder: Path) -> None:
    write_video(folder / CLIP, images=8, sound=0.3)
    agree(folder)


def webm(folder: Path) -> None:
    write_video(folder / CLIP, "libvpx", 8, form="webm")
    agree(folder)


def link(folder: Path) -> None:
    shutil.move(folder / CLIP, folder.parent / "elsewhere.mp4")
    (folder / CLIP).symlink_to(folder.parent / "elsewhere.mp4")


DAMAGES = {
    "text": (edited(lambda data: b"<svg onload=alert(1)>"), r"000008\.mp4 is not the video .*: it is no MP4 file"),
    "empty": (edited(lambda data: b""), r"000008\.mp4 is not the video .*: it is no MP4 file"),
    "cut off": (edited(lambda data: data[:-50]), r"000008\.mp4 .* was cut off"),
    "without a picture": (edited(garbled), r"000008\.mp4 .*: its frames cannot be decoded"),
    "endless": (edited(endless), r"000008\.mp4 .*: its index is damaged"),
    "endless times": (edited(endless_times), r"000008\.mp4 .*: its index is damaged"),
    "larger than it says": (edited(smaller_than_coded), r"000008\.mp4 .*: its frames cannot be decoded"),
    "webm": (webm, r"000008\.mp4 .*: it is no MP4 file"),
    "sound": (sound_too, r"000008\.mp4 .*: it does not hold one video alone"),
    "codec": (other_codec, r"000008\.mp4 .*: it is not coded in H\.264"),
    "more frames": (content(frames=9), r"000008\.mp4 .*: it has 9 frames of 8 pairs"),
    "one panel": (content(size=1), r"000008\.mp4 .*: it has 64x64 pixels, which are not three squares of at most 256"),
    "large panels": (content(side=258), r"000008\.mp4 .*: it has 774x258 pixels"),
    "other rate": (content(rate=Fraction(50)), r"000008\.mp4 .*: its 8 frames take 0\.160 s, at 25 per second"),
    "large": (edited(lambda data: data + bytes(MAX_CLIP_BYTES)), r"clips of .* bytes and may have 250000 together"),
    "not listed": (lambda f: (f / "clips/000016.mp4").write_bytes(video(8)), r"000016\.mp4 is not listed in entry"),
    "hash": (lambda f: (f / CLIP).write_bytes(video(8, 1)), r"000008\.mp4 is not the file that entry\.json lists"),
    "missing": (lambda f: (f / CLIP).unlink(), r"000008\.mp4 is missing"),
    "link": (link, r"000008\.mp4 is a link"),
    "folder": (lambda f: (f / "clips" / "more").mkdir(), r"more is a folder that no entry has"),
    "path": (lambda f: change(f / "entry.json", set_("clips", 1, "video", "../clips/000008.mp4")), r"clips\.1"),
    "name": (
        lambda f: change(f / "entry.json", set_("clips", 1, "video", "clips/000009.mp4")),
        r"video should be clips/000008\.mp4",
    ),
    "twice": (
        lambda f: change(f / "entry.json", lambda info: info["clips"].__setitem__(0, info["clips"][1])),
        r"two clips are one file",
    ),
    "three": (
        lambda f: change(f / "entry.json", lambda info: info["clips"].append(info["clips"][1])),
        r"clips: Tuple should have at most 2 items",
    ),
    "one frame": (lambda f: change(f / "entry.json", set_("clips", 1, "pairs", [8])), r"clips\.1\.pairs: .* least 2"),
    "many frames": (
        lambda f: change(f / "entry.json", set_("clips", 1, "pairs", list(range(8, 209)))),
        r"clips\.1\.pairs: .* at most 200",
    ),
    "no rate": (lambda f: change(f / "entry.json", set_("clips", 1, "rate", 0)), r"clips\.1\.rate"),
    "pairs of no run": (
        lambda f: change(f / "entry.json", set_("clips", 1, "pairs", [*range(8, 15), 24])),
        r"clip of pair 24, which the run does not have",
    ),
    "other pairs": (
        lambda f: change(f / "entry.json", set_("clips", 1, "pairs", [*range(8, 15), 16])),
        r"clip of pair 8 whose frames do not follow one another",
    ),
    "two sources": (
        lambda f: change_rows(f, lambda rows: rows.assign(source_index=rows["pair"] // 4)),
        r"clip of pair 8 whose frames do not follow one another",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named_in_a_line(folder: Path, damage: str) -> None:
    spoil, message = DAMAGES[damage]
    spoil(folder)
    lines = faults(folder)
    assert any(re.search(message, fault) for fault in lines), lines
    assert all(fault.isprintable() and str(folder) in fault for fault in lines)
    with pytest.raises(TalkbenchError, match="mine"):
        import_entry(folder, folder.parent.parent / "other")


def test_sound_clips_are_taken_in_and_read_again(moving: Entry, tmp_path: Path) -> None:
    assert faults(moving.folder) == []
    taken = import_entry(moving.folder, tmp_path / "entries")
    assert [clip.pairs for clip in taken.info.clips] == [tuple(range(8)), tuple(range(8, 16))]
    assert (taken.folder / CLIP).read_bytes() == (moving.folder / CLIP).read_bytes()


@pytest.mark.parametrize("rate", [Fraction(60), Fraction(24000, 1001)])
def test_rates_of_films_and_games(tmp_path: Path, rate: Fraction) -> None:
    entry = write(tmp_path, "mine", pairs=10, pictured=(), moving=5, rate=rate, metrics=["l1"])
    assert faults(entry.folder) == []


def test_an_entry_without_clips_needs_no_word_of_them(sound: Entry, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound.folder, tmp_path / "mine"))
    info = json.loads((folder / "entry.json").read_text())
    assert info.pop("clips") == []
    (folder / "entry.json").write_text(json.dumps(info))
    assert faults(folder) == []


def test_a_clip_of_people_of_whom_no_picture_is_published(folder: Path) -> None:
    lines = faults(folder, lambda record: Expected(may_show=lambda name: name != "clip-1.mp4"))
    assert len(lines) == 1
    assert "has a clip of pair 8 with clip-1.mp4, of which no picture is published" in lines[0]
