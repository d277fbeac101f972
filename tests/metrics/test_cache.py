"""The cache of real frames' features: what is computed, what is found again, what bounds and other users do."""

import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial

import forked
import numpy as np
import pytest
from cache_user import MeanColour, check, coloured, even, levels_of, stored, use

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import FeatureCache
from talkbench.metrics import cache as feature_cache
from talkbench.metrics.cache import parse_size
from talkbench.metrics.extractors import registry


class Luma(MeanColour):
    """Made of the mean colour."""

    name = "luma"
    uses = "mean-colour"

    def extract(self, images, base=None):
        assert len(base) == len(images)
        self.seen += len(images)
        return [None if colour is None else colour.sum(keepdims=True) for colour in base]


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


@pytest.fixture
def frames():
    return coloured()


def test_a_second_look_costs_nothing_even_for_frames_without_a_face(cache, frames):
    check(cache.get_or_extract(MeanColour(), frames), frames)
    again = MeanColour()
    check(FeatureCache(cache.folder).get_or_extract(again, frames[::-1]), frames[::-1])
    assert again.batches == 0


def test_only_new_frames_are_extracted_in_one_batch_and_equal_ones_once(cache, frames):
    extractor = MeanColour()
    cache.get_or_extract(extractor, frames[:1])
    asked = [frames[2], frames[0], frames[2].copy(), frames[1]]
    check(cache.get_or_extract(extractor, asked), asked)
    assert (extractor.seen, extractor.batches) == (3, 2)
    assert cache.get_or_extract(extractor, []) == []


def test_another_extractor_id_and_another_shape_are_other_features(cache, frames):
    cache.get_or_extract(MeanColour("a"), frames)
    other = MeanColour("b")
    cache.get_or_extract(other, frames)
    cache.get_or_extract(other, [frame.reshape(4, 16, 3) for frame in frames])
    assert other.seen == 6


@pytest.mark.parametrize(
    "feature",
    [
        np.array(1.5, np.float16),
        np.zeros((0, 4)),
        np.arange(6, dtype=">i8").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)),
        np.array([np.nan, -np.inf]),
    ],
    ids=lambda feature: str(feature.dtype),
)
def test_shape_dtype_and_values_survive_the_disk(cache, frames, feature):
    class Given(MeanColour):
        def extract(self, images, base=None):
            return [feature]

    for _ in range(2):
        (found,) = cache.get_or_extract(Given(), frames[:1])
        np.testing.assert_array_equal(found, feature)
        assert (found.dtype, found.shape) == (feature.dtype, feature.shape)
        assert found.flags.writeable


def test_what_an_extractor_starts_from_comes_through_the_cache_too(cache, frames):
    colour, luma = MeanColour(), Luma()
    cache.get_or_extract(colour, frames[:2])
    bases = {"mean-colour": colour}
    found = cache.get_or_extract(luma, frames, bases)
    assert (colour.seen, colour.batches, luma.seen) == (3, 2, 3)
    assert found[1] is None
    np.testing.assert_allclose(found[2], [frames[2].mean(axis=(0, 1)).sum() / 255], rtol=1e-5)
    cache.get_or_extract(luma, frames, bases)
    cache.get_or_extract(colour, frames)
    assert (colour.seen, luma.seen) == (3, 3)


def test_a_base_that_is_not_given_is_created_on_the_same_device(cache, frames, monkeypatch):
    devices = []

    def create(device):
        devices.append(device)
        return MeanColour()

    monkeypatch.setitem(registry._factories, "mean-colour", create)
    cache.get_or_extract(Luma(), frames)
    assert devices == ["cpu"]
    assert {usage.extractor: usage.frames for usage in cache.info().extractors} == {
        "luma@1.0@a@v1": 3,
        "mean-colour@1.0@a@v1": 3,
    }


def test_a_failed_extraction_leaves_nothing(cache, frames):
    class Broken(MeanColour):
        def extract(self, images, base=None):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.get_or_extract(Broken(), frames)
    assert stored(cache) == 0


# Several users


