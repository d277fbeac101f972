"""One process at a time: others are told who is at work, wait if they may, and come in when it has ended."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.locks import locked

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
        line = rf"^process {process.pid} on \S+ is writing to {folder}; wait until it has finished, or end it$"
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
    assert f"process {os.getpid()} on " in faults[0]


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
