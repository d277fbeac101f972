"""Files of other people's models: their published hashes and addresses, checking a file, and downloading it."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
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
"""Status codes after which a request is repeated."""

RETRIES = 3
BACKOFF = 0.5
"""Repetitions of a request that fails, and the factor of the waits between them, which double."""

COMMIT = "{commit}"
"""Stands in an address for the commit of a repository."""

NO_PROOF = "none: the hash is noted when the file comes, and must hold from then on"

LONGEST_WAIT = 60
"""Longest wait in seconds if the server says how long to wait."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        name: its name in talkbench.
        path: where it lies in the store, relative and with its published name.
        url: where it is downloaded from; "" where only a person can fetch it.
        page: in words, where it is published.
        licence: of the weights, in words.
        sha256: of its contents, or the first digits; "" where nobody has stated it.
        git_blob: its id in git (SHA-1 of ``blob <size>``, a zero byte, contents); "" where unknown.
        size: bytes; None where unknown.
        hub: the repository on the Hugging Face hub, the path there, and the commit; `url` is then for people.
        drive: its id on Google Drive; `url` is then for people.
        revision: address that names the present commit of its repository, as JSON with ``sha``; the commit then stands
            in `url` for `COMMIT`. "" where `url` is fixed.
    """

    name: str
    path: str
    url: str
    page: str
    licence: str
    sha256: str = ""
    git_blob: str = ""
    size: int | None = None
    revision: str = ""
    hub: tuple[str, str, str] | None = None
    drive: str = ""

    @property
    def address(self) -> str:
        """Where a person finds it: its URL, or the page where that is not fixed or does not exist."""
        return self.page if self.revision or not self.url else self.url

    @property
    def proof(self) -> str:
        """What of its contents has been published, in words."""
        if len(self.sha256) == 64:
            return "sha256"
        if self.sha256:
            return f"first {len(self.sha256)} digits of the sha256"
        return "git id" if self.git_blob else NO_PROOF

    @property
    def hashed(self) -> bool:
        """Whether a hash of the file has been published."""
        return bool(self.sha256 or self.git_blob)

    def fault(self, path: Path) -> str | None:
        """Why the file at `path` is not this one; None if it passes all checks.

        If no hash is published, the one noted when the file was added must hold.
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
    """sha256 of a file, hexadecimal; computed again only when the file has changed."""
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
    return next(iter(_note(path).read_bytes().decode(errors="replace").split()), "") if _note(path).is_file() else ""


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def copy(source: Path, target: Path) -> None:
    """Copy a file so that `target` is never half of it; nothing is done if both paths are the same file.

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
        """`count` more bytes have arrived."""

    def close(self) -> None:
        """The download is complete."""


def fetch(
    file: RemoteFile,
    target: Path,
    progress: Bar | None = None,
    remedy: str = "",
    difference: Callable[[Path], str | None] = lambda _: None,
) -> str:
    """Download a file, check its size and hash, move it to `target` and `note` its sha256.

    If the server is busy or does not answer, the request is repeated a few times. An interrupted download stays in
    ``downloads`` of the cache folder; the next one continues it if the server still has the same version (its ETag).
    From Drive gdown fetches, which continues what has the same id; from the hub huggingface_hub, which repeats
    requests and begins an interrupted download again.

    Args:
        progress: shows the bytes.
        remedy: what to do where it cannot be fetched, in words; "" for files of `bench weights`.
        difference: a further check of what came: how it differs from what it should be, in words; None: it does not.

    Returns:
        Its sha256.

    Raises:
        TalkbenchError: there is no network, the server refuses, the file is not the published one, `target` cannot be
            written, another process is fetching it, or the library that fetches it is missing. `target` is then
            unchanged.
    """
    folder = home() / "downloads"
    with atomic_path(target) as temporary, locked(folder, "is downloading to"):
        partial, address = _fetched(file, folder, progress, remedy)
        if fault := file.difference(partial) or difference(partial):
            partial.unlink()
            by_hand = f"ask for another copy and add it: bench weights add FILE --as {file.name}"
            raise TalkbenchError(
                f"{address} is not the published {file.name}: it {fault}; it was not kept. Try again, or "
                f"{remedy or by_hand}"
            )
        shutil.move(partial, temporary)
    return note(target)


def _fetched(file: RemoteFile, folder: Path, progress: Bar | None, remedy: str) -> tuple[Path, str]:
    """Where in `folder` the whole file now is, and the address that it came from."""
    import requests

    partial = folder / (f"drive-{file.drive}" if file.drive else file.name)
    try:
        if file.hub:
            _from_hub(*file.hub, partial, progress)
        elif file.drive:
            _from_drive(file.drive, partial, progress)
        else:
            url = _url(file)
            _download(url, partial, progress)
            return partial, url
    except requests.RequestException as error:
        if partial.is_file() and partial.stat().st_size == 0:
            partial.unlink()
        by_hand = (
            f"where there is a network: bench weights pull {file.name}, bench weights export DIR; "
            "then here: bench weights add DIR"
        )
        raise TalkbenchError(
            f"cannot fetch {file.name} from {file.revision or file.url} ({_reason(error)}); {remedy or by_hand}"
        ) from error
    return partial, file.url


def _from_hub(repository: str, path: str, commit: str, target: Path, progress: Bar | None) -> None:
    """Fetch a file of the Hugging Face hub, or of the server that ``HF_ENDPOINT`` names."""
    import requests

    hub, tqdm = _library("huggingface_hub"), _library("tqdm").tqdm

    class Shown(tqdm):  # type: ignore[misc, valid-type]
        """Hands the bytes to `progress` and prints nothing itself."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)  # of the library's own bars
            super().__init__(*arguments, **{**options, "disable": True})
            if progress:
                progress.total = options.get("total") or 0

        def update(self, n: float | None = 1) -> None:
            if progress:
                progress.update(int(n or 0))

    folder = target.parent / "hub" / repository.replace("/", "--")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # a try that fails is no news yet
    try:
        fetched = hub.hf_hub_download(repository, path, revision=commit, local_dir=folder, tqdm_class=Shown)
    except Exception as error:  # of four families, some of them the network library's
        raise requests.RequestException(_one_line(error)) from error
    shutil.move(fetched, target)
    shutil.rmtree(folder)