def test_threads_share_a_cache(cache, frames):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cache.get_or_extract(MeanColour(), frames), range(16)))
    for found in results:
        check(found, frames)
    assert stored(cache) == 3


@pytest.fixture(scope="module")
def processes():
    """Four of them."""
    with ProcessPoolExecutor(4, forked.context()) as pool:
        yield pool


@pytest.mark.parametrize("size", [None, 40_000])
def test_processes_share_a_cache_from_the_first_moment_on(processes, tmp_path, size):
    counts = list(processes.map(use, [tmp_path] * 4, range(4), [size] * 4))
    cache = FeatureCache(tmp_path, size)
    if size is None:
        levels = {level for seed in range(4) for level in levels_of(seed).flat}
        assert stored(cache) == len(levels) <= sum(counts)
    else:
        assert 0 < cache.info().bytes < 2 * size


def test_two_that_make_it_at_once_wait_for_each_other(cache, frames, monkeypatch):
    """SQLite says at once that the other is choosing a journal, whatever time it was given."""
    refusals = [sqlite3.OperationalError("database is locked") for _ in range(3)]

    class Other(sqlite3.Connection):
        def execute(self, statement, *values):
            if "journal_mode" in statement and refusals:
                refusals[-1].sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise refusals.pop()
            return super().execute(statement, *values)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Other))
    check(cache.get_or_extract(MeanColour(), frames), frames)
    assert not refusals


def test_a_journal_that_goes_while_sizes_are_added_up_counts_nothing(tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path)
    (tmp_path / "features-1.sqlite").write_bytes(b"12345")
    files = [tmp_path / "features-1.sqlite-shm", tmp_path / "features-1.sqlite"]
    monkeypatch.setattr(cache, "_files", lambda: files)
    assert cache._on_disk() == 5


def test_a_cache_that_is_cleared_meanwhile_does_not_disturb(processes, tmp_path):
    working = [processes.submit(use, tmp_path, seed, None) for seed in range(4)]
    while not all(work.done() for work in working):
        FeatureCache(tmp_path).clear()
    assert all(work.result() >= 12 for work in working)
    use(tmp_path, 0, None)
    assert use(tmp_path, 0, None) == 0


# The bound


@pytest.fixture
def clock(monkeypatch):
    """The seconds that the cache reads; to be set."""
    now = [0.0]
    monkeypatch.setattr(feature_cache, "time", lambda: now[0])
    return now


def test_the_bound_is_kept_and_what_was_not_used_for_longest_leaves_first(tmp_path, clock):
    cache = FeatureCache(tmp_path, 100_000)
    favourite = even(255)
    for hour in range(40):
        clock[0] = hour * 3600.0
        new = [frame + np.uint8(step) for step in range(24) for frame in even(hour)]
        new = [np.concatenate([frame, even(hour)[0]]) for frame in new]
        check(cache.get_or_extract(MeanColour(), new), new)
        assert cache.get_or_extract(spy := MeanColour(), favourite)
        assert spy.seen == (hour == 0), "used every hour"
        assert cache.info().bytes <= 100_000
    assert 100 < stored(cache) < 40 * 24
    recent = MeanColour()
    cache.get_or_extract(recent, new)
    assert recent.seen == 0
    old = MeanColour()
    cache.get_or_extract(old, [np.concatenate([even(step)[0], even(0)[0]]) for step in range(24)])
    assert old.seen == 24


def test_uses_in_quick_succession_are_written_once(cache, frames, clock):
    def times():
        with closing(sqlite3.connect(cache.path)) as database:
            return {used for (used,) in database.execute("SELECT used FROM features")}

    cache.get_or_extract(MeanColour(), frames)
    for now, written in ((59.0, 0.0), (61.0, 61.0), (100.0, 61.0), (122.0, 122.0)):
        clock[0] = now
        cache.get_or_extract(MeanColour(), frames)
        assert times() == {written}


def test_a_bound_too_small_for_anything_is_no_obstacle(tmp_path, frames):
    cache = FeatureCache(tmp_path, 1)
    check(cache.get_or_extract(MeanColour(), frames), frames)
    assert stored(cache) == 0


