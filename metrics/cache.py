"""Features of real frames kept on disk, so that the second method on a dataset pays only for its own frames."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep, time

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_bytes
from talkbench.core.images import to_tensor
from talkbench.core.paths import home
from talkbench.core.registry import nearest
from talkbench.metrics.interface import Extractor, extractor_registry

LAYOUT = 1
"""Version of the database's tables; raised whenever they or the meaning of a column change."""

SIZE = 4 * 2**30
"""Bytes that the cache may take by default."""

KEPT = 0.9
"""A cache that outgrows its bound is cut to this share of it: making room now and then is cheaper than with every
batch."""

TIMEOUT = 60.0
"""Seconds that one process waits for another to finish writing, which takes milliseconds."""

REFRESH = 60.0
"""Seconds after which the next use of an entry is written down again."""

SCHEMA = (
    "CREATE TABLE features (extractor TEXT NOT NULL, frame TEXT NOT NULL, dtype TEXT, shape TEXT, value BLOB,"
    " checksum TEXT NOT NULL, used REAL NOT NULL, UNIQUE (extractor, frame))",
    "CREATE INDEX by_use ON features (used)",
    f"PRAGMA user_version = {LAYOUT}",
)
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


@dataclass(frozen=True)
class Usage:
    """What the cache holds of one extractor: frames, with or without features, and the bytes of the features."""

    extractor: str
    frames: int
    bytes: int


@dataclass(frozen=True)
class CacheInfo:
    """What the cache holds.

    Attributes:
        path: the database.
        bytes: on disk, including caches of other layouts in the same folder.
        bound: bytes that it may take.
        extractors: by id.
    """

    path: Path
    bytes: int
    bound: int
    extractors: tuple[Usage, ...]


