"""What `bench data prepare folder` says of files that are no videos, and of videos that are damaged."""

import csv

import forked
from made_videos import damaged_end, write_video

from talkbench.benchmark.engines import processes


def test_what_is_passed_over_and_what_is_damaged_is_said(bench, place, monkeypatch):
    raw = place / "raw"
    raw.mkdir()
    whole = write_video(raw / "whole.ts", images=22, options={"x264-params": "bframes=0"})
    data = write_video(place / "whole.mkv").read_bytes()
    (raw / "half.mkv").write_bytes(data[: len(data) // 2])
    damaged_end(raw / "end.mp4", write_video(place / "a.mp4", images=22, options={"x264-params": "bframes=0"}), 3)
    for name in ("thumbnail.jpg", "subtitles.vtt", "notes.txt", "video.f137.mp4.part"):
        (raw / name).write_bytes(whole.read_bytes() if "part" in name else b"no video")
    prepare = (
        "data",
        "prepare",
        "folder",
        "--raw",
        raw,
        "--out",
        "out",
        *["--size", "32", "--crop", "none", "--workers", "1"],
    )
    result = bench(*prepare)
    assert result.code == 1
    assert "passed over, as they hold no video: 4 (notes.txt, subtitles.vtt, thumbnail.jpg …)\n" in result.out
    assert "made    1 of 3 clips" in result.out
    assert "  damaged-video: 1 clips\n    half: " in result.out
    assert "  undecodable-frame: 1 clips\n    end: frame 19 of" in result.out
    assert result.out.count("--keep-damaged makes the clip of the frames that decode") == 2
    monkeypatch.setattr(processes, "get_context", lambda _: forked.context())
    result = bench(*prepare, "--keep-damaged", "--engine", "processes:2")
    assert result.code == 0
    assert "made    2 of 3 clips\nthere   1 of 3 clips\n  made of a damaged video: 2 clips\n" in result.out
    assert "end: 3 of 22 frames cannot be decoded and are left out, the first is 19" in result.out
    assert len(list((place / "out" / "end").iterdir())) == 19
    with (place / "out" / "report.csv").open(newline="") as file:
        assert [(row["clip"], row["status"]) for row in csv.DictReader(file)] == [("end", "made"), ("half", "made")]
