"""The cache of real frames' features: what is damaged, locked or read-only costs work or an error, never a number."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from cache_user import MeanColour, check, coloured, even, stored

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import FeatureCache
from talkbench.metrics import cache as feature_cache


@pytest.fixture
def frames():
    return coloured()


@pytest.fixture
def full(tmp_path, frames):
    """A cache with features of all frames."""
    cache = FeatureCache(tmp_path / "features")
    cache.get_or_extract(MeanColour(), frames)
    return cache


@pytest.mark.parametrize(
    "change",
    [
        "value = zeroblob(12)",
        "value = NULL",
        "value = 'text'",
        "value = CAST(x'ff' AS TEXT)",
        "dtype = '<f8', shape = '[3, 1]'",
        "dtype = NULL",
        "shape = '[1, 3]'",
        "dtype = '|O'",
        "checksum = ''",
        "frame = 'another'",
    ],
)
def test_a_damaged_entry_is_computed_again_and_mended(full, frames, change):
    with closing(sqlite3.connect(full.path)) as database, database:
        assert database.execute(f"UPDATE features SET {change} WHERE rowid = 1").rowcount == 1  # noqa: S608
    extractor = MeanColour()
    check(full.get_or_extract(extractor, frames), frames)
    assert extractor.seen == 1
    check(full.get_or_extract(extractor, frames), frames)
    assert extractor.seen == 1


def test_an_entry_under_the_name_of_another_is_not_believed(full, frames):
    """Rows whose keys are exchanged are sound in themselves."""
    with closing(sqlite3.connect(full.path)) as database, database:
        keys = [key for (key,) in database.execute("SELECT frame FROM features WHERE value NOTNULL")]
        for old, new in ((keys[0], "x"), (keys[1], keys[0]), ("x", keys[1])):
            database.execute("UPDATE features SET frame = ? WHERE frame = ?", (new, old))
        database.execute("UPDATE features SET extractor = 'mean-colour@1.0@b'")
    extractor = MeanColour("b")
    check(full.get_or_extract(extractor, frames), frames)
    assert extractor.seen == 3


def survives(cache, frames):
    """Right features, or one line with the remedy, which then helps."""
    try:
        check(cache.get_or_extract(MeanColour(), frames), frames)
    except TalkbenchError as error:
        assert "bench cache clear" in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        cache.clear()
        check(cache.get_or_extract(MeanColour(), frames), frames)
        return False
    return True


def test_any_flipped_byte_costs_work_or_an_error_but_no_number(full, frames):
    whole = full.path.read_bytes()
    random = np.random.default_rng(0)
    used = np.flatnonzero(np.frombuffer(whole, np.uint8))
    for place in [*range(0, 100, 3), *random.choice(used, 100, replace=False)]:
        data = bytearray(whole)
        data[place] ^= random.integers(1, 256)
        full.path.write_bytes(data)
        survives(full, frames)
        full.clear()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.8])
def test_a_truncated_file(full, frames, share):
    data = full.path.read_bytes()
    full.path.write_bytes(data[: int(len(data) * share)])
    assert survives(full, frames) == (share == 0), "an empty file is a database without tables"


def test_a_file_that_is_no_database(full, frames):
    full.path.write_bytes(b"Fotos vom Sommer" * 1000)
    for call in (full.info, lambda: full.clear("mean-colour"), lambda: full.get_or_extract(MeanColour(), frames)):
        with pytest.raises(TalkbenchError, match=r"features-1.sqlite is damaged .* delete it: bench cache clear"):
            call()
    assert full.clear() == 16_000
    assert not list(full.folder.iterdir())
    check(full.get_or_extract(MeanColour(), frames), frames)


def test_a_database_of_another_layout(full, frames):
    with closing(sqlite3.connect(full.path)) as database:
        database.execute("PRAGMA user_version = 7")
    with pytest.raises(TalkbenchError, match=r"layout 7 instead of 1.*bench cache clear"):
        full.get_or_extract(MeanColour(), frames)
    full.clear()
    check(full.get_or_extract(MeanColour(), frames), frames)


def test_a_database_of_another_version_beside_it_is_left_alone_until_cleared(full, frames):
    other = full.folder / "features-0.sqlite"
    other.write_bytes(bytes(5000))
    extractor = MeanColour()
    full.get_or_extract(extractor, frames)
    assert extractor.seen == 0
    assert full.info().bytes == full.path.stat().st_size + 5000
    full.clear()
    assert not other.exists()


def test_a_database_that_stays_locked(full, frames, monkeypatch):
    monkeypatch.setattr(feature_cache, "TIMEOUT", 0.1)
    with closing(sqlite3.connect(full.path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        check(full.get_or_extract(MeanColour(), frames), frames)  # one can read all the same
        with pytest.raises(TalkbenchError, match=r"locked by another process.*bench cache clear"):
            full.get_or_extract(MeanColour(), even(9))
        full.clear()
        check(full.get_or_extract(MeanColour(), even(9)), even(9))
        database.execute("COMMIT")
    assert stored(full) == 1


def test_a_disk_that_is_full_or_read_only(full, frames, monkeypatch):
    def filled(*options, **settings):
        database = connect(*options, **settings)
        database.execute("PRAGMA max_page_count = 1")
        return database

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", filled)
    many = [np.full((1, 1, 3), level, np.uint8) for level in range(256)]
    with pytest.raises(TalkbenchError, match=r"cannot be written .*free some space"):
        full.get_or_extract(MeanColour(), many)
    monkeypatch.setattr(sqlite3, "connect", lambda path, **s: connect(f"{path.as_uri()}?mode=ro", uri=True, **s))
    with pytest.raises(TalkbenchError, match=r"cannot be written .*TALKBENCH_HOME"):
        full.get_or_extract(MeanColour(), many)
    assert full.get_or_extract(MeanColour(), frames[1:2]) == [None]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, frames):
    (tmp_path / "file").touch()
    with pytest.raises(TalkbenchError, match="cannot write"):
        FeatureCache(tmp_path / "file").get_or_extract(MeanColour(), frames)


def test_whoever_wants_to_be_told_goes_on_without_the_cache(tmp_path, frames):
    (tmp_path / "file").touch()
    told: list[str] = []
    cache = FeatureCache(tmp_path / "file", warn=told.append)
    for _ in range(2):
        check(cache.get_or_extract(MeanColour(), frames), frames)
    (line,) = told
    assert line.startswith(f"features of real frames are not kept, which costs time alone: cannot write {tmp_path}")


def test_a_disk_that_fills_midway_costs_the_cache_alone(full, frames, monkeypatch):
    """What was stored before is sound, and is there when the disk has room again."""

    def filled(*options, **settings):
        database = connect(*options, **settings)
        database.execute("PRAGMA max_page_count = 1")
        return database

    connect, told = sqlite3.connect, []
    cache = FeatureCache(full.folder, warn=told.append)
    many = [np.full((1, 1, 3), level, np.uint8) for level in range(256)]
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", filled)
        check(cache.get_or_extract(MeanColour(), frames), frames)
        assert told == []
        check(cache.get_or_extract(MeanColour(), many), many)
    assert len(told) == 1
    assert "free some space" in told[0]
    extractor = MeanColour()
    check(full.get_or_extract(extractor, frames), frames)
    assert extractor.seen == 0


def test_nothing_in_the_file_can_run(full):
    """Plain columns: names, JSON and the bytes of the array."""
    with closing(sqlite3.connect(full.path)) as database:
        row = database.execute("SELECT extractor, dtype, shape, value FROM features WHERE value NOTNULL").fetchone()
    assert row[:2] == ("mean-colour@1.0@a@v1", "<f4")
    assert json.loads(row[2]) == [3]
    assert len(row[3]) == 12
