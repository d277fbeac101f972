"""`bench figure RUNS --video`: a row for each clip, in the time of its driver."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from made_videos import write_video
from PIL import Image

from talkbench.benchmark.sharing import moving_figure
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.errors import PairError
from talkbench.core.figure import SMALLEST, TEXT
from talkbench.core.images import read_image
from talkbench.datasets.dataset import Dataset
from talkbench.results import RunStore

FILM = Fraction(24000, 1001)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Where the runs of the first test are kept for the others."""
    return tmp_path_factory.mktemp("finished") / "runs"


def write_list(path, places):
    rows = "".join(f"{','.join(map(str, place))}\n" for place in places)
    path.write_text(f"source_clip,source_index,driving_clip,driving_index\n{rows}")


@pytest.fixture
def runs(score, place, finished):
    """Saved frames of two methods on the clips 0–7 and 8–15, and the folders."""
    names = ["copy-source", "blend"]
    write_list(place / "pairs.csv", [(clip, 0, clip, index) for clip in "ab" for index in range(8)])
    for name in names if not finished.is_dir() else ():
        assert score("--method", name, "--out", name, "--pairs", "pairs.csv", "--save-frames").code == 0
        shutil.copytree(name, finished.with_name("new") / name)
    if not finished.is_dir():
        finished.with_name("new").rename(finished)
    shutil.copytree(finished, place, dirs_exist_ok=True)
    return names


@pytest.fixture
def video(bench, clips, runs):
    return lambda *options: bench("figure", *runs, "--root", clips, "--video", "--out", "x.mp4", *options)


