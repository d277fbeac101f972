"""`bench data prepare`, `verify` and `manifest` as a user meets them: from raw videos to the share of pairs."""

import csv
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import synthetic_sets
from raw_videos import write_hdtf, write_list

from talkbench import datasets
from talkbench.core.files import PARTIAL, sha256_file
from talkbench.core.images import write_png
from talkbench.core.locks import locked
from talkbench.datasets.official_lists import OfficialList

TUBES = synthetic_sets.YOUTUBE[:3]


def clip(number: int, start: int) -> str:
    return f"test/id1028{number}#{TUBES[number]}#{start:06d}#{start + 15:06d}.mp4"


def pairs_file(path: Path) -> Path:
    """Six pairs in the authors' form: two of the first video, two of the second, and two of the broken one."""
    frames = [(clip(number, start), index) for number in range(3) for start, index in ((0, 3), (20, 5))]
    rows = [(f"/somewhere/vox1_frames/{name}/{index:07d}.png",) * 2 for name, index in frames]
    synthetic_sets.write_rows(path, ("source", "driving", "best_frame"), rows)
    return path


def hashes(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256_file(file) for file in sorted(folder.rglob("*.png"))}


def test_from_raw_videos_to_the_share_of_pairs(bench, raw, listed, tmp_path):
    out = tmp_path / "vox"
    prepare = ("data", "prepare", "voxceleb1", "--raw", raw, "--out", out, "--metadata", listed, "--size", 32)
    result = bench(*prepare, "--partition", "test", "--workers", 1)
    assert result.code == 1
    assert result.out.splitlines()[:4] == [
        f"list    {listed}   (not an official one)",
        "        8 rows: 7 clips to test on, 1 to train on",
        "made    4 of 7 clips",
        "there   0 of 7 clips",
    ]
    assert "  broken-video: 2 clips\n" in result.out
    assert f"    test/id10283#vanishedvid#000000#000015.mp4: no vanishedvid.mp4 in {raw}\n" in result.out
    assert f"report  {out / 'report.csv'}\n" in result.out
    with (out / "report.csv").open(newline="") as file:
        report = list(csv.DictReader(file))
    assert [(row["clip"], row["video"], row["status"]) for row in report] == [
        (clip(2, 0), TUBES[2], "broken-video"),
        (clip(2, 20), TUBES[2], "broken-video"),
        ("test/id10283#vanishedvid#000000#000015.mp4", "vanishedvid", "missing-video"),
    ]
    assert "7/7" in result.err
    assert "there   4 of 7 clips" in bench(*prepare, "--partition", "test").out

    verify = ("data", "verify", "voxceleb1", "--root", out, "--task", "same-identity")
    result = bench(*verify, "--list", pairs_file(tmp_path / "pairs.csv"))
    assert result.code == 1
    assert result.out.splitlines()[:3] == [
        "voxceleb1 same-identity: 4 of 6 pairs (66.7 %) can be evaluated",
        "  4 of 6 frames are sound, 32 x 32",
        "  missing-clip: 2 frames",
    ]


@pytest.mark.parametrize("slug", ["hdtf", "celebv", "ted-talks"])
def test_verify_and_manifest_of_a_whole_set(bench, tmp_path, slug):
    root = synthetic_sets.make(tmp_path / "root", slug, size=16)
    task = "cross-identity" if slug == "celebv" else "same-identity"
    pairs = next(path for path in sorted((root / "lists").iterdir()) if "cross" not in path.name or slug == "celebv")
    verify = ("data", "verify", slug, "--root", root, "--task", task, "--list", pairs)
    result = bench(*verify)
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == f"{slug} {task}: 12 of 12 pairs (100.0 %) can be evaluated"

    manifest = tmp_path / "manifest.sha256"
    result = bench("data", "manifest", slug, "--root", root, "--out", manifest)
    assert (result.code, result.out) == (0, f"manifest  {manifest}   (40 files)\n")
    assert bench(*verify, "--manifest", manifest, "--workers", 2).code == 0
    frame = datasets.create(slug, root).split(task, pairs)[0].source
    victim = datasets.create(slug, root).store.open(frame.clip).file(frame.index)
    write_png(victim, np.zeros((16, 16, 3), np.uint8))
    assert bench(*verify).code == 0
    result = bench(*verify, "--manifest", manifest)
    assert result.code == 1
    assert "has another sha256 than in the manifest" in result.out
    victim.unlink()
    moved = shutil.move(root, tmp_path / "moved")  # clips stay open in this process
    result = bench(*("data", "verify", slug, "--root", moved, "--task", task, "--list", moved / "lists" / pairs.name))
    assert result.code == 1
    assert "  missing-frame: 1 frames\n" in result.out