def _from_drive(number: str, target: Path, progress: Bar | None) -> None:
    """Fetch a file of Google Drive; what an interrupted download has left is continued."""
    import requests

    gdown, arrived = _library("gdown"), 0

    def show(count: int, total: int | None) -> None:
        nonlocal arrived
        if progress:
            progress.total = total or 0
            progress.update(count - arrived)
        arrived = count

    try:
        gdown.download(
            id=number, output=str(target), quiet=True, use_cookies=False, resume=True, progress=show, timeout=TIMEOUT
        )
    except gdown.DownloadError as error:
        parts = f"{target}*.part" if any(target.parent.glob(f"{target.name}*.part")) else ""
        kept = parts and f" The same command goes on from {parts}; delete it to begin anew"
        raise requests.RequestException(f"{_one_line(error)}{kept}") from error


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise TalkbenchError(f"the download needs {name}: pip install 'talkbench[pull]'") from error


def _one_line(error: Exception) -> str:
    """What a library says of a fault, in one line that is not too long."""
    return textwrap.shorten(str(error), 240, placeholder=" …") or type(error).__name__


def _url(file: RemoteFile) -> str:
    """The address of a file, at the present commit of its repository where none is published."""
    import requests

    if not file.revision:
        return file.url
    with _session() as session, session.get(file.revision, timeout=TIMEOUT) as response:
        response.raise_for_status()
        try:
            content = response.json()
        except (ValueError, RecursionError) as error:
            raise requests.RequestException("the answer is not JSON") from error
    commit = str(content.get("sha", "")) if isinstance(content, dict) else ""
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise requests.RequestException("the server names no commit")
    return file.url.replace(COMMIT, commit)


def _download(url: str, partial: Path, progress: Bar | None) -> None:
    """The file at `url` appended to what `partial` has of it already."""
    import requests

    tag = partial.with_name(f"{partial.name}.etag")
    headers = {
        "Accept-Encoding": "identity",  # a compressed stream could not be continued
        "Accept": "application/vnd.github.raw, */*",  # GitHub gives the contents of a blob, not a JSON text of them
    }
    with _session() as session, partial.open("ab") as file:
        version = tag.read_text() if tag.is_file() else ""
        if file.tell() and version.startswith('"'):  # a strong tag: equal tags, equal bytes
            start = file.tell() - 1  # all of it may be there, and a server refuses to send nothing
            file.truncate(start)
            headers |= {"Range": f"bytes={start}-", "If-Range": version}
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            if response.status_code == requests.codes.ok:  # the whole file, not its missing end
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
    """A session that repeats requests if there is no connection or the server is busy; a wait that the server asks for
    is kept."""
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
