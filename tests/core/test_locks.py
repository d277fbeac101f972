"""One process at a time: others are told who is at work, wait if they may, and come in when it has ended."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.locks import FOREVER, locked

HOLDS = (
    "import sys, time; from pathlib import Path; from talkbench.core.locks import locked\n"
    "with locked(Path(sys.argv[1]), 'is writing to'):\n"
    "    print('in', flush=True); time.sleep(float(sys.argv[2]))"
)


def holder(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    """Another process, which has the lock."""
    command = [sys.executable, "-P", "-c", HOLDS, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def test_the_one_who_is_at_work_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with holder(folder, 60) as process:
        line = rf"^process {process.pid} is writing to {folder}; wait until it has finished, or end it$"
        with pytest.raises(TalkbenchError, match=line), locked(folder, "is writing to"):
            pass
        with locked(tmp_path / "other", "is writing to"):
            pass
        process.kill()
    with locked(folder, "is writing to"):  # whatever ended it
        pass


def test_a_folder_that_stays_empty_goes(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "made", "filled"):
        with locked(tmp_path / name, "is writing to"):
            if name == "filled":
                (tmp_path / name / "file").touch()
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert files == ["filled", "filled/.lock", "filled/file", "there", "there/.lock"]


def test_waiting_has_a_bound(tmp_path: Path) -> None:
    with holder(tmp_path, 0.5):
        began = time.monotonic()
        with pytest.raises(TalkbenchError, match="wait until it has finished"), locked(tmp_path, "is at", wait=0.1):
            pass
        assert time.monotonic() - began >= 0.1
        with locked(tmp_path, "is at", wait=60):
            pass


def test_who_is_waited_for_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    with holder(tmp_path, 0.5) as process, locked(tmp_path, "is writing to", FOREVER, said.append):
        assert said == [f"process {process.pid} is writing to {tmp_path}; waiting until it has finished"]


def test_a_process_of_another_machine_is_named_with_its_machine(tmp_path: Path) -> None:
    """As on a disk that machines share."""
    with locked(tmp_path, "is writing to"):
        (tmp_path / ".lock").write_text("process 7 on far")
        line = rf"^process 7 on far is writing to {tmp_path};"
        with pytest.raises(TalkbenchError, match=line), locked(tmp_path, "is writing to"):
            pass


def test_works_of_two_names_go_on_side_by_side(tmp_path: Path) -> None:
    with locked(tmp_path, "is writing to"), locked(tmp_path, "is reading", name=".other"):
        pass


def test_a_child_that_outlives_a_killed_process_does_not_hold_its_lock(tmp_path: Path) -> None:
    forks = HOLDS.replace("    print", "    child = os.fork() or time.sleep(60)\n    print").replace("sys,", "os, sys,")
    with subprocess.Popen(
        [sys.executable, "-P", "-c", forks, str(tmp_path), "60"], stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        process.kill()
        process.wait()
        with locked(tmp_path, "is writing to", wait=5):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    said: list[str] = []
    with locked(tmp_path / "new", "is writing to", say=said.append), locked(tmp_path / "new", "is writing to"):
        pass
    line = f"the file system of {tmp_path / 'new'} has no locks; see to it that no other process writes there meanwhile"
    assert (said, caplog.messages) == ([line], [line])
    assert not (tmp_path / "new").exists()


def test_folders_that_come_and_go_disturb_nobody(tmp_path: Path) -> None:
    """Each thread makes the folder and deletes it again, while the others are on their way in."""
    faults, inside = [], []

    def enter() -> None:
        try:
            for _ in range(20):
                with locked(tmp_path / "new", "is writing to", wait=60):
                    inside.append(1)
                    assert len(inside) == 1
                    inside.clear()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_threads_keep_each_other_out(tmp_path: Path) -> None:
    faults = []

    def enter() -> None:
        try:
            with locked(tmp_path, "is writing to"):
                pass
        except TalkbenchError as error:
            faults.append(str(error))

    with locked(tmp_path, "is writing to"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert len(faults) == 1
    assert f"process {os.getpid()} is writing to " in faults[0]


def test_an_error_in_the_block_is_passed_on_and_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path, "is writing to"):
        raise KeyError("boom")
    with pytest.raises(FileNotFoundError), locked(tmp_path, "is writing to"):
        (tmp_path / "absent").read_bytes()
    with locked(tmp_path, "is writing to"):
        pass


def test_a_lock_file_that_says_nothing_is_no_hindrance(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe", b"process 1 on an old machine"):
        (tmp_path / ".lock").write_bytes(content)
        with locked(tmp_path, "is writing to"):
            pass
    with locked(tmp_path, "is writing to"):
        (tmp_path / ".lock").write_bytes(b"\xff\xfe")
        line = rf"^another process is writing to {tmp_path};"
        with pytest.raises(TalkbenchError, match=line), locked(tmp_path, "is writing to"):
            pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        line = rf"^cannot write {folder}: .*; choose a folder that can be written$"
        with pytest.raises(TalkbenchError, match=line), locked(folder, "is writing to"):
            pass


def test_an_interrupted_process_frees_the_folder(tmp_path: Path) -> None:
    with holder(tmp_path, 60) as process:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        with locked(tmp_path, "is writing to"):
            pass