def test_all_tasks(bench, tmp_path):
    """What cannot be checked does not keep the rest from it; where there is nothing at all, that is an error."""
    root = tmp_path / "root"
    for number in range(3):
        synthetic_sets.write_clip(root / "me" / f"{number}", "voxceleb1", "", number, 4, 16)
    result = bench("data", "verify", "folder", "--root", root)
    assert result.code == 1
    assert re.search(
        r"^folder same-identity: (\d+) of \1 pairs \(100.0 %\) can be evaluated$", result.out, re.MULTILINE
    )
    assert "folder cross-identity: not checked, cross-identity pairs need clips of two" in result.out
    assert bench("data", "verify", "folder", "--root", root, "--task", "reconstruction").code == 0
    assert "nowhere" in bench("data", "verify", "folder", "--root", tmp_path / "nowhere").complaint()


def test_clip_of_fewer_frames_than_listed(bench, tmp_path):
    root = synthetic_sets.make(tmp_path / "root", "ted-talks", size=16)
    short = root / synthetic_sets.clip_names("ted-talks", 1)[0]
    for index in range(3, 8):
        (short / f"{index:07d}.png").unlink()
    pairs = root / "lists" / "ted_test_evaluation.csv"
    result = bench("data", "verify", "ted-talks", "--root", root, "--task", "same-identity", "--list", pairs)
    assert "  index-beyond-clip: " in result.out
    assert "25 frames per second" in result.out


