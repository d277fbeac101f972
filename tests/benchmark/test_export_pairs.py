"""Writing what a program needs that talkbench does not run, and scoring what it made."""

import csv
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from talkbench import datasets
from talkbench.benchmark import export_pairs as exporting
from talkbench.benchmark.evaluation.given_frames import frame_name
from talkbench.core.images import read_image, resize, write_png

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "own-program.md"
PAIRS = 16
HEADER = "source_clip,source_index,driving_clip,driving_index,reference_clip,reference_index"


def exported(folder: Path) -> list[dict[str, str]]:
    with (folder / "pairs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def copy_sources(pairs: Path, results: Path) -> None:
    """An outside program: the source image for every driving frame."""
    results.mkdir()
    for line in exported(pairs):
        shutil.copy(pairs / line["source"], results / line["result"])


@pytest.fixture
def export_pairs(bench, clips):
    return lambda *options: bench("data", "export-pairs", "--dataset", "tiny", "--root", clips, *options)


@pytest.mark.parametrize(
    "options",
    [
        ("--task", "reconstruction", "--motion", "relative-first"),
        ("--pairs", "my pairs.csv", "--motion", "relative-best", "--limit", 3),
        ("--image-size", 32),
    ],
)
def test_an_outside_program_enters(bench, export_pairs, clips, place, options):
    """By the command that README.txt tells, with the result that the same method has inside."""
    (place / "my pairs.csv").write_text(f"{HEADER}\n" + "".join(f"a,0,b,{i},b,7\n" for i in range(4)))
    result = export_pairs("--out", "pairs", *options)
    assert result.code == 0, result.err
    copy_sources(place / "pairs", place / "results")
    told = (place / "pairs" / "README.txt").read_text().splitlines()[-1].strip()
    assert f"score   {told}" in result.out
    quick = ("--metrics", "l1,psnr")
    scored = bench(*shlex.split(told.replace("FOLDER", "results").replace("NAME", "mine"))[1:], *quick)
    ran = bench("run", "--method", "copy-source", "--dataset", "tiny", "--root", clips, *options, *quick)
    assert scored.numbers.equals(ran.numbers)
    assert scored.record.dataset == ran.record.dataset
    assert scored.record.protocol_ids == ran.record.protocol_ids


@pytest.mark.parametrize("motion", ["absolute", "relative-best"])
def test_the_images_are_those_that_a_method_gets(export_pairs, clips, place, motion):
    result = export_pairs("--task", "cross-identity", "--motion", motion, "--image-size", 20, "--out", "pairs")
    split = datasets.create("tiny", root=clips).split("cross-identity", motion=motion)
    lines = exported(place / "pairs")
    assert [int(line["number"]) for line in lines] == list(range(len(split)))
    assert [line["result"] for line in lines] == [frame_name(number) for number in range(len(split))]
    for line, pair in zip(lines, split, strict=True):
        for role in ("source", "driving", "reference"):
            frame = getattr(pair, role)
            assert bool(line[role]) == (frame is not None)
            if frame:
                assert np.array_equal(read_image(place / "pairs" / line[role]), resize(split.read(frame), 20))
    frames = {frame for pair in split for frame in (pair.source, pair.driving, pair.reference) if frame}
    assert len(list((place / "pairs").rglob("*.png"))) == len(frames)
    assert f"({len(split)} pairs, {len(frames)} images)" in result.out
    assert f"{len(frames)}/{len(frames)}" in result.err


def test_the_list_says_what_a_video_may_hold(export_pairs, place):
    export_pairs("--out", "shuffled")
    videos = [line["video"] for line in exported(place / "shuffled")]
    starts = (0, 1, 2, 3, 4, 4, 4, 7, 7, 7, 10, 11, 12, 12, 12, 15)
    assert videos == [f"{start:06d}" for start in starts]
    export_pairs("--task", "reconstruction", "--out", "film")
    assert [(line["video"], line["video_frame"]) for line in exported(place / "film")] == [
        ("000000", str(index)) for index in range(8)
    ]


def test_a_frame_that_cannot_be_read_is_left_out_aloud(export_pairs, clips, place):
    shutil.copytree(clips, place / "root")
    (place / "root" / "a" / "3.png").write_text("broken")
    result = export_pairs("--root", "root", "--out", "pairs")
    assert result.code == 0, result.err
    assert "warning: 1 frames cannot be read, so that their pairs will count as failed: cannot read" in result.err
    lines = exported(place / "pairs")
    assert len(lines) == PAIRS
    assert [line["number"] for line in lines if not line["source"]] == ["3"]
    assert [line["number"] for line in lines if not line["driving"]] == ["0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "full"), "full is there already and not an empty folder; choose another name"),
        (("--out", "full/file"), "full/file is there already and not an empty folder"),
        (("--out", "full/file/x"), "cannot write "),
        (("--dataset", "tyni"), "unknown dataset 'tyni': did you mean tiny?"),
        (("--task", "reconstrution"), "data set tiny has no task 'reconstrution'"),
        (("--motion", "relative-frist"), "unknown motion 'relative-frist'"),
        (("--motion", "relative-best"), "does not name a reference frame for every pair"),
        (("--pairs", "nowhere.csv"), "cannot read the pair list nowhere.csv"),
        (("--root", "nowhere"), "nowhere; name their folder with --root"),
        (("--image-size", 0), "Invalid value for '--image-size'"),
    ],
)
def test_a_wrong_export(export_pairs, place, options, message):
    (place / "full").mkdir()
    (place / "full" / "file").write_text("kept")
    assert message in export_pairs("--out", "pairs", *options).complaint()
    assert [path.name for path in sorted(place.rglob("*"))] == ["full", "file"]
    assert (place / "full" / "file").read_text() == "kept"


