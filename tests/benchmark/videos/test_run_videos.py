"""What `bench run` leaves in ``videos/``, by what a user finds there."""

import errno
import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkbench.benchmark.videos import run_videos
from talkbench.benchmark.videos.mp4 import write_video
from talkbench.core.images import read_image, write_png
from talkbench.datasets import Frame, Pair
from talkbench.datasets.clips import open_clip
from talkbench.datasets.dataset import Dataset
from talkbench.datasets.interface import Timeline
from talkbench.datasets.pairs import write_pairs
from talkbench.metrics.pixel import L1
from talkbench.results import RunStore
from talkbench.results.videos import AbsentFrame, read_videos

CLIP = ("--task", "reconstruction", "--batch-size", 3)


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def panels(frame: np.ndarray, count: int = 4) -> list[np.ndarray]:
    """The images side by side in a frame, as numbers."""
    return [part.astype(int) for part in np.split(frame, count, axis=1)]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def alike(a: Path, b: Path) -> bool:
    """Whether two videos show the same. Their bytes may differ: the encoder works with several threads."""
    pairs = zip(frames_of(a), frames_of(b), strict=True)
    return all(difference(*pair) < 0.5 for pair in pairs)


def only(result):
    """The one video of a run: its description and its file."""
    assert result.code == 0, result.err
    assert "leaves no videos" not in result.err
    (video,) = read_videos(result.store.folder).videos
    return video, result.store.folder / "videos" / video.file


def listed(place, source: Frame, driving: str, indices) -> tuple[str, Path]:
    path = place / "list.csv"
    write_pairs(path, [Pair(source, Frame(driving, index)) for index in indices])
    return "--pairs", path


def test_a_clip_is_seen_side_by_side_at_the_rate_of_its_frames(score, clips):
    result = score(*CLIP, "--out", "mine")
    video, path = only(result)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.average_rate, stream.frames, stream.duration * stream.time_base) == (25, 8, Fraction(8, 25))
        assert not container.streams.audio
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    for index, frame in enumerate(frames_of(path)):
        assert frame.shape == (48, 4 * 48, 3)
        source, driving, generated, error = panels(frame)
        real = read_image(clips / "a" / f"{index}.png")
        assert difference(source, read_image(clips / "a" / "0.png")) < 4
        assert difference(driving, real) < 4
        assert difference(generated, (real.astype(int) + read_image(clips / "a" / "0.png")) / 2) < 4
        assert index > 0 or error.mean() < 4
    assert sorted(file.name for file in path.parent.iterdir()) == ["000000.jpg", "000000.mp4", "clips.json"]
    assert difference(read_image(path.with_suffix(".jpg")), frames_of(path)[4]) < 4
    described = (video.source_clip, video.source_index, video.driving_clip, video.first, video.frames)
    assert described == ("a", 0, "a", 0, 8)
    assert (video.fps, video.variable, video.seconds, video.absent) == (25, False, 0.32, ())
    assert video.value == pytest.approx(result.summary.metric("l1").mean)
    page = (result.store.folder / "index.html").read_text().partition("<script>")[0]
    assert page.count("<video data-player muted loop playsinline") == 1
    assert 'src="videos/000000.mp4"' in page
    assert 'poster="videos/000000.jpg"' in page
    assert "8 frames, 0.32 s, 25 per second" in page
    assert "media-src &#39;self&#39; file:" in page


def test_the_rate_that_the_data_set_states_is_kept(score, monkeypatch):
    monkeypatch.setattr(Dataset, "rates", {"a": Fraction("11.936")})
    video, path = only(score(*CLIP, "--limit", 5, "--out", "mine"))
    assert video.fps == pytest.approx(11.936)
    with av.open(str(path)) as container:
        assert float(container.duration / av.time_base) == pytest.approx(5 / 11.936, abs=1e-4)


def test_videos_change_no_number_and_can_be_left_out(score):
    whole, without = score(*CLIP, "--out", "whole"), score(*CLIP, "--out", "without", "--videos", 0)
    assert whole.rows.equals(without.rows)
    assert whole.summary == without.summary
    assert RunStore("whole").read_record().differences(RunStore("without").read_record()) == []
    assert not (without.store.folder / "videos").exists()
    page = (without.store.folder / "index.html").read_text()
    assert "<video" not in page
    assert "<script" not in page
    assert "media-src" not in page


def test_across_identities_there_is_no_error(score, place, clips, monkeypatch):
    """The metric of such runs is a constant here, since these pictures show no face."""
    monkeypatch.setattr(L1, "needs_truth", False)
    result = score("--task", "cross-identity", *listed(place, Frame("a", 2), "b", range(8)), "--metrics", "l1")
    _, path = only(result)
    (source, driving, _) = panels(frames_of(path)[3], 3)
    assert difference(source, read_image(clips / "a" / "2.png")) < 4
    assert difference(driving, read_image(clips / "b" / "3.png")) < 4
    assert "<span>error</span>" not in (result.store.folder / "index.html").read_text()


