"""Files appear whole or not at all, and hashes are of their contents."""

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import (
    atomic_folder,
    atomic_path,
    check_regular,
    read_regular,
    sha256_bytes,
    sha256_file,
    sweep,
    write_all,
    write_atomic,
)
from talkbench.core.images import read_image
from talkbench.core.yaml_files import read_yaml
from talkbench.datasets.pairs import read_text
from talkbench.methods.checkpoints import save_states


def test_hashes_agree_with_hashlib(tmp_path):
    data = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(data)
    assert sha256_file(tmp_path / "data") == sha256_bytes(data) == hashlib.sha256(data).hexdigest()


def test_writes_text_and_bytes_into_folders_it_makes(tmp_path):
    write_atomic(tmp_path / "a" / "b" / "text.txt", "Größe")
    write_atomic(tmp_path / "a" / "b" / "text.txt", "größer")
    write_atomic(tmp_path / "a" / "bytes", b"\0\1")
    assert (tmp_path / "a" / "b" / "text.txt").read_text(encoding="utf-8") == "größer"
    assert (tmp_path / "a" / "bytes").read_bytes() == b"\0\1"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "bytes", "text.txt"]


def write_for_oneself(path: Path) -> None:
    """As safetensors does: a temporary file that only its user reads is moved to its place."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        Path(file.name).replace(path)


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750), (0, 0o666, 0o777)])
def test_permissions_follow_the_umask_whatever_wrote_the_file(tmp_path, umask, file, folder):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "file", "")
        with atomic_path(tmp_path / "moved") as temporary:
            write_for_oneself(temporary)
        with atomic_folder(tmp_path / "folder") as temporary:
            Path(tempfile.mkdtemp(dir=temporary)).replace(temporary / "inner")
            write_for_oneself(temporary / "inner" / "moved")
        save_states({"net": {"weight": torch.zeros(1)}}, tmp_path / "weights.safetensors", {})
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o777 == (folder if path.is_dir() else file), path
    assert len(list(tmp_path.rglob("*"))) == 6


def test_the_temporary_path_keeps_the_name(tmp_path):
    with atomic_path(tmp_path / "clip.mp4") as temporary:
        assert temporary.name == "clip.mp4"
        temporary.write_bytes(b"film")
        assert not (tmp_path / "clip.mp4").exists()
    assert (tmp_path / "clip.mp4").read_bytes() == b"film"


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path):
    write_atomic(tmp_path / "file", "old")

    def fail():
        with atomic_path(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise KeyError("boom")

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_killed_writer_leaves_no_file_that_looks_like_a_result(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from talkbench.core.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-P", "-c", program, tmp_path / "part.parquet"])
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("*.parquet")) == []


@pytest.mark.parametrize("name", ["file/child", "folder"], ids=["a file for a folder", "a folder for a file"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(TalkbenchError, match=r"cannot write .*; choose a folder that can be written$") as caught:
        write_atomic(path, "text")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TalkbenchError, match="No space left on device; free some space"):
        write_atomic(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


def write_through(target, action):
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        action(temporary)


def test_the_file_that_failed_is_named_and_not_the_target(tmp_path, monkeypatch):
    """One that is read, missing or a folder, beside the target or elsewhere; one that is written elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    target, beside = Path("out") / "file", Path("out") / "beside"
    for other, use, reason in (
        (tmp_path / "absent", Path.read_bytes, "No such file or directory"),
        (beside, Path.read_bytes, "No such file or directory"),
        (tmp_path / "folder", Path.read_bytes, "Is a directory"),
        (tmp_path / "absent" / "file", Path.touch, "No such file or directory"),
    ):
        line = f"^cannot use {other}: {reason}; out/file is not written without it$"
        with pytest.raises(TalkbenchError, match=line):
            write_through(target, lambda _, use=use, other=other: use(other))
    assert list(Path("out").iterdir()) == []


def test_the_target_is_named_where_it_is_the_one_that_failed(tmp_path):
    target = tmp_path / "file"
    for action in (
        Path.unlink,  # nothing was written
        lambda temporary: (temporary / "below").touch(),
        lambda _: target.read_bytes(),
        lambda _: tmp_path.read_bytes(),
    ):
        with pytest.raises(TalkbenchError, match=rf"^cannot write {target}: .*; choose a folder that can be written$"):
            write_through(target, action)


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_appears_whole_or_not_at_all(tmp_path, exists):
    path = tmp_path / "new" / "folder"
    if exists:
        path.mkdir(parents=True)

    def fill(fails):
        with atomic_folder(path) as temporary:
            assert temporary.name == "folder"
            (temporary / "file").write_text("text")
            assert not (path / "file").exists()
            if fails:
                raise KeyError("boom")

    with pytest.raises(KeyError):
        fill(fails=True)
    assert path.exists() == exists
    fill(fails=False)
    assert (path / "file").read_text() == "text"
    assert list(path.parent.iterdir()) == [path]
    for taken in (path, path / "file"):
        with pytest.raises(TalkbenchError, match="is there already and not an empty folder"), atomic_folder(taken):
            pass


def test_what_a_killed_process_left_is_swept(tmp_path):
    write_atomic(tmp_path / "rows" / "part.parquet", b"done")
    left = tmp_path / "rows" / ".partial-abc"
    left.mkdir()
    (left / "part.parquet").write_bytes(b"half")
    sweep(tmp_path)
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["rows", "part.parquet"]


def test_of_two_that_fill_a_folder_at_once_the_first_has_it(tmp_path: Path) -> None:
    def fill(name: str, meanwhile: Callable[[], None]) -> None:
        with atomic_folder(tmp_path / "entry") as folder:
            (folder / "file").write_text(name)
            meanwhile()

    with pytest.raises(TalkbenchError, match="is there already"):
        fill("second", lambda: fill("first", lambda: None))
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["first"]


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_refused_before_it_is_opened(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            monkeypatch.chdir(tmp_path)  # the path of a socket must be short
            server.bind(path.name)
        elif kind == "a folder":
            path.mkdir()
        else:
            path = Path("/dev/zero")
        for read in (check_regular, sha256_file, read_text, read_yaml, lambda path: read_regular(path, 9)):
            with pytest.raises(TalkbenchError, match=f"{path} is {kind}; give a file"):
                read(path)
        with pytest.raises(PairError, match=f"is {kind}"):
            read_image(path)


def test_what_is_moved_is_on_the_disk_before_and_its_name_after(tmp_path, monkeypatch):
    """Files, then folders, then the move, then the name: in this order a power cut leaves all or nothing."""
    events = []

    def fsync(descriptor, original=os.fsync):
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        original(descriptor)

    def replace(path, target, original=Path.replace):
        events.append("move")
        return original(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with atomic_folder(tmp_path / "set") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.txt").write_text("a")
    assert events == ["a.txt", "set", "inner", "move", tmp_path.name]
    events.clear()
    with atomic_path(tmp_path / "b.txt") as file:
        file.write_text("b")
    assert events == ["b.txt", "move", tmp_path.name]


def test_many_files_are_written_whole_without_waiting_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("it waits"))
    (tmp_path / "a.txt").write_text("old")
    write_all(tmp_path, {"a.txt": b"new", "inner/b.txt": b"b"})
    assert (tmp_path / "a.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "b.txt", "inner"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TalkbenchError, match="cannot"):
        write_all(tmp_path, {"file/c.txt": b"c"})