def frames(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def moments(path) -> list[float]:
    """When each frame appears, in seconds, and the end."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = sorted((packet.pts, packet.duration) for packet in container.demux(stream) if packet.size)
        times = [start for start, _ in packets] + [sum(packets[-1])]
        return [float(time * stream.time_base) for time in times]


def panel(drawn: np.ndarray, row: int, column: int, size: int = 48, foot: bool = False) -> np.ndarray:
    """An image in a figure of two rows, as large as it was."""
    factor, gap, text = SMALLEST // size, max(2, SMALLEST // 64), round(TEXT * SMALLEST)
    rows = (drawn.shape[0] - round(1.3 * text)) // (SMALLEST + gap)
    top = drawn.shape[0] - rows * (SMALLEST + gap) - (2 * text if foot else gap)
    y, x = top + row * (SMALLEST + gap), 2 * text + column * (SMALLEST + gap)
    return drawn[y : y + SMALLEST : factor, x : x + SMALLEST : factor]


def near(image: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(image.astype(int) - other).mean() < 4)


def test_clips_are_rows_and_show_what_the_runs_saved(video, place, clips):
    result = video("--pairs", "12, 3", "--no-errors")
    assert result.code == 0, result.err
    assert result.out.startswith("video   x.mp4   (pairs 8–15, 0–7; 8 frames, 0.32 s, ")
    drawn = frames("x.mp4")
    assert len(drawn) == 8
    assert all(side % 2 == 0 and side <= 1920 for side in drawn[0].shape[:2])
    assert moments("x.mp4") == pytest.approx([number / 25 for number in range(9)])
    for number in (0, 5):
        for row, (clip, first) in enumerate((("b", 8), ("a", 0))):
            saved = read_image(place / "blend" / "frames" / f"{first + number:06d}.png")
            assert near(panel(drawn[number], row, 3), saved)
            assert near(panel(drawn[number], row, 1), read_image(clips / clip / f"{number}.png"))
            assert near(panel(drawn[number], row, 0), read_image(clips / clip / "0.png"))


def test_error_maps_take_columns(video):
    assert video("--pairs", 0).code == 0
    wide = frames("x.mp4")[0].shape[1]
    assert video("--pairs", 0, "--no-errors").code == 0
    assert frames("x.mp4")[0].shape[1] == wide - 2 * (SMALLEST + 3)


def test_the_clips_whose_means_differ_most(video):
    means = {}
    for run in ("copy-source", "blend"):
        rows = RunStore(run).rows()
        rows = rows[rows["metric"] == "psnr"]
        means[run] = rows.groupby(rows["pair"] // 8)["value"].mean()
    spread = (means["blend"] - means["copy-source"]).abs().sort_values(ascending=False)
    names = ["0–7" if place == 0 else "8–15" for place in spread.index]
    assert f"(pairs {', '.join(names)}; " in video("--metric", "psnr").out
    assert f"(pairs {names[0]}; " in video("--metric", "psnr", "--count", 1).out


def test_a_clip_of_which_no_picture_is_published_is_left_out(video, monkeypatch):
    monkeypatch.setattr(DatasetCard, "may_show", lambda card, *names: "a" not in names)
    result = video()
    assert "(pairs 8–15; " in result.out
    assert "no picture of a is published; what shows one is left out" in result.err
    assert "what shows one is in the figure, so keep it to yourself" in video("--pairs", 0).err


def test_a_pair_that_failed_is_grey_and_said(bench, score, clips):
    score("--out", "faulty", "--task", "reconstruction", "--save-frames", "--set", "fault=nan")
    result = bench("figure", "faulty", "--root", clips, "--video", "--pairs", 0, "--no-errors", "--out", "x.mp4")
    assert result.code == 0, result.err
    assert "blend has no frame of 1 of the 8 pairs 0–7; its panel is grey there" in result.err
    greys = [near(panel(frame, 0, 2), np.full((48, 48, 3), moving_figure.GREY)) for frame in frames("x.mp4")]
    assert greys == [number == 5 for number in range(8)]


def test_a_driving_frame_that_cannot_be_read_is_grey_and_said(video, monkeypatch):
    read = Dataset.read

    def broken(dataset, frame):
        if frame.index == 4:
            raise PairError("undecodable-frame", "it is torn")
        return read(dataset, frame)

    monkeypatch.setattr(Dataset, "read", broken)
    result = video("--pairs", 0)
    assert "pairs 0–7: 1 of the 8 driving frames cannot be read and are grey, the first: a 4" in result.err
    assert len(frames("x.mp4")) == 8


def test_pairs_that_are_no_clips(bench, score, clips, place):
    write_list(place / "pairs.csv", [("a", 0, "a", 3), ("a", 0, "a", 1), ("b", 1, "b", 2)])
    for method in ("copy-source", "blend"):
        assert score("--method", method, "--out", method, "--save-frames", "--pairs", "pairs.csv").code == 0
    command = ("figure", "copy-source", "blend", "--root", clips, "--video", "--out", "x.mp4")
    assert "these runs have no clips" in bench(*command).complaint()
    assert "1 frame, 0.04 s" in bench(*command, "--pairs", 0).out
    assert len(frames("x.mp4")) == 1


def test_clips_of_any_rate_and_size_go_side_by_side_in_their_times(bench, place):
    """The one at 23.976 frames a second of 3 frames stands still while the other, of varying rate, goes on."""
    film, webcam = place / "videos" / "film.mp4", place / "videos" / "webcam.mkv"
    film.parent.mkdir()
    write_video(film, images=3, milliseconds=[round(1000 * number / FILM) for number in range(3)])
    write_video(webcam, images=[np.full((51, 37, 3), 40 * number, np.uint8) for number in range(1, 6)],
                pixels="yuv444p", milliseconds=[0, 40, 120, 300, 340])  # fmt: skip
    listed = [("film.mp4", 0, "film.mp4", number) for number in range(3)]
    listed += [("webcam.mkv", 0, "webcam.mkv", number) for number in range(5)]
    write_list(place / "pairs.csv", listed)
    run = ("run", "--method", "blend", "--dataset", "folder", "--root", "videos", "--pairs", "pairs.csv")
    assert bench(*run, "--metrics", "l1", "--image-size", 48, "--save-frames", "--out", "run").code == 0
    command = ("figure", "run", "--root", "videos", "--video", "--pairs", "0,3", "--out", "x.mp4")
    result = bench(*command)
    assert "stand still then: pairs 0–2" in result.err
    expected = [0, 0.04, float(2 / FILM), 0.12, 0.3, 0.34]  # film's second frame comes with webcam's, 2 ms before
    assert moments("x.mp4")[:-1] == pytest.approx(expected, abs=0.002)
    cut = bench(*command, "--seconds", 0.1)
    assert "pairs 3–7 last 0.38 s; the first 0.1 are shown (--seconds)" in cut.err
    assert moments("x.mp4")[:-1] == pytest.approx(expected[:3], abs=0.002)


def test_the_ending_says_what_is_written(bench, clips, runs):
    for name in ("x.webp", "x.gif"):
        result = bench("figure", *runs, "--root", clips, "--pairs", 0, "--seconds", 0.1, "--width", 700, "--out", name)
        assert result.code == 0, result.err
        with Image.open(name) as picture:
            assert picture.n_frames == 3
            assert picture.size[0] <= 700
            assert f"3 frames, 0.12 s, {picture.size[0]}x{picture.size[1]}" in result.out


def test_what_has_no_room_is_scaled_down_with_a_word_or_refused(bench, clips, runs, video, monkeypatch):
    assert "6 columns and 1 rows leave less than 96 pixels" in video("--pairs", 0, "--width", 300).complaint()
    monkeypatch.setattr(moving_figure, "READABLE", 20)
    assert "images of 48 pixels are scaled down to" in video("--pairs", 0, "--width", 300).err
    assert frames("x.mp4")[0].shape[1] <= 300


def test_names_of_others_are_drawn_as_text(video, place):
    record = place / "blend" / "run.json"
    hostile = r'"name": "<b>\u001b[31m\u202e{{7*7}}' + "x" * 300 + '"'
    record.write_text(record.read_text().replace('"name": "blend"', hostile))
    result = video("--pairs", 0)
    assert result.code == 0, result.err
    assert "\x1b[31m" not in result.out + result.err
    assert len(frames("x.mp4")) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--video", "--out", "x.png"), "--out x.png is no video; give a name that ends in .mp4, .webp, .gif"),
        (("--out", "x.png", "--seconds", 3), "--seconds is for videos; leave it out"),
        (("--out", "x.mp4", "--dpi", 3), "--dpi is for pictures; leave it out"),
        (("--out", "x.mp4", "--html", "x.html"), "--html is for pictures; leave it out"),
        (("--out", "x.mp4", "--pairs", 99), "copy-source has no pair 99"),
        (("--out", "x.mp4", "--root", "nowhere", "--pairs", 0), "nowhere"),
    ],
)
def test_a_wrong_option(bench, runs, clips, options, message, place):
    assert message in bench("figure", *runs, "--root", clips, *options).complaint()
    assert not (place / "x.mp4").exists()