STAMPS = {
    "60": Timeline(range(13), Fraction(1, 60)),
    "23.976": Timeline(range(13), Fraction(1001, 24000)),
    "variable": Timeline([0, 40, 80, 160, 200, 333, 373, 400, 440, 480, 900, 940, 1000], Fraction(1, 1000)),
}


@pytest.mark.parametrize("name", STAMPS)
def test_the_time_stamps_of_the_driver_are_kept(score, place, tmp_path, name):
    waves = [np.tile(np.linspace(0, 200, 48, dtype=np.uint8)[:, None] + step, (1, 48))[..., None] for step in range(12)]
    root = tmp_path / "videos"
    root.mkdir()
    write_video(root / "talk.mp4", [np.repeat(wave, 3, axis=2) for wave in waves], STAMPS[name])
    result = score("--root", root, *listed(place, Frame("talk.mp4", 3), "talk.mp4", range(3, 12)), *CLIP)
    video, path = only(result)
    driver, made = open_clip(root / "talk.mp4").timeline, open_clip(path).timeline
    moments = [(tick - driver.ticks[3]) * driver.tick for tick in driver.ticks[3:]]
    shown = [tick * made.tick for tick in made.ticks]
    assert [float(moment) for moment in shown] == pytest.approx([float(moment) for moment in moments], abs=2e-3)
    assert (len(frames_of(path)), video.frames, video.first) == (9, 9, 3)
    assert (video.variable, video.seconds) == (name == "variable", pytest.approx(float(moments[-1])))
    assert ("variable as the driver" in (result.store.folder / "index.html").read_text()) == (name == "variable")


def test_frames_of_odd_sizes(score, place, tmp_path):
    for index in range(4):
        write_png(tmp_path / "odd" / "c" / f"{index}.png", np.full((35, 33, 3), 50 * index, np.uint8))
    result = score("--root", tmp_path / "odd", *listed(place, Frame("c", 0), "c", range(4)), "--image-size", 33, *CLIP)
    video, path = only(result)
    assert (video.width, video.height) == (4 * 33, 33)
    assert frames_of(path)[0].shape == (34, 4 * 33, 3)


def test_pairs_that_do_not_follow_one_another_leave_no_videos_and_no_word(score, place):
    pairs = [Pair(Frame("a", 0), Frame("a", index)) for index in (1, 3, 5, 7)]
    write_pairs(place / "list.csv", [*pairs, Pair(Frame("b", 0), Frame("b", 0))])
    result = score("--pairs", place / "list.csv")
    assert result.code == 0, result.err
    assert not (result.store.folder / "videos").exists()
    assert "video" not in result.err
    assert "Videos" not in (result.store.folder / "index.html").read_text()


def test_a_long_clip_is_shown_from_its_beginning(score, monkeypatch):
    monkeypatch.setattr(run_videos, "LONGEST", 5)
    result = score(*CLIP)
    video, path = only(result)
    assert (video.frames, video.clip_frames, len(frames_of(path)), video.seconds) == (5, 8, 5, 0.2)
    assert video.value == pytest.approx(result.summary.metric("l1").mean), "of the whole clip"
    assert "the beginning of 8 frames" in (result.store.folder / "index.html").read_text()


HOSTILE = "<img src=x onerror=alert(1)> %41 #1?b=c&'\"\x1b[31m"


