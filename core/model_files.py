"""Files of other people's models: what is known of each, whether the one at hand is it, and how it is fetched."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sha256_file, write_atomic
from talkbench.core.locks import locked
from talkbench.core.paths import home

if TYPE_CHECKING:
    import requests

CHUNK = 2**16
"""Bytes that are written at a time."""

TIMEOUT = (10.0, 30.0)
"""Seconds within which a server must take a connection, and within which it must send something."""

BUSY = (429, 502, 503, 504)
"""Answers after which it is worth asking again."""

RETRIES = 3
BACKOFF = 0.5
"""Of a download that does not begin: tries after the first, and the factor of the waits between them, which double."""

LONGEST_WAIT = 60
"""Seconds that are waited at most where a server says how long to wait."""


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


class Bar(Protocol):
    """Shows the bytes of a download."""

    total: int
    """Bytes to come."""

    def update(self, count: int) -> None:
        """So many more have come."""

    def close(self) -> None:
        """All have come."""


def fetch(file: RemoteFile, target: Path, progress: Bar | None = None, remedy: str = "") -> str:
    """Download a file, check it against what is known of it, move it to `target` and `note` its sha256.

    A server that is busy or does not answer is asked again a few times. What an interrupted download has left waits in
    ``downloads`` of the cache folder, and the next one goes on from there if the server still has the same version (its
    ETag).

    Args:
        progress: shows the bytes.
        remedy: what to do where it cannot be fetched, in words; "" for files of `bench weights`.

    Returns:
        Its sha256.

    Raises:
        TalkbenchError: no network, a server that refuses, a file that is not the published one, a place that cannot
            be written, another process that fetches; `target` is as it was then.
    """
    import requests

    folder = home() / "downloads"
    with atomic_path(target) as temporary, locked(folder, "is downloading to"):
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


def _download(url: str, partial: Path, progress: Bar | None) -> None:
    """The file at `url` appended to what `partial` has of it already."""
    import requests

    tag = partial.with_name(f"{partial.name}.etag")
    headers = {"Accept-Encoding": "identity"}  # a compressed stream could not be continued
    with _session() as session, partial.open("ab") as file:
        version = tag.read_text() if tag.is_file() else ""
        if file.tell() and version.startswith('"'):  # a strong tag: equal tags, equal bytes
            start = file.tell() - 1  # all of it may be there, and a server refuses to send nothing
            file.truncate(start)
            headers |= {"Range": f"bytes={start}-", "If-Range": version}
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            if response.status_code == requests.codes.ok:  # the whole file, not the rest
                if response.headers.get("Content-Type", "").startswith("text/html"):
                    raise requests.RequestException("a web page came in place of the file")
                file.truncate(0)
                tag.write_text(response.headers.get("ETag", ""))
            _write(response, file, progress)
    tag.unlink()


def _write(response: requests.Response, file: BinaryIO, progress: Bar | None) -> None:
    if progress:
        progress.total = int(response.headers.get("Content-Length", 0))
    for chunk in response.iter_content(CHUNK):
        file.write(chunk)
        if progress:
            progress.update(len(chunk))
    if progress:
        progress.close()


def _session() -> requests.Session:
    """Asks again where no connection comes about or the server is busy, after the time that it names if it does."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a try that fails is no news yet
    retries = Retry(
        RETRIES,
        status_forcelist=BUSY,
        backoff_factor=BACKOFF,
        retry_after_max=LONGEST_WAIT,
        raise_on_status=False,  # the answer tells more
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def _reason(error: Any) -> str:
    """A failed request in a few words; the library's own text may fill a page."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.Timeout) or isinstance(getattr(cause, "reason", cause), ReadTimeoutError):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke; the same command goes on from there"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)
