"""Writing files so that a reader never sees half of one, and naming contents by their hash."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from talkbench.core.errors import TalkbenchError

PARTIAL = ".partial-"

KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip
"""What a path may be besides a file."""


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of `data`, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_regular(path: Path) -> None:
    """Refuse what is no file, before it is opened: a pipe or a device has no end, and opening it may wait for ever.

    Raises:
        TalkbenchError: `path` is a folder, pipe, socket or device. Nothing is said of a path that does not exist.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # opening it says why
        return
    if not stat.S_ISREG(mode):
        what = next((name for test, name in KINDS if test(mode)), "no file")
        raise TalkbenchError(f"{path} is {what}; give a file")


def is_there(path: Path) -> bool:
    """Whether a path exists; of a name that no file system takes, it does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        TalkbenchError: it cannot be read, is larger, or is no file.
    """
    check_regular(path)
    try:
        if path.stat().st_size > limit:
            raise TalkbenchError(f"{path} is larger than {limit // 1_000_000} MB; give a smaller file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise TalkbenchError(f"cannot read {path}: {error}; give a file that can be read") from error


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's contents, hexadecimal; what is no file raises `TalkbenchError`."""
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to, of the same name, that is moved to `path` after fsync when the block ends well.

    Missing folders are made. The file has the permissions that the user's umask gives, whatever wrote it. The temporary
    path lies in a hidden folder beside `path`, so that what a killed process leaves behind is never taken for a result.

    Raises:
        TalkbenchError: the folder cannot be written, the disk is full, or the block could not use another file, which
            the message then names; nothing is left behind.
    """
    with _beside(path) as temporary:
        yield temporary
        _permit([temporary], temporary.parent)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _fsync_names(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, of the same name, that is moved to `path` after fsync of all its files when the block
    ends well; see `atomic_path`.

    Of several processes that fill the same folder at once, the first to end has it.

    Raises:
        TalkbenchError: `path` is a file or a folder that is not empty, or cannot be written.
    """
    _check_free(path)
    with _beside(path.absolute()) as temporary:
        temporary.mkdir()
        yield temporary
        _permit(temporary.rglob("*"), temporary.parent)
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        for folder in (temporary, *temporary.rglob("*/")):
            _fsync_names(folder)
        try:
            temporary.replace(path.absolute())
        except OSError:
            _check_free(path)
            raise
        _fsync_names(path.absolute().parent)


def write_all(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files below `root`, by their paths in it, each so that a reader sees the old one or the new one whole.

    They are not forced onto the disk, which `atomic_path` does and which takes most of the time of many small files:
    for what can be made again. Raises as `atomic_path`.
    """
    with _beside(root / "files") as temporary:
        temporary.mkdir()
        for number, (name, content) in enumerate(files.items()):
            (temporary / str(number)).write_bytes(content)
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / str(number)).replace(root / name)


def _permit(paths: Iterable[Path], hidden: Path) -> None:
    """Give files and folders the permissions that the user's umask gives: some libraries write for their user alone.

    Args:
        hidden: a folder for a file that shows which these are, since to ask for the umask is to change it for a moment.
    """
    probe = hidden / ".umask"
    probe.touch()
    plain = probe.stat().st_mode & 0o666
    for path in paths:
        mode = plain | (plain & 0o444) >> 2 if path.is_dir() else plain
        if not path.is_symlink() and path.stat().st_mode & 0o777 != mode:
            with suppress(PermissionError):  # where the file system has none
                path.chmod(mode)


def _fsync_names(folder: Path) -> None:
    """See to it that the names in a folder outlast a power cut, where the file system lets folders be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_free(path: Path) -> None:
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise TalkbenchError(f"{path} is there already and not an empty folder; choose another name")


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path of the same name in a hidden folder beside `path`; that folder is deleted after the block.

    It is absolute, since some libraries, pyarrow for one, take a relative ``a:b/file`` for a URL.
    """
    hidden = path.parent
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=PARTIAL, dir=path.parent.absolute()) as folder:
            hidden = Path(folder)
            yield hidden / path.name
    except OSError as error:
        reason, other = error.strerror or error, _other_file(error, path, hidden)
        if other:
            raise TalkbenchError(f"cannot use {other}: {reason}; {path} is not written without it") from error
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "choose a folder that can be written"
        raise TalkbenchError(f"cannot write {path}: {reason}; {remedy}") from error


def _other_file(error: OSError, path: Path, hidden: Path) -> Path | None:
    """The file that the error names; None if that is `path`, a folder above it, or a file below `hidden`."""
    if not isinstance(error.filename, str | os.PathLike):
        return None
    named, target = Path(error.filename).absolute(), path.absolute()
    own = named in (target, *target.parents) or named.is_relative_to(hidden.absolute())
    return None if own else Path(error.filename)


def sweep(folder: Path) -> None:
    """Delete what killed processes left of `atomic_path` below `folder`, where no other process may be writing."""
    for leftover in folder.rglob(f"{PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `data` (text as UTF-8) to `path` through `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