def test_names_of_clips_steer_nothing(score, place, clips, tmp_path):
    for index in range(3):
        write_png(tmp_path / "evil" / HOSTILE / f"{index}.png", read_image(clips / "a" / f"{index}.png"))
    result = score("--root", tmp_path / "evil", *listed(place, Frame(HOSTILE, 0), HOSTILE, range(3)), *CLIP)
    video, path = only(result)
    assert (video.driving_clip, path.name) == (HOSTILE, "000000.mp4")
    page = (result.store.folder / "index.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; %41 #1?b=c&amp;&#39;&#34;" in page
    assert "\x1b" not in result.out + result.err


def test_a_failed_pair_in_the_middle_is_grey_and_named(score):
    result = score(*CLIP, "--set", "fault=nan")
    video, path = only(result)
    assert video.absent == (AbsentFrame(index=5, reason="not-finite"),)
    frames = frames_of(path)
    assert len(frames) == 8, "in step with the driver"
    assert all(abs(part - 128).max() < 6 for part in panels(frames[5])[2:])
    assert all(abs(part - 128).max() > 20 for part in panels(frames[4])[2:])
    assert "grey: frame 5 (not-finite)" in (result.store.folder / "index.html").read_text()


def interrupted(score, monkeypatch, *options, batches=1):
    """A run that is stopped after some batches of three frames."""
    written = []

    def append(store, rows, original=RunStore.append):
        if len(written) == batches:
            raise KeyboardInterrupt
        written.append(rows)
        original(store, rows)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", append)
        stopped = score(*CLIP, "--out", "mine", *options)
    assert stopped.code == 130
    return stopped.store.folder


def test_a_run_that_is_continued_in_the_middle_of_a_clip_leaves_the_same_videos(score, monkeypatch):
    folder = interrupted(score, monkeypatch)
    assert not (folder / "videos" / "clips.json").exists()
    _, path = only(score(*CLIP, "--out", "mine", "--resume"))
    _, whole = only(score(*CLIP, "--out", "whole"))
    assert alike(path, whole)
    assert (folder / "videos" / "clips.json").read_text() == whole.with_name("clips.json").read_text()
    assert [file.name for file in sorted(folder.glob("videos/.*"))] == []
    before = path.stat().st_mtime_ns
    _, again = only(score(*CLIP, "--out", "mine", "--resume"))
    assert again.stat().st_mtime_ns == before, "a run that has ended keeps its videos"


def test_frames_that_were_not_kept_are_named(score, monkeypatch):
    """The first part of the run was made without videos."""
    folder = interrupted(score, monkeypatch, "--videos", 0)
    video, path = only(score(*CLIP, "--out", "mine", "--resume"))
    assert [frame.index for frame in video.absent] == [0, 1, 2]
    assert {frame.reason for frame in video.absent} == {"not-kept"}
    assert len(frames_of(path)) == 8
    assert "grey: frames 0 to 2 (not-kept)" in (folder / "index.html").read_text()


def test_frames_that_are_there_anyway_are_not_kept_twice(score, bench, clips, monkeypatch):
    """Saved ones, and those of another program; their videos are alike, since both are the exact frames."""

    def add(*_):
        raise AssertionError("kept")

    monkeypatch.setattr(run_videos.KeptFrames, "add", add)
    saved = score(*CLIP, "--save-frames", "--out", "saved")
    given = bench("run", "--frames", "saved/frames", "--name", "mine", "--dataset", "tiny", "--root", clips,
                  "--metrics", "l1,psnr", *CLIP, "--out", "given")  # fmt: skip
    assert alike(only(saved)[1], only(given)[1])
    (Path("given") / "videos" / "clips.json").unlink()
    (saved.store.folder / "frames" / "000006.png").unlink()
    video, _ = only(bench("run", "--frames", "saved/frames", "--name", "mine", "--dataset", "tiny", "--root", clips,
                          "--metrics", "l1,psnr", *CLIP, "--out", "fewer"))  # fmt: skip
    assert video.absent == (AbsentFrame(index=6, reason="missing-frame"),)


def test_a_full_disk_costs_the_videos_and_a_line(score, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    whole = score(*CLIP, "--out", "whole")
    for function in ("write_video", "KeptFrames.add"):
        with monkeypatch.context() as patch:
            patch.setattr(f"talkbench.benchmark.videos.run_videos.{function}", full)
            result = score(*CLIP, "--out", function)
        assert result.code == 0
        assert result.rows.equals(whole.rows)
        (warning,) = (line for line in result.err.splitlines() if line.startswith("warning"))
        assert "video" in warning
        assert "No space left on device" in warning
        assert not (result.store.folder / "videos").exists()
        assert "Videos" not in (result.store.folder / "index.html").read_text()


def test_best_median_and_worst_are_chosen_over_all_clips(score, place):
    sources = [Frame("a", index) for index in range(8)] + [Frame("b", 4)]
    pairs = [Pair(source, Frame("a", index)) for index in (4, 5, 6) for source in sources]
    write_pairs(place / "list.csv", pairs)
    result = score("--task", "reconstruction", "--pairs", place / "list.csv", "--videos", 4)
    rows = result.rows[result.rows["metric"] == "l1"]
    means = rows.groupby(["source_clip", "source_index"])["value"].mean().sort_values()
    videos = read_videos(result.store.folder)
    assert (videos.metric, videos.clips) == ("l1", 9)
    assert [(video.place, video.rank) for video in videos.videos] == [("best", 1), ("", 3), ("median", 5), ("worst", 9)]
    for video in videos.videos:
        assert (video.source_clip, video.source_index) == means.index[video.rank - 1]
        assert video.value == pytest.approx(means.iloc[video.rank - 1])
    page = (result.store.folder / "index.html").read_text()
    assert "4 of 9 clips: the best, median and worst by the mean of l1 over their pairs" in page
    higher = score("--task", "reconstruction", "--pairs", place / "list.csv", "--metrics", "psnr", "--videos", 1)
    (video,) = read_videos(higher.store.folder).videos
    assert (video.place, video.rank) == ("median", 5)


def test_what_the_description_says_is_strict(score):
    folder = score(*CLIP).store.folder
    path = folder / "videos" / "clips.json"
    content = json.loads(path.read_text())
    content["videos"][0]["file"] = "../../000000.mp4"
    path.write_text(json.dumps(content))
    refused = score(*CLIP, "--out", folder, "--resume")
    assert refused.code == 2
    assert "clips.json is not a talkbench ClipVideos: videos.0.file" in refused.err.splitlines()[-1]
