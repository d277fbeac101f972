"""Locks between processes that would spoil each other's files."""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
"""The file in a locked folder. It may stay there: a folder is locked only while a process holds the lock on the file,
and the system takes that from a process that ends, however it ends.
"""

SHORT = 60.0
"""Seconds to wait for a process that writes for moments only."""

FOREVER = math.inf
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


@contextmanager
def locked(
    folder: Path,
    work: str,
    wait: float = 0.0,
    say: Callable[[str], None] | None = None,
    name: str = LOCK,
    left: bool = True,
) -> Iterator[None]:
    """Keep other processes and threads that ask for the same lock out of `folder`.

    A missing folder is made, and deleted again if it is still empty at the end. Where the file system has no locks, a
    line says so, and nobody is kept out.

    Args:
        work: what is done in the folder, for the message of other processes: ``"is writing a run to"``.
        wait: seconds to wait for the lock; `FOREVER`: as long as it takes.
        say: called with one line if this process has to wait.
        name: of the lock's file, where different works in one folder do not disturb each other.
        left: whether the lock's file stays in the folder; not in one that is published or copied as a whole.

    Raises:
        TalkbenchError: another process holds the lock (the message names it if that is possible), or the folder cannot
            be written.
    """
    path, is_new = folder / name, not folder.exists()
    lock = _acquire(path, work, wait, say)
    try:
        with suppress(OSError):  # Windows lets nobody write to a locked file
            if lock:
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with suppress(OSError):
            if not left or (is_new and set(folder.iterdir()) <= {path}):
                path.unlink(missing_ok=True)
                if is_new:
                    folder.rmdir()  # which succeeds only if it is empty
            elif lock:
                os.truncate(path, 0)  # the next holder has not yet written its name when others read it
        if lock:
            lock.release()


def _acquire(path: Path, work: str, wait: float, say: Callable[[str], None] | None) -> BaseFileLock | None:
    """The lock on the file `path`, held; None where the file system has no locks."""
    from filelock import FileLock, Timeout

    folder, lock = path.parent, FileLock(path)
    try:
        try:
            _take(lock, folder, 0.0)
        except Timeout:
            if wait and say:
                say(f"{_holder(path)} {work} {folder}; waiting until it has finished")
            if not wait:
                raise
            _take(lock, folder, wait)
    except Timeout:
        raise TalkbenchError(f"{_holder(path)} {work} {folder}; wait until it has finished, or end it") from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, NotImplementedError) or error.errno in NO_LOCKS:
            _tell_of_no_locks(folder, say)
            return None
        raise TalkbenchError(
            f"cannot write {folder}: {error.strerror or error}; choose a folder that can be written"
        ) from error
    if not isinstance(lock, FileLock):  # filelock makes do with a file that is there or not
        _tell_of_no_locks(folder, say)
        lock.release()
        return None
    return lock


def _take(lock: BaseFileLock, folder: Path, seconds: float) -> None:
    failure = OSError()
    for _ in range(100):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings(action="ignore"):  # `_tell_of_no_locks` has our words for it
                lock.acquire(timeout=-1 if seconds == FOREVER else seconds)
            return
        except (FileNotFoundError, FileExistsError) as error:  # its holder has just deleted the folder, which was empty
            failure = error
    raise failure


def _tell_of_no_locks(folder: Path, say: Callable[[str], None] | None) -> None:
    tell = say or logging.getLogger(__name__).warning
    tell(f"the file system of {folder} has no locks; see to it that no other process writes there meanwhile")


def _holder(path: Path) -> str:
    """The process that holds the lock, in words; its machine is named where it is another one."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return "another process"
    process = re.fullmatch(r"(process \d+) on (.+)", text)
    return process[1] if process and process[2] == socket.gethostname() else text or "another process"