def test_a_lower_bound_shrinks_the_file(tmp_path):
    big = FeatureCache(tmp_path)
    for start in range(0, 250, 50):
        big.get_or_extract(MeanColour(), [np.full((2, 2, 3), n, np.uint8) for n in range(start, start + 50)])
    assert big.info().bytes > 60_000
    small = FeatureCache(tmp_path, 50_000)
    small.get_or_extract(MeanColour(), even(1))
    assert small.info().bytes <= 50_000


@pytest.mark.parametrize(
    ("text", "size"),
    [("123", 123), ("2GB", 2 * 10**9), ("2 gib", 2**31), ("1.5k", 1500), (" 4 TiB ", 2**42), ("7 B", 7), ("0", 0)],
)
def test_the_bound_comes_from_the_environment(monkeypatch, tmp_path, text, size):
    monkeypatch.setenv("TALKBENCH_CACHE_SIZE", text)
    assert parse_size(text) == size == FeatureCache(tmp_path).size
    assert FeatureCache(tmp_path, 5).size == 5
    monkeypatch.setenv("TALKBENCH_CACHE_SIZE", "")
    assert FeatureCache(tmp_path).size == 4 * 2**30


@pytest.mark.parametrize("text", ["much", "-1", "4 XB", "1e9", "GB", "1.GB"])
def test_a_bound_that_is_no_size(monkeypatch, tmp_path, text):
    monkeypatch.setenv("TALKBENCH_CACHE_SIZE", text)
    with pytest.raises(TalkbenchError, match="write TALKBENCH_CACHE_SIZE as"):
        FeatureCache(tmp_path)


# What it holds


def test_the_default_folder_is_in_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    assert FeatureCache().path == tmp_path / "features" / "features-1.sqlite"


def test_features_of_another_version_are_other_features(cache, frames):
    """The extractor's output changed, so its version was raised: nothing comes from before."""
    cache.get_or_extract(MeanColour(), frames)
    newer = MeanColour()
    newer.version = 2
    check(cache.get_or_extract(newer, frames), frames)
    assert newer.seen == 3
    assert [usage.extractor for usage in cache.info().extractors] == ["mean-colour@1.0@a@v1", "mean-colour@1.0@a@v2"]


def test_info_counts_and_makes_no_file(cache, frames):
    info = cache.info()
    assert (info.bytes, info.bound, info.extractors) == (0, 4 * 2**30, ())
    assert not cache.folder.exists()
    cache.get_or_extract(MeanColour("a"), frames)
    cache.get_or_extract(MeanColour("b"), frames[:1])
    info = cache.info()
    assert [(usage.extractor.split("@")[2], usage.frames, usage.bytes) for usage in info.extractors] == [
        ("a", 3, 24),
        ("b", 1, 12),
    ]
    assert info.path == cache.path
    assert info.bytes == cache.path.stat().st_size


def test_one_extractor_is_forgotten_by_name_or_by_id(cache, frames):
    for settings in "abc":
        cache.get_or_extract(MeanColour(settings), frames)
    cache.get_or_extract(Luma(), frames, {"mean-colour": MeanColour()})
    cache.clear("mean-colour@1.0@b@v1")
    assert [usage.extractor.split("@")[2] for usage in cache.info().extractors] == ["a", "a", "c"]
    cache.clear("mean-colour")
    assert [usage.extractor for usage in cache.info().extractors] == ["luma@1.0@a@v1"]
    with pytest.raises(TalkbenchError, match=r"no features of 'lama' .*did you mean luma\?"):
        cache.clear("lama")


def test_clearing_says_what_it_freed(cache):
    assert cache.clear() == 0
    for start in (0, 128):
        cache.get_or_extract(MeanColour(), even(*range(start, start + 128)))
    cache.get_or_extract(MeanColour("b"), even(1))
    before = cache.info().bytes
    freed = cache.clear("mean-colour@1.0@a@v1")
    assert freed > before / 2
    assert cache.info().bytes == before - freed
    assert stored(cache) == 1
    cache.clear()
    assert stored(cache) == 0
    cache.get_or_extract(extractor := MeanColour("b"), even(1))
    assert extractor.seen == 1