def test_list_goes_by_name(bench, tmp_path):
    root = synthetic_sets.make(tmp_path / "root", "hdtf", size=16)
    complaint = bench("data", "verify", "hdtf", "--root", root, "--pairs", "hdtf-all").complaint()
    assert "as published" in complaint
    complaint = bench("data", "verify", "hdtf", "--root", root, "--list", root / "lists").complaint()
    assert (
        complaint
        == "bench: the task of a list of your own is not known; name it with --task; see bench data verify --help"
    )
    assert "unknown dataset 'hdft': did you mean hdtf" in bench("data", "verify", "hdft", "--root", root).complaint()
    assert "nowhere" in bench("data", "verify", "hdtf", "--root", tmp_path / "nowhere").complaint()
    complaint = bench("data", "manifest", "hdtf", "--root", tmp_path / "nowhere", "--out", tmp_path / "x").complaint()
    assert "nowhere holds no image or video" in complaint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("voxceleb2",), "voxceleb2 is not cut by bench data prepare; get the test part (118 people) from https"),
        (("celebv",), "celebv is not cut by bench data prepare; get the archive"),
        (("voxceleb3",), "there is no recipe for preparing 'voxceleb3': did you mean voxceleb1?"),
        (("voxceleb1",), "fetch-lists voxceleb1"),
        (("hdtf",), "fetch-lists hdtf"),
        (("hdtf", "--metadata", "nowhere"), "nowhere does not exist; HDTF's clips are listed in a folder"),
        (("folder", "--partition", "test"), "--metadata and --partition are for published data sets"),
        (("folder", "--raw", "nowhere"), "there is no nowhere; give a video or a folder of videos"),
        (("hdtf", "--metadata", "HDTF", "--raw", "nowhere"), "nowhere is not a folder; name the folder of the down"),
        (("voxceleb1", "--metadata", "nowhere.csv"), "cannot read the list of clips nowhere.csv"),
    ],
)
def test_a_wrong_order(bench, raw, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_hdtf(tmp_path / "HDTF", "RD", {"Radio1": TUBES[0]})
    assert message in bench("data", "prepare", "--raw", raw, "--out", tmp_path / "out", *arguments).complaint()
    assert not (tmp_path / "out" / "report.csv").exists()


def test_list_of_another_set(bench, raw, tmp_path, monkeypatch):
    listed = write_list(tmp_path / "list.csv", {"video_id": f"{TUBES[0]}#id10280", "start": 0, "end": 9})
    monkeypatch.setattr(OfficialList, "matches", lambda self, path: self.slug == "ted-metadata")
    prepare = ("data", "prepare", "voxceleb1", "--raw", raw, "--out", tmp_path / "out", "--metadata", listed)
    assert bench(*prepare).complaint() == (
        f"bench: {listed} is the list of clips ted-metadata of ted-talks, not the list of clips of voxceleb1; leave "
        "--metadata out or name another file"
    )


def test_hdtf_from_its_own_files(bench, raw, tmp_path):
    """Every clip is named: made, without a video, without a window."""
    lists = write_hdtf(
        tmp_path / "lists", "RD", {"Radio1": TUBES[0], "Radio2": "vanishedvid"}, "00:00-00:01 00:01-00:02"
    )
    windows = lists / "RD_crop_wh.txt"
    windows.write_text("".join(line for line in windows.open() if not line.startswith("Radio1_1")))
    out = tmp_path / "out"
    result = bench("data", "prepare", "hdtf", "--raw", raw, "--out", out, "--metadata", lists, "--size", 32)
    assert result.code == 1
    assert result.out.splitlines()[:3] == [
        f"list    {lists}   (not all of them official)",
        "        4 clips of 2 videos, 1 of them not usable; there are no files of WDA and WRA",
        "made    1 of 4 clips",
    ]
    with (out / "report.csv").open(newline="") as file:
        report = [(row["clip"], row["video"], row["status"], row["detail"]) for row in csv.DictReader(file)]
    assert report == [
        ("RD_Radio1_001.mp4", TUBES[0], "no-window", "RD_crop_wh.txt has no window for Radio1_1"),
        *((f"RD_Radio2_00{n}.mp4", "vanishedvid", "missing-video", f"no vanishedvid.mp4 in {raw}") for n in (0, 1)),
    ]
    assert len(list((out / "RD_Radio1_000.mp4").glob("*.jpg"))) == 25


def test_gaps_are_named(bench, tmp_path, monkeypatch):
    """Also where no listed pair needs the frames; pairs of the reconstruction that need them fail."""
    synthetic_sets.accept(monkeypatch)
    root = synthetic_sets.make(tmp_path / "root", "ted-talks", clips=2, frames=12, size=16, pairs=2)
    split = datasets.create("ted-talks", root).split("same-identity")
    clip = split[0].source.clip
    spare = sorted({*range(split.lengths[clip])} - {split[0].source.index, split[0].driving.index})[:2]
    for index in spare:
        (root / "test" / clip / f"{index:07d}.png").unlink()
    told = f"  gap: 1 clips\n    {clip}: 2 frames are missing ({spare[0]}, {spare[1]})\n"
    result = bench("data", "verify", "ted-talks", "--root", root, "--task", "same-identity")
    assert result.code == 0
    assert result.out.endswith(told)
    result = bench("data", "verify", "ted-talks", "--root", root, "--task", "reconstruction")
    assert result.code == 1
    assert "of 24 pairs" in result.out.splitlines()[0]
    assert not result.out.startswith("ted-talks reconstruction: 24")
    assert "  missing-frame: 2 frames\n" in result.out
    assert told in result.out
    run = ("run", "--dataset", "ted-talks", "--root", root, "--metrics", "l1", "--method", "copy-source")
    named = f"frames are missing within clips: {clip}: 2 frames are missing ({spare[0]}, {spare[1]})"
    result = bench(*run, "--task", "reconstruction", "--out", tmp_path / "run")
    assert result.code == 0, result.err
    assert named in " ".join(result.err.split())
    assert "missing-frame" in result.out + result.err


def test_gaps_of_anyones_folders(bench, tmp_path):
    """The frames have no pairs, since nothing says that they are there; but they are named."""
    for clip in ("anna", "ben"):
        synthetic_sets.write_clip(tmp_path / "root" / clip, "voxceleb1", "", 1, 6, 16)
    (tmp_path / "root" / "anna" / "0000003.png").unlink()
    result = bench("data", "verify", "folder", "--root", tmp_path / "root", "--task", "reconstruction")
    assert result.code == 0
    assert result.out.splitlines() == [
        "folder reconstruction: 11 of 11 pairs (100.0 %) can be evaluated",
        "  11 of 11 frames are sound, 16 x 16",
        "  gap: 1 clips",
        "    anna: 1 frame is missing (3)",
    ]


def test_partition_that_is_not_listed(bench, raw, tmp_path):
    row = {"video_id": f"{TUBES[0]}#id10280", "start": 0, "end": 9}
    listed = write_list(tmp_path / "list.csv", row)
    prepare = ("data", "prepare", "voxceleb1", "--raw", raw, "--out", tmp_path / "out", "--metadata", listed)
    assert (
        "has no clips of partition train; leave --partition out" in bench(*prepare, "--partition", "train").complaint()
    )


def test_killed_half_way_and_resumed(bench, raw, tmp_path):
    mine = tmp_path / "raw"
    mine.mkdir()
    rows = []
    for number, tube in enumerate(TUBES):
        shutil.copy(raw / f"{TUBES[0]}.mp4", mine / f"{tube}.mp4")
        rows.append({"video_id": f"{tube}#id1028{number}", "start": 0, "end": 30})
    listed = write_list(tmp_path / "list.csv", *rows)

    def prepare(out: Path) -> tuple[object, ...]:
        options = ("--raw", mine, "--out", out, "--metadata", listed, "--workers", 1)
        return ("data", "prepare", "voxceleb1", *options)

    killed = tmp_path / "killed"
    command = [str(Path(sys.executable).parent / "bench"), *map(str, prepare(killed))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(killed.glob("test/id*")):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -9
    done = list(killed.glob("test/id*"))
    assert 1 <= len(done) < 3
    assert all(len(list(folder.iterdir())) == 30 for folder in done)

    assert f"there   {len(done)} of 3 clips\n" in bench(*prepare(killed)).out
    assert bench(*prepare(tmp_path / "whole")).code == 0
    assert len(hashes(killed)) == 90
    assert hashes(killed) == hashes(tmp_path / "whole")
    assert not list(killed.rglob(f"{PARTIAL}*"))


def test_two_processes_do_not_prepare_one_folder(bench, raw, listed, tmp_path):
    out = tmp_path / "vox"
    prepare = ("data", "prepare", "voxceleb1", "--raw", raw, "--out", out, "--metadata", listed, "--size", 32)
    with locked(out, "is here"):
        refused = bench(*prepare)
        assert refused.code == 2
        assert re.search(rf"bench: process \d+ is preparing clips in {out}; wait until it has finished", refused.err)
        assert [path.name for path in out.iterdir()] == [".lock"]
    assert bench(*prepare, "--workers", 1).code == 1
