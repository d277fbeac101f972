"""What a program's frames follow from besides its input: its code, and the files that it loads."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from talkbench.core.model_files import digest

CODE = {".py", ".pyx", ".c", ".cc", ".cpp", ".cu", ".h", ".sh", ".js", ".lua", ".m", ".r", ".rs", ".go", ".java"}
SETTINGS = {".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".txt"}
LARGEST = 1_000_000
"""Files of `CODE` and `SETTINGS` with more bytes are data."""


@dataclass(frozen=True)
class Version:
    """The state of a checkout.

    Attributes:
        commit: of git; "" outside a repository.
        dirty: whether files that git tracks differ from the commit.
        code: sha256 over the names and contents of its code and settings, whatever git says.
    """

    commit: str
    dirty: bool
    code: str

    def __str__(self) -> str:
        """In words, for the record."""
        if not self.commit:
            return f"code {self.code[:12]}, in no git repository"
        return f"commit {self.commit[:12]}{' with changes that are not committed' if self.dirty else ''}"


def version_of(checkout: Path) -> Version:
    """The version of the program in a folder."""
    commit = _git(checkout, "rev-parse", "HEAD").strip()
    dirty = bool(commit and _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", ".").strip())
    return Version(commit, dirty, _code_sha256(checkout))


def _git(folder: Path, *arguments: str) -> str:
    """What git says of a folder; "" where there is no git or no repository."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, errors="replace").stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""


def _code_sha256(checkout: Path) -> str:
    tracked = [name for name in _git(checkout, "ls-files", "-z").split("\0") if name]
    files = {checkout / name for name in tracked} | set(_files(checkout, (CODE if tracked else CODE | SETTINGS)))
    total = hashlib.sha256()
    for path in sorted(files):
        if path.suffix.lower() in CODE | SETTINGS and path.is_file() and path.stat().st_size <= LARGEST:
            total.update(f"{path.relative_to(checkout).as_posix()}\0{digest(path)}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def _files(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    """The files of these kinds below a folder, without hidden folders and Python environments."""
    for place, folders, names in os.walk(folder):
        if "pyvenv.cfg" in names or "conda-meta" in folders:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        yield from (Path(place, name) for name in names if Path(name).suffix.lower() in suffixes)


SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def content_sha256(path: Path) -> str:
    """sha256 of a file, or over the names and contents of all files of a folder."""
    if path.is_file():
        return digest(path)
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode(errors="surrogateescape"))
    return total.hexdigest()
