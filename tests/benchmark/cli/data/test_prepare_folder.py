"""`bench data prepare folder`: which square of anyone's videos is cut, what is said of it, and what is passed over."""

from pathlib import Path

import numpy as np
import pytest
from made_videos import damaged_end, numbered, write_video
from raw_videos import write_list, write_raw

from talkbench.core.images import read_image
from talkbench.datasets.clips import open_clip
from talkbench.datasets.preparation import face_clips

NAME = "Zbz058o9j6s"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw(tmp_path_factory.mktemp("raw") / f"{NAME}.mp4")


def test_anyones_video(bench, raw, tmp_path, monkeypatch):
    monkeypatch.setattr(face_clips, "find_faces", lambda clip: [np.array([[60, 20, 120, 80]])])
    result = bench("data", "prepare", "folder", "--raw", raw, "--out", tmp_path / "out")
    assert (result.code, result.out.splitlines()[0]) == (0, "made    1 of 1 clips"), result.err
    assert len(list((tmp_path / "out" / NAME).glob("*.png"))) == 50


def two_faces(clip: object) -> list[np.ndarray]:
    """On the left, and a little larger on the right."""
    return [np.array([[100, 20, 140, 60], [10, 22, 44, 56]])] * 10


def test_one_of_several_faces(bench, raw, tmp_path, monkeypatch):
    monkeypatch.setattr(face_clips, "find_faces", two_faces)
    prepare = ("data", "prepare", "folder", "--raw", raw, "--workers", 1)
    result = bench(*prepare, "--out", tmp_path / "right")
    assert result.code == 0, result.err
    assert "  several faces, one of them held: 1 clips\n" in result.out
    story = "2 faces from left to right: the clip holds number 2, seen in 10 of 10 frames that were looked at; --face N"
    assert f"    {NAME}: {story} takes another\n" in result.out
    assert bench(*prepare, "--out", tmp_path / "left", "--face", 1).code == 0
    left, right = (read_image(tmp_path / side / NAME / "0000000.png") for side in ("left", "right"))
    assert not np.array_equal(left, right)
    result = bench(*prepare, "--out", tmp_path / "third", "--face", 3)
    assert result.code == 1
    assert "--face 3: there are 2; choose one of them" in result.out


def test_a_head_crop_is_left_as_it_is(bench, tmp_path, monkeypatch):
    write_video(tmp_path / "head.mp4", images=[numbered(index, 64, 64) for index in range(3)])
    monkeypatch.setattr(face_clips, "find_faces", lambda clip: [np.array([[16, 10, 48, 50]])])
    prepare = ("data", "prepare", "folder", "--raw", tmp_path / "head.mp4", "--size", 64)
    result = bench(*prepare, "--out", tmp_path / "auto")
    assert "  a head crop already, left as it is: 1 clips\n    head: 64x64; --crop face cuts it\n" in result.out
    clip = open_clip(tmp_path / "head.mp4")
    assert np.array_equal(read_image(tmp_path / "auto" / "head" / "0000002.png"), clip.read(2))
    assert "left as it is" not in bench(*prepare, "--out", tmp_path / "face", "--crop", "face").out
    assert not np.array_equal(read_image(tmp_path / "face" / "head" / "0000002.png"), clip.read(2))


def test_without_a_crop_the_middle_is_taken_and_no_face_is_searched(bench, raw, tmp_path, monkeypatch):
    monkeypatch.setattr(face_clips, "find_faces", None)
    result = bench(*("data", "prepare", "folder", "--raw", raw, "--out", tmp_path / "out", "--crop", "none"))
    assert result.code == 0, result.err
    assert "  not square, cut to the middle: 1 clips\n" in result.out
    assert f"    {NAME}: 160x90: the largest square in the middle is taken\n" in result.out


def test_wrong_choices_of_a_crop(bench, raw, tmp_path):
    listed = write_list(tmp_path / "list.csv", {"video_id": f"{NAME}#id10280", "start": 0, "end": 9})
    prepare = ("data", "prepare", "folder", "--raw", raw, "--out", tmp_path / "out")
    assert "'0' is neither largest nor first nor a number from 1" in bench(*prepare, "--face", 0).err
    lists = ("data", "prepare", "voxceleb1", "--raw", raw.parent, "--out", tmp_path / "out", "--metadata", listed)
    assert "--crop and --face are for DATASET folder" in bench(*lists, "--crop", "none").err


def test_what_is_no_video_is_passed_over_and_damage_is_named(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(face_clips, "find_faces", lambda clip: [np.array([[8, 8, 24, 24]])])
    mine = tmp_path / "mine"
    mine.mkdir()
    write_video(mine / "talk.mp4", images=4).rename(mine / "talk.flv.download.mp4")
    write_video(mine / "tube.ts", images=4)
    (mine / "thumbnail.jpg").write_bytes(b"a picture")
    (mine / "notes.txt").write_text("a note")
    data = write_video(mine / "cut.mkv").read_bytes()
    (mine / "cut.mkv").write_bytes(data[: len(data) // 2])
    whole = write_video(tmp_path / "whole.mp4", images=22, options={"x264-params": "bframes=0"})
    damaged_end(mine / "end.mp4", whole, 3)
    prepare = ("data", "prepare", "folder", "--raw", mine, "--out", tmp_path / "out", "--workers", 1)
    result = bench(*prepare)
    assert result.code == 1
    assert result.out.startswith("passed over, as they hold no video: 2 (notes.txt, thumbnail.jpg)\nmade    2 of 4")
    assert "  damaged-video: 1 clips\n" in result.out
    assert "  undecodable-frame: 1 clips\n" in result.out
    assert "frame 19 of " in result.out
    assert "--keep-damaged makes the clip of the frames that decode" in result.out
    result = bench(*prepare, "--keep-damaged")
    assert (result.code, result.out.count("made    2 of 4 clips")) == (0, 1)
    assert "  made of a damaged video: 2 clips\n" in result.out
    assert "3 of 22 frames cannot be decoded and are left out, the first is 19" in result.out
    assert len(list((tmp_path / "out" / "end").iterdir())) == 19
