"""Every listed frame is looked at, and every fault is told once, whatever the threads do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from synthetic_sets import picture, write_video

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import write_png
from talkbench.datasets.dataset import Split
from talkbench.datasets.pairs import Frame, Pair
from talkbench.datasets.preparation.verification import list_files, listed_frames, read_manifest, verify, write_manifest

CLIPS = ("one", "two", "three", "four")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four clips of four frames, 16 x 16; the last one is a video."""
    folder = tmp_path / "root"
    for number, clip in enumerate(CLIPS[:3]):
        for index in range(4):
            write_png(folder / clip / f"{index:07d}.png", picture(number, index, 16))
    write_video(folder / CLIPS[3], 3, 4, 16)
    (folder / CLIPS[3]).rename(folder / "four.mp4")
    return folder


def split_of(root: Path) -> Split:
    """In each clip four pairs: every frame drives the next one, the last one the first."""
    names = [*CLIPS[:3], "four.mp4"]
    pairs = [Pair(Frame(name, index), Frame(name, (index + 1) % 4)) for name in names for index in range(4)]
    return Split("tiny", "same-identity", "absolute", root, [*pairs, pairs[0]])


def checked(root: Path, manifest: dict[str, str] | None = None, workers: int = 1):
    told: list[int] = []
    split = split_of(root)
    verdict = verify(split, manifest, workers, told.append)
    assert sum(told) == verdict.frames == len(listed_frames(split)) == 16
    assert verdict.pairs == 17
    return verdict


def written(root: Path, path: Path) -> Path:
    write_manifest(root, list_files(root), path, 2, lambda count: None)
    return path


def test_all_is_well(root):
    verdict = checked(root)
    assert (verdict.size, verdict.faults, verdict.usable) == ((16, 16), {}, 17)


def test_every_fault_costs_its_own_pairs(root, tmp_path):
    manifest = read_manifest(written(root, tmp_path / "manifest"))
    (root / "one" / "0000001.png").write_bytes(b"no image")
    write_png(root / "two" / "0000000.png", picture(1, 0, 17))
    write_png(root / "two" / "0000002.png", picture(0, 0, 16))
    shutil.rmtree(root / "three")
    with (root / "four.mp4").open("ab") as file:
        file.write(bytes(8))
    del manifest["two/0000003.png"]
    assert {(frame.clip, frame.index): error.reason for frame, error in checked(root).faults.items()} == {
        ("one", 1): "undecodable-frame",
        ("two", 0): "other-size",
        **{("three", index): "missing-clip" for index in range(4)},
    }
    verdict = checked(root, manifest)
    assert {(frame.clip, frame.index): error.reason for frame, error in verdict.faults.items()} == {
        ("one", 1): "undecodable-frame",
        ("two", 0): "other-content",
        ("two", 2): "other-content",
        ("two", 3): "not-in-manifest",
        **{(clip, index): reason for clip, reason in (("three", "missing-clip"), ("four.mp4", "other-content"))
           for index in range(4)},
    }  # fmt: skip
    assert list(verdict.faults) == sorted(verdict.faults)
    assert verdict.usable == 2  # of the clip one, those without frame 1


def test_clips_that_are_none(root, tmp_path):
    shutil.move(root / "one", tmp_path / "elsewhere")
    (root / "one").symlink_to(tmp_path / "elsewhere")
    shutil.rmtree(root / "two")
    (root / "two").touch()
    (root / "four.mp4").write_bytes(b"")
    verdict = checked(root)
    found = {frame.clip: error.reason for frame, error in verdict.faults.items()}
    assert found == dict.fromkeys(("one", "two", "four.mp4"), "unreadable-clip")
    assert "leaves the data root" in str(verdict.faults[Frame("one", 0)])
    assert (verdict.usable, list_files(root)[-1]) == (4, "three/0000003.png")


def test_link_to_a_frame_is_not_in_the_manifest(root, tmp_path):
    manifest = read_manifest(written(root, tmp_path / "manifest"))
    frame = root / "one" / "0000001.png"
    shutil.move(frame, tmp_path / frame.name)
    frame.symlink_to(tmp_path / frame.name)
    (fault,) = checked(root, read_manifest(written(root, tmp_path / "manifest"))).faults.values()
    assert (fault.reason, str(fault)) == ("not-in-manifest", "the manifest does not list one/0000001.png")
    assert checked(root, manifest).faults == {}


def test_threads_tell_the_same(root):
    (root / "one" / "0000001.png").unlink()
    one, four = checked(root), checked(root, workers=4)
    assert [(frame, str(error)) for frame, error in one.faults.items()] == [
        (frame, str(error)) for frame, error in four.faults.items()
    ]


def test_nothing_there(root):
    shutil.rmtree(root)
    root.mkdir()
    verdict = checked(root)
    assert (verdict.size, len(verdict.faults), verdict.usable) == (None, 16, 0)


def test_manifest_is_what_sha256sum_reads(root, tmp_path):
    (root / "notes.txt").write_text("no frame")
    (root / "one" / ".hidden.png").write_bytes(b"")
    (root / "link.png").symlink_to(root / "one" / "0000000.png")
    with open(os.fsencode(root) + b"/one/caf\xe9.png", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    path = written(root, tmp_path / "manifest")
    names = [line[66:] for line in path.read_bytes().splitlines()]
    assert names == sorted(names)
    assert len(names) == 3 * 4 + 1 + 1
    assert b"one/caf\xe9.png" in names
    assert {os.fsencode(name) for name in read_manifest(path)} == set(names)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", path], cwd=root, check=True)


def test_manifest_has_videos_of_any_ending_and_frames_of_any_format(root):
    write_video(root / "five.mp4", 4, 2, 16)
    (root / "five.mp4").rename(root / "five.download")
    (root / "one" / "0000004.webp").write_bytes(b"a frame")
    assert {"five.download", "one/0000004.webp", "four.mp4"} < set(list_files(root))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc  one.png\n", "line 1: not a SHA-256"),
        (b"0" * 64 + b"  a.png\n" + b"0" * 64 + b"\n", "line 2: not a SHA-256"),
        ((b"0" * 64 + b"  a.png\n") * 2, "line 2: a.png is in an earlier line too"),
    ],
)
def test_faulty_manifest_is_refused(tmp_path, content, message):
    (tmp_path / "manifest").write_bytes(content)
    with pytest.raises(TalkbenchError, match=message):
        read_manifest(tmp_path / "manifest")


def test_nothing_to_list(tmp_path):
    with pytest.raises(TalkbenchError, match="holds no image or video"):
        list_files(tmp_path)
    with pytest.raises(TalkbenchError, match="cannot read the manifest"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "a\nb.png").touch()
    with pytest.raises(TalkbenchError, match=r"'a\\nb.png' has a line end"):
        list_files(tmp_path)
