"""Videos are cut whatever their container and ending; what is damaged in them is said, and cut on demand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_videos import damaged_end, number, write_video
from PIL import Image
from raw_videos import write_list

from talkbench import datasets
from talkbench.datasets.clips import open_clip
from talkbench.datasets.preparation import face_clips
from talkbench.datasets.preparation.cut import Style, cut_clips, find_videos
from talkbench.datasets.preparation.face_clips import crop_faces
from talkbench.datasets.preparation.metadata import read_cuts

VIDEO = "Zbz058o9j6s"
SMALL = Style(32)
KEEP = replace(SMALL, keep_damaged=True)
CODECS = {
    "ts": ("libx264", None, "yuv420p"),
    "flv": ("flv", None, "yuv420p"),
    "mpg": ("mpeg2video", None, "yuv420p"),
    "wmv": ("wmv2", None, "yuv420p"),
    "gif": ("gif", None, "gray"),
    "m2ts": ("mpeg2video", "mpegts", "yuv420p"),
    "3gp": ("mpeg4", None, "yuv420p"),
    "m4v": ("mpeg4", "mp4", "yuv420p"),
    "bin": ("libx264", "matroska", "yuv420p"),
}


@pytest.fixture(autouse=True)
def _face(monkeypatch):
    """A face in the right half of every frame, looked for in every fourth one."""

    def looks(clip):
        return [np.array([(32, 16, 60, 44)]) for index in range(0, len(clip), 4) if clip.read(index) is not None]

    monkeypatch.setattr(face_clips, "find_faces", looks)


def faces(raw: Path, out: Path, style: Style = SMALL) -> dict[str, tuple[str, str]]:
    """By clip, its status and what is told of it."""
    outcomes = [outcome for batch in crop_faces(find_videos(raw)[0], out, style, 1) for outcome in batch]
    return {outcome.clip: (outcome.status, outcome.detail) for outcome in outcomes}


def levels(folder: Path) -> dict[str, int]:
    """By file, the number of the frame that it was cut from."""
    clip = open_clip(folder)
    return {clip.file(index).name: number(clip.read(index)) for index in range(len(clip))}


def test_every_ending_is_cut_and_the_rest_is_named(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for ending, (codec, form, pixels) in CODECS.items():
        write_video(raw / f"{ending}.{ending}", codec, images=3, form=form, pixels=pixels)
    (raw / "unfinished.mp4.part").write_bytes((raw / "m4v.m4v").read_bytes())
    (raw / "notes.txt").write_text("no video\n" * 100)
    (raw / "list.csv").write_text("a,b\n")
    (raw / ".hidden.ts").write_bytes((raw / "ts.ts").read_bytes())
    Image.new("RGB", (16, 16)).save(raw / "cover.jpg")
    Image.new("L", (16, 16)).save(raw / "still.gif")
    assert faces(raw, tmp_path / "out") == dict.fromkeys(CODECS, ("made", ""))
    assert find_videos(raw)[1] == ["cover.jpg", "notes.txt", "still.gif", "unfinished.mp4.part"]
    assert all(len(list((tmp_path / "out" / ending).iterdir())) == 3 for ending in CODECS)


@pytest.mark.parametrize("ending", ["mkv", "webm", "avi"])
def test_a_video_that_was_cut_off_is_no_clip_without_a_word(tmp_path, ending):
    data = write_video(tmp_path / f"whole.{ending}", "libvpx" if ending == "webm" else "libx264").read_bytes()
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / f"half.{ending}").write_bytes(data[: len(data) // 2])
    status, detail = faces(raw, tmp_path / "out")["half"]
    assert status == "damaged-video"
    assert f"half.{ending}: it declares" in detail
    assert detail.endswith("--keep-damaged makes the clip of the frames that decode")
    assert not (tmp_path / "out" / "half").exists()
    status, detail = faces(raw, tmp_path / "out", KEEP)["half"]
    assert status == "made"
    assert f"half.{ending}: it declares" in detail
    kept = levels(tmp_path / "out" / "half")
    assert 3 < len(kept) < 20
    assert kept == {f"{index:07d}.png": index for index in range(len(kept))}


def test_the_sound_frames_of_a_damaged_end(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    whole = write_video(tmp_path / "whole.mp4", images=22, options={"x264-params": "bframes=0"})
    damaged_end(raw / f"{VIDEO}.mp4", whole, 3)
    left_out = "3 of 22 frames cannot be decoded and are left out, the first is 19"
    assert faces(raw, tmp_path / "faces")[VIDEO][0] == "undecodable-frame"
    assert faces(raw, tmp_path / "faces", KEEP) == {VIDEO: ("made", left_out)}
    expected = {f"{index:07d}.png": index for index in range(19)}
    assert levels(tmp_path / "faces" / VIDEO) == expected

    rows = [{"start": start, "end": end} for start, end in ((0, 22), (2, 10), (19, 22), (5, 60))]
    box = {"video_id": f"{VIDEO}#id10282", "width": 64, "height": 48, "bbox": "16-0-64-48"}
    cuts = read_cuts(datasets.create("voxceleb1").card, write_list(tmp_path / "list.csv", *(box | row for row in rows)))

    def outcomes(style: Style) -> list[tuple[str, str]]:
        done = [outcome for batch in cut_clips(cuts.cuts, raw, tmp_path / "clips", style, 1) for outcome in batch]
        return [(outcome.status, outcome.detail) for outcome in sorted(done, key=lambda outcome: outcome.clip)]

    strict = outcomes(SMALL)
    assert [status for status, _ in strict] == ["undecodable-frame", "made", "short-video", "undecodable-frame"]
    assert strict[0][1].endswith("--keep-damaged makes the clip of the frames that decode")
    kept = outcomes(KEEP)
    assert kept[:2] == [("made", left_out), ("there", "")]
    assert [status for status, _ in kept[2:]] == ["short-video", "undecodable-frame"], "of the last none decodes"


def test_frames_keep_their_numbers_behind_a_hole(tmp_path):
    options = {"x264-params": "bframes=0:keyint=8:min-keyint=8:scenecut=0"}
    path = write_video(tmp_path / "holed.mp4", options=options)
    damaged = path.read_bytes()
    begin = damaged_end(tmp_path / "end.mp4", path, 14).read_bytes()  # frames 10 to 23 are zeros
    end = damaged_end(tmp_path / "less.mp4", path, 13).read_bytes()
    different = [index for index in range(len(damaged)) if begin[index] != end[index]]
    path.write_bytes(damaged[: different[0]] + bytes(different[-1] - different[0]) + damaged[different[-1] :])
    assert faces(path, tmp_path / "out", KEEP)["holed"] == (
        "made", "6 of 24 frames cannot be decoded and are left out, the first is 10",
    )  # fmt: skip
    kept = [index for index in range(24) if not 10 <= index < 16]
    assert levels(tmp_path / "out" / "holed") == {f"{index:07d}.png": index for index in kept}