def test_an_export_is_whole_or_not_there(export_pairs, place, monkeypatch):
    written = []

    def write(path, image):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        write_png(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "write_png", write)
        assert export_pairs("--out", "pairs").code == 130
    assert list(place.iterdir()) == []
    (place / "pairs").mkdir()
    assert export_pairs("--out", "pairs").code == 0
    assert len(exported(place / "pairs")) == PAIRS


def test_images_stay_within_the_folder(export_pairs, clips, place):
    """However a list names a clip below the data root."""
    (place / "mine.csv").write_text(f"{HEADER}\n{clips}/a,0,a/../b,1,,\n")
    before = sorted(clips.rglob("*"))
    assert export_pairs("--pairs", "mine.csv", "--out", "pairs").code == 0
    (line,) = exported(place / "pairs")
    assert read_image(place / "pairs" / line["source"]).shape == (48, 48, 3)
    assert np.array_equal(read_image(place / "pairs" / line["driving"]), read_image(clips / "b" / "1.png"))
    assert sorted(clips.rglob("*")) == before


def test_data_without_a_command_shows_what_there_is(bench):
    assert "export-pairs  Write the pairs of a task" in bench("data", "--help").out
    wrong = bench("data", "export-pair")
    assert "unknown command 'export-pair': did you mean export-pairs?" in wrong.complaint()


def test_the_commands_of_the_tutorial(bench, demo, place):
    """As printed, on fewer pairs, with a program in place of the reader's."""
    section = TUTORIAL.read_text().partition("Two commands are enough")[2].partition("\n#")[0]
    commands = [shlex.split(line) for line in re.findall(r"^bench (.*?)(?: +#.*)?$", section, re.MULTILINE)]
    assert [command[:2] for command in commands] == [["data", "export-pairs"], ["run", "--frames"]]
    fewer = ("--root", demo.root, "--limit", 3)
    assert bench(*commands[0], *fewer).code == 0
    copy_sources(place / "pairs", place / "results")
    result = bench(*commands[1], *fewer, "--metrics", "l1")
    assert result.code == 0, result.err
    assert result.summary.metric("l1").pairs == 3