class FeatureCache:
    """A database of features by extractor id and frame content, for any number of threads and processes of a machine.

    That a frame shows no face is remembered too. Each entry carries a checksum: a damaged one is computed again. When
    the database grows over its bound, the least recently used entries are deleted.

    Args:
        folder: where; default ``features`` in the cache folder (`core.paths.home`).
        size: bytes that it may take; default ``TALKBENCH_CACHE_SIZE`` (see `parse_size`), else 4 GiB.
        warn: called with one line when the cache cannot be used; from then on `get_or_extract` does without. None: that
            is an error.

    Raises:
        TalkbenchError: every method: the file is damaged, was made by another version of talkbench, stays locked or
            cannot be written. `clear` without an argument helps in all cases but the last.
    """

    def __init__(
        self, folder: Path | None = None, size: int | None = None, warn: Callable[[str], None] | None = None
    ) -> None:
        self.folder = folder or home() / "features"
        self.path = self.folder / f"features-{LAYOUT}.sqlite"
        chosen = os.environ.get("TALKBENCH_CACHE_SIZE")
        self.size = size if size is not None else parse_size(chosen) if chosen else SIZE
        self._warn, self._usable = warn, True

    def get_or_extract(
        self, extractor: Extractor, frames: Sequence[np.ndarray], bases: Mapping[str, Extractor] | None = None
    ) -> list[np.ndarray | None]:
        """Features of uint8 RGB frames (H, W, 3) of one size; the new frames' are extracted in one batch and stored.

        Args:
            extractor: whose features. Those that it starts from (`Extractor.uses`) come through the cache as well.
            frames: any number; equal ones are extracted once.
            bases: extractors by name, for `Extractor.uses`; one that is missing is created.
        """
        keys = [_content(frame) for frame in frames]
        frame_of = dict(zip(keys, frames, strict=True))
        features: dict[str, np.ndarray | None] = {}
        with self._forgiving():
            features = self._read(extractor.full_id, list(frame_of)) if frame_of and self._usable else {}
        new = [key for key in frame_of if key not in features]
        if new:
            extracted = self._extract(extractor, [frame_of[key] for key in new], bases or {})
            fresh = dict(zip(new, extracted, strict=True))
            with self._forgiving():
                if self._usable:
                    self._write(extractor.full_id, fresh)
            features |= fresh
        return [features[key] for key in keys]

    def info(self) -> CacheInfo:
        """What the cache holds; a database that is missing is not made."""
        rows: list[tuple[str, int, int]] = []
        if self.path.exists():
            query = "SELECT extractor, count(*), coalesce(sum(length(value)), 0) FROM features GROUP BY 1 ORDER BY 1"
            with self._database() as database:
                rows = database.execute(query).fetchall()
        return CacheInfo(self.path, self._on_disk(), self.size, tuple(Usage(*row) for row in rows))

    def clear(self, extractor: str = "") -> int:
        """Delete the features of one extractor, named by id or by name, or of all; returns the number of bytes freed.

        Without an extractor, databases of other layouts go too, and this one as a whole if it is damaged. Processes
        that use the cache meanwhile are not disturbed.

        Raises:
            TalkbenchError: the cache has no features of this extractor.
        """
        before = self._on_disk()
        if extractor:
            self._forget(extractor)
        else:
            self._empty()
        return before - self._on_disk()

    def _extract(
        self, extractor: Extractor, frames: list[np.ndarray], bases: Mapping[str, Extractor]
    ) -> list[np.ndarray | None]:
        base = None
        if extractor.uses:
            below = bases.get(extractor.uses) or extractor_registry.create(extractor.uses, device=extractor.device)
            base = self.get_or_extract(below, frames, bases)
        return extractor.extract(to_tensor(np.stack(frames), extractor.device), base)

    def _read(self, extractor: str, frames: list[str]) -> dict[str, np.ndarray | None]:
        """The stored features whose checksum holds, by frame; their use is written down (see `REFRESH`)."""
        features: dict[str, np.ndarray | None] = {}
        stale: list[str] = []
        query = (
            "SELECT frame, dtype, shape, value, checksum, used < ? FROM features"
            " WHERE extractor = ? AND frame IN (SELECT value FROM json_each(?))"
        )
        with self._database() as database:
            rows = database.execute(query, (time() - REFRESH, extractor, json.dumps(frames)))
            for frame, dtype, shape, value, checksum, old in rows:
                if checksum != _checksum(extractor, frame, dtype, shape, value):
                    continue
                features[frame] = None if value is None else np.ndarray(json.loads(shape), dtype, value).copy()
                stale += [frame] if old else []
            if stale:
                update = (
                    "UPDATE features SET used = ? WHERE extractor = ? AND frame IN (SELECT value FROM json_each(?))"
                )
                database.execute(update, (time(), extractor, json.dumps(stale)))
        return features

    def _write(self, extractor: str, features: Mapping[str, np.ndarray | None]) -> None:
        rows = []
        for frame, feature in features.items():
            entry = (None, None, None)
            if feature is not None:
                entry = (feature.dtype.str, json.dumps(feature.shape), feature.tobytes())  # type: ignore[assignment]
            rows.append((extractor, frame, *entry, _checksum(extractor, frame, *entry), time()))
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            if _used(database) > self.size:
                self._make_room(database)

    def _make_room(self, database: sqlite3.Connection) -> None:
        oldest = (
            "DELETE FROM features WHERE rowid IN (SELECT rowid FROM features ORDER BY used, rowid"
            " LIMIT 1 + (SELECT count(*) FROM features) / 50)"
        )
        while _used(database) > KEPT * self.size and database.execute(oldest).rowcount:
            pass

    def _forget(self, extractor: str) -> None:
        with self._database() as database:
            ids = [row[0] for row in database.execute("SELECT DISTINCT extractor FROM features")]
            doomed = [id_ for id_ in ids if id_ == extractor or id_.startswith(f"{extractor}@")]
            if not doomed:
                names = {id_.partition("@")[0] for id_ in ids}
                raise TalkbenchError(f"no features of {extractor!r} in {self.path}: {nearest(extractor, names)}")
            database.execute("BEGIN IMMEDIATE")
            database.executemany("DELETE FROM features WHERE extractor = ?", [(id_,) for id_ in doomed])

    def _empty(self) -> None:
        """Make a sound database's tables anew in place, which disturbs none of its users; delete a damaged database."""
        doomed = self._files()  # listed first: a file that another process makes meanwhile stays
        if self.path.exists():
            with suppress(TalkbenchError):
                if self._renew():
                    doomed = [file for file in doomed if not file.name.startswith(self.path.name)]
        try:
            for file in doomed:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise TalkbenchError(f"cannot delete {error.filename}: {error.strerror}; delete it by hand") from error

    def _renew(self) -> bool:
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            for statement in ("DROP TABLE features", *SCHEMA):
                database.execute(statement)
        with self._database() as database:  # which reads the schema anew
            return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def _files(self) -> list[Path]:
        """The databases, each after its journals: deleted in this order, no journal outlives its database, where a new
        database of that name would take it for its own."""
        return sorted(self.folder.glob("features-*.sqlite*"), reverse=True)

    def _on_disk(self) -> int:
        size = 0
        for file in self._files():
            with suppress(FileNotFoundError):  # the last process to leave takes the journal with it
                size += file.stat().st_size
        return size

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Do without the cache, if the owner wants to be told of it, after an error of the cache in the block."""
        try:
            yield
        except TalkbenchError as error:
            if self._warn is None:
                raise
            self._usable = False
            self._warn(f"features of real frames are not kept, which costs time alone: {error}")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A new connection for each call, so that threads and forks share none; commits at the end."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None)) as database, database:
                # Damaged text is recognised by its checksum, not by an exception.
                database.text_factory = lambda data: data.decode(errors="replace")
                database.execute("PRAGMA synchronous = NORMAL")
                layout = _layout(database) or _create(database)
                if layout != LAYOUT:
                    raise TalkbenchError(
                        f"{self.path} was made by another version of talkbench (layout {layout} instead of {LAYOUT}); "
                        "delete it: bench cache clear"
                    )
                yield database
        except OSError as error:
            raise TalkbenchError(
                f"cannot write {self.folder}: {error.strerror or error}; choose a folder with TALKBENCH_HOME"
            ) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where a message quotes damaged bytes
            raise TalkbenchError(" ".join(f"{self.path} {_advice(error)}".split())) from error


def parse_size(text: str) -> int:
    """Bytes: a number, or one with a decimal (kB, MB, GB, TB) or a binary unit (KiB, MiB, GiB, TiB).

    Raises:
        TalkbenchError: `text` is neither.

    >>> parse_size("2GB"), parse_size("1.5 MiB"), parse_size("4096")
    (2000000000, 1572864, 4096)
    """
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b?)", text.strip().lower())
    if not matched:
        raise TalkbenchError(f"{text!r} is no size for the feature cache; write TALKBENCH_CACHE_SIZE as 4GiB, say")
    number, prefix, binary = matched.groups()
    return round(float(number) * (1024 if binary else 1000) ** (" kmgt".index(prefix) if prefix else 0))


def _content(frame: np.ndarray) -> str:
    return sha256_bytes(str(frame.shape).encode() + np.ascontiguousarray(frame).tobytes())


def _checksum(*entry: str | bytes | None) -> str:
    """The checksum of an entry's columns, whatever type a damaged database returns them as."""
    return sha256_bytes(repr(entry).encode(errors="replace"))


