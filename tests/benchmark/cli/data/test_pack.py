"""`bench data pack` as a user meets it, and the commands that read what it has packed."""

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import synthetic_sets

from talkbench.core.images import write_png
from talkbench.core.locks import locked
from talkbench.datasets.clip_store import forget
from talkbench.datasets.preparation.verification import list_files

CLIP = "train/anna/0.mp4"
FILE = f"{CLIP}.frames.zip"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four clips of two people, three frames of 16x16 each."""
    return synthetic_sets.make_training(tmp_path / "plain", "folder", frames=3, size=16)


@pytest.fixture
def pack(bench):
    """Packs a folder in this process; options given here come last and so win."""
    usual = ("data", "pack", "folder", "--workers", "1")
    return lambda root, out, *options: bench(*usual, "--root", root, "--out", out, *options)


def words(result) -> str:
    return " ".join(result.out.split())


def test_from_packing_to_checking(bench, pack, root, place):
    (root / "lists").mkdir()
    (root / "lists" / "pairs.csv").write_text("a list")
    (root / "notes.txt").write_text("not a clip")
    result = pack(root, "packed", "--workers", "2")
    assert result.code == 0, result.err
    assert words(result) == (
        "not packed, as they are no clips: 1 (notes.txt) made 4 of 4 clips there 0 of 4 clips "
        "packs 4 files, 0.0 MB --dataset folder --root packed"
    )
    assert (place / "packed" / "lists" / "pairs.csv").read_text() == "a list"
    assert list_files(place / "packed") == sorted(
        f"{name}.frames.zip" for name in synthetic_sets.training_names("folder")
    )
    checked = bench("data", "verify", "folder", "--root", "packed", "--task", "reconstruction")
    assert checked.code == 0
    assert "12 of 12 frames are sound, 16 x 16" in checked.out
    assert bench("data", "manifest", "folder", "--root", "packed", "--out", "sums").code == 0
    data = bytearray((place / "packed" / FILE).read_bytes())
    data[data.index(b"IDAT") + 6] ^= 1
    (place / "packed" / FILE).write_bytes(data)
    forget()  # as another process
    checked = bench("data", "verify", "folder", "--root", "packed", "--task", "reconstruction", "--manifest", "sums")
    assert checked.code == 1
    assert "9 of 12 frames are sound" in checked.out
    assert "undecodable-frame: 1 frames" in checked.out
    assert "delete it and run bench data pack again" in checked.out
    assert f"{FILE} has another sha256 than in the manifest" in checked.out


def test_a_run_on_packed_frames_is_the_run_on_the_files(bench, score, clips, place):
    assert bench("data", "pack", "tiny", "--root", clips, "--out", "packed", "--workers", 1).code == 0
    plain = score("--out", "one")
    record, values = plain.record, plain.values("l1")
    packed = score("--root", "packed", "--out", "two")
    assert packed.code == 0, packed.err
    assert packed.store.folder == place / "two"
    assert packed.record.dataset == record.dataset
    assert packed.values("l1") == values


def test_a_command_that_was_stopped_goes_on(pack, root, place):
    pack(root, "packed")
    (place / "packed" / FILE).rename(place / "packed" / "gone.frames.zip")
    result = pack(root, "packed")
    assert result.code == 0
    assert "made 1 of 4 clips there 3 of 4 clips" in words(result)
    assert f"also there, of clips that are not in {root}: 1 (gone.frames.zip)" in words(result)
    with locked(place / "packed", "is packing clips into"):
        assert "is packing clips into packed; wait until" in pack(root, "packed").complaint()


def test_a_pack_of_another_clip_is_not_taken_for_this_one(pack, root):
    pack(root, "packed")
    write_png(root / CLIP / "0000000.png", np.zeros((16, 16, 3), np.uint8))
    result = pack(root, "packed")
    assert result.code == 1
    assert "other-clip: 1 clips" in words(result)
    assert "was made of another clip of that name; delete it and run bench data pack again" in words(result)


def test_two_clips_of_one_name(pack, root, place):
    pack(root, "packed")
    (root / CLIP).rename(place / "packed" / CLIP)
    result = pack("packed", "again")
    assert result.code == 1
    assert "there are two clips train/anna/0.mp4" in words(result)
    assert "is a pack already; copy it" in words(result)


def test_what_cannot_be_packed(bench, pack, root, place):
    (place / "empty").mkdir()
    write_png(place / "flat" / "0.png", np.zeros((4, 4, 3), np.uint8))
    for folder, out, fault in (
        (root, root, "lie in one another; name another folder with --out"),
        (root, root / "packed", "lie in one another"),
        (root, place, "lie in one another"),
        (place / "empty", "new", "holds no clip of folder; name the folder of its clips with --root"),
        (place / "flat", "new", "gives the clip no name; move them to a folder in it"),
        (place / "none", "new", "there is no folder"),
    ):
        assert fault in pack(folder, out).complaint()
    assert "name it with --root" in bench("data", "pack", "folder", "--out", "new").complaint()
    assert not (place / "new").exists()


def test_what_lies_outside_the_root_is_not_packed(pack, root, tmp_path):
    (root / "train" / "link").symlink_to(tmp_path)
    write_png(tmp_path / "other.png", np.zeros((16, 16, 3), np.uint8))
    (root / CLIP / "0000003.png").symlink_to(tmp_path / "other.png")
    result = pack(root, "packed")
    assert result.code == 1
    assert "'train/link' leaves the data root" in words(result)
    assert "0000003.png is a link that leaves the data root" in words(result)
    assert "made 3 of 5 clips" in words(result)


def test_a_full_disk_takes_one_line(pack, root, place, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would be cut off, and Python would not notice
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        result = pack(root, "packed")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.code == 2
    assert f"cannot write {place / 'packed' / FILE}: File too large" in result.err.splitlines()[-1]
    assert not list((place / "packed").rglob("*.zip"))
