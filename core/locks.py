"""Locks between processes that would spoil each other's files."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from talkbench.core.errors import TalkbenchError

LOCK = ".lock"
"""The file in a locked folder. It may stay there: a folder is locked only while a process holds the lock on the file.
"""


@contextmanager
def locked(folder: Path, work: str, wait: float = 0.0) -> Iterator[None]:
    """Keep other processes and threads that ask for the same lock out of `folder`.

    A missing folder is made, and deleted again if it is still empty at the end.

    Args:
        work: what is done in the folder, for the error message of other processes: ``"writes a run to"``.
        wait: seconds to wait for the lock.

    Raises:
        TalkbenchError: another process holds the lock (the message names it if that is possible), or the folder cannot
            be written.
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    lock, is_new = FileLock(path), not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
    except Timeout:
        raise TalkbenchError(f"{_holder(path)} {work} {folder}; wait until it has finished, or end it") from None
    except OSError as error:
        raise TalkbenchError(
            f"cannot write {folder}: {error.strerror or error}; choose a folder that can be written"
        ) from error
    try:
        with suppress(OSError):  # Windows lets nobody write to a locked file
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with suppress(OSError):
            if is_new and set(folder.iterdir()) <= {path}:
                path.unlink()
                folder.rmdir()
        lock.release()


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
