"""Files of other people's models: what is known of each, whether the one at hand is it, and how it is fetched."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sha256_file, write_atomic
from talkbench.core.paths import home


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        name: what it is called here.
        path: where it lies in the store, relative and with its published name.
        url: where it is downloaded from; "" where only a person can fetch it.
        page: in words, where it is published.
        licence: of the weights, in words.
        sha256: of its contents, or the first digits; "" where nobody has stated it.
        git_blob: its id in git (SHA-1 of ``blob <size>``, a zero byte, contents); "" where unknown.
        size: bytes; None where unknown.
    """

    name: str
    path: str
    url: str
    page: str
    licence: str
    sha256: str = ""
    git_blob: str = ""
    size: int | None = None

    @property
    def hashed(self) -> bool:
        """Whether a hash of it has been published."""
        return bool(self.sha256 or self.git_blob)

    def fault(self, path: Path) -> str | None:
        """Why the file at `path` is not this one; None if nothing speaks against it.

        Where no hash is published, the one that was noted when the file came in must hold.
        """
        difference = self.difference(path)
        if difference is None and not self.hashed and noted(path) not in ("", digest(path)):
            difference = f"has the sha256 {digest(path)[:12]}… instead of {noted(path)[:12]}…, which it came with"
        return difference and f"{path} {difference}"

    def difference(self, path: Path) -> str | None:
        """How the file at `path` differs from what is published, ``has 5 bytes instead of 7``; None if it does not."""
        size = path.stat().st_size
        if size == 0:
            return "is empty"
        if self.size is not None and size != self.size:
            return f"has {size} bytes instead of {self.size}"
        if self.sha256 and not digest(path).startswith(self.sha256):
            return f"has the sha256 {digest(path)[:12]}… instead of {self.sha256[:12]}…"
        if self.git_blob and git_blob(path) != self.git_blob:
            return f"has the git blob id {git_blob(path)[:12]}… instead of {self.git_blob[:12]}…"
        return None


def digest(path: Path) -> str:
    """sha256 of a file, hexadecimal, computed once as long as the file stays as it is."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _modified: int) -> str:
    return sha256_file(path)


def git_blob(path: Path) -> str:
    """The id that git gives to the contents of a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def note(path: Path) -> str:
    """Write the sha256 of a file beside it, as ``sha256sum`` writes and checks it; returns the sha256."""
    sha256 = sha256_file(path)
    write_atomic(_note(path), f"{sha256}  {path.name}\n")
    return sha256


def noted(path: Path) -> str:
    """The sha256 that `note` wrote beside a file; "" if there is none."""
    return next(iter(_note(path).read_text().split()), "") if _note(path).is_file() else ""


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def copy(source: Path, target: Path) -> None:
    """Copy a file so that `target` is never half of it; a file is left alone where the two are one.

    Raises:
        TalkbenchError: `target` cannot be written.
    """
    if source.resolve() != target.resolve():
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)


def fetch(file: RemoteFile, target: Path, progress: Any = None, remedy: str = "") -> str:
    """Download a file, check it against what is known of it, move it to `target` and `note` its sha256.

    What an interrupted download has left waits in ``downloads`` of the cache folder, and the next one goes on from
    there if the server still has the same version (its ETag).

    Args:
        progress: shows the bytes; an object as ``pooch`` wants it, with `total`, `update`, `reset` and `close`.
        remedy: what to do where it cannot be fetched, in words; "" for files of `bench weights`.

    Returns:
        Its sha256.

    Raises:
        TalkbenchError: no network, a server that refuses, a file that is not the published one, a place that cannot
            be written, another process that fetches; `target` is as it was then.
    """
    import requests

    with atomic_path(target) as temporary, _alone(home() / "downloads") as folder:
        partial = folder / file.name
        try:
            _download(file.url, partial, progress)
        except requests.RequestException as error:
            if partial.stat().st_size == 0:
                partial.unlink()
            by_hand = (
                f"where there is a network: bench weights pull {file.name}, bench weights export DIR; "
                "then here: bench weights add DIR"
            )
            raise TalkbenchError(
                f"cannot fetch {file.name} from {file.url} ({_reason(error)}); {remedy or by_hand}"
            ) from error
        difference = file.difference(partial)
        if difference:
            partial.unlink()
            by_hand = f"ask for another copy and add it: bench weights add FILE --as {file.name}"
            raise TalkbenchError(
                f"{file.url} is not the {file.name} that is known: it {difference}; it was not kept. Try again, or "
                f"{remedy or by_hand}"
            )
        shutil.move(partial, temporary)
    return note(target)


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, for one process at a time."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TalkbenchError(f"another process is downloading to {folder}; wait until it has finished") from None
        yield folder
    finally:
        os.close(handle)


def _download(url: str, partial: Path, progress: Any) -> None:
    """The file at `url` appended to what `partial` has of it already."""
    import pooch
    import requests

    tag = partial.with_name(f"{partial.name}.etag")
    headers = {"Accept-Encoding": "identity"}  # a compressed stream could not be continued

    def begin(response: requests.Response, **_: object) -> None:
        if response.status_code == requests.codes.ok:  # the whole file, not the rest
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise requests.RequestException("a web page came in place of the file", response=None)
            file.truncate(0)
            tag.write_text(response.headers.get("ETag", ""))

    with partial.open("ab") as file:
        version = tag.read_text() if tag.is_file() else ""
        if file.tell() and version.startswith('"'):  # a strong tag: equal tags, equal bytes
            start = file.tell() - 1  # all of it may be there, and a server refuses to send nothing
            file.truncate(start)
            headers |= {"Range": f"bytes={start}-", "If-Range": version}
        download = pooch.HTTPDownloader(
            progressbar=progress or False, chunk_size=2**16, headers=headers, hooks={"response": begin}
        )
        download(url, file, None)
    tag.unlink()


def _reason(error: Any) -> str:
    """A failed request in a few words; the library's own text may fill a page."""
    import requests

    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke; the same command goes on from there"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)