def _layout(database: sqlite3.Connection) -> int:
    """The layout of a database; 0 if it has no tables yet."""
    return database.execute("PRAGMA user_version").fetchone()[0]


def _create(database: sqlite3.Connection) -> int:
    """Make the tables unless another process was faster; returns the layout."""
    database.execute("PRAGMA auto_vacuum = FULL")
    _write_ahead(database)
    database.execute("BEGIN IMMEDIATE")
    if not _layout(database):
        for statement in SCHEMA:
            database.execute(statement)
    database.commit()
    return _layout(database)


def _write_ahead(database: sqlite3.Connection) -> None:
    """Switch to the write-ahead journal, which lets others read while one writes. SQLite fails at once while another
    process switches, so this tries again."""
    end = monotonic() + TIMEOUT
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            sleep(0.01)


def _used(database: sqlite3.Connection) -> int:
    """Bytes of the pages in use."""
    query = (
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    )
    return database.execute(query).fetchone()[0]


def _advice(error: sqlite3.Error | UnicodeDecodeError) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code, without the detail above it
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"is locked by another process for more than {TIMEOUT:.0f} s; end that, or start anew: bench cache clear"
    if code in FULL:
        return f"cannot be written ({error}); free some space, or choose a folder with TALKBENCH_HOME"
    return f"is damaged or no feature cache ({error}); delete it: bench cache clear"
