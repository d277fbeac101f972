"""Files of other people's models: what is known of each, and whether the one at hand is it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from talkbench.core.files import sha256_file


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

    def fault(self, path: Path) -> str | None:
        """Why the file at `path` is not this one; None if nothing speaks against it."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"{path} has {size} bytes instead of {self.size}"
        if self.sha256 and not digest(path).startswith(self.sha256):
            return f"{path} has the sha256 {digest(path)[:12]}… instead of {self.sha256[:12]}…"
        if self.git_blob and git_blob(path) != self.git_blob:
            return f"{path} has the git blob id {git_blob(path)[:12]}… instead of {self.git_blob[:12]}…"
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
