"""Fingerprints tell clips apart by what is in them, whatever they are called."""

import shutil
from pathlib import Path

import pytest

from talkbench import datasets
from talkbench.datasets.fingerprints import PIECE, fingerprint, fingerprints


def folder(path: Path, *contents: bytes) -> Path:
    path.mkdir()
    for number, content in enumerate(contents):
        (path / f"{number}.png").write_bytes(content)
    return path


def test_a_copy_has_the_same_and_every_change_that_is_looked_for_another(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", b"0", b"1", b"2")
    assert fingerprint(shutil.copytree(first, tmp_path / "b")) == fingerprint(first)
    others = [(b"0", b"1"), (b"0", b"1", b"2", b"3"), (b"x", b"1", b"2"), (b"0", b"x", b"2"), (b"0", b"1", b"22")]
    marks = {fingerprint(folder(tmp_path / f"{number}", *frames)) for number, frames in enumerate(others)}
    assert len(marks | {fingerprint(first)}) == 6


@pytest.mark.parametrize("place", [0, 2 * PIECE, 4 * PIECE - 1])
def test_a_video_is_read_at_its_beginning_middle_and_end(tmp_path: Path, place: int) -> None:
    content = bytearray(4 * PIECE)
    (tmp_path / "a.mp4").write_bytes(content)
    content[place] = 1
    (tmp_path / "b.mp4").write_bytes(content)
    (tmp_path / "c.mp4").write_bytes(content + b"0")
    assert len({fingerprint(tmp_path / f"{name}.mp4") for name in "abc"}) == 3


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    folder(tmp_path / "a", b"0")
    (tmp_path / "empty").mkdir()
    data = datasets.create("folder", root=tmp_path)
    marks = fingerprints(["a", "absent", "../a", "nul\0"], data.fingerprint)
    assert marks == {"a": fingerprint(tmp_path / "a"), "absent": "", "../a": "", "nul\0": ""}
    assert fingerprint(tmp_path / "empty") not in ("", marks["a"])
