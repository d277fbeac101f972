"""`bench cache`: what it shows of the kept features, and what it deletes."""

import re

import numpy as np
import pytest
from cache_user import MeanColour, even

from talkbench.metrics import FeatureCache


@pytest.fixture
def cache(place, monkeypatch):
    """The cache that the command finds, with five frames of two extractors."""
    monkeypatch.setenv("TALKBENCH_HOME", str(place))
    cache = FeatureCache()
    cache.get_or_extract(MeanColour("a"), even(0, 1, 2, 3))
    cache.get_or_extract(MeanColour("b"), even(9))
    return cache


def test_info_is_a_table_with_the_bound_and_the_file(bench, cache, monkeypatch):
    monkeypatch.setenv("TALKBENCH_CACHE_SIZE", "2GB")
    result = bench("cache", "info")
    assert (result.code, result.err) == (0, "")
    lines = [re.split(r"\s{2,}", line.strip()) for line in result.out.splitlines()]
    assert lines[:3] == [
        ["extractor", "frames", "size"],
        ["mean-colour@1.0@a@v1", "4", "36 bytes"],
        ["mean-colour@1.0@b@v1", "1", "12 bytes"],
    ]
    assert lines[3] == ["total", "20.5 kB of at most 2.0 GB"]
    assert lines[4] == ["file", str(cache.path)]


def test_info_without_a_cache(bench, place, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "new"))
    result = bench("cache", "info")
    assert result.out.splitlines()[0] == "total   0 bytes of at most 4.3 GB"
    assert not (place / "new").exists()


def test_an_extractor_is_cleared_by_name(bench, cache):
    cache.get_or_extract(MeanColour("c"), [frame + np.uint8(step) for step in range(200) for frame in even(20)])
    result = bench("cache", "clear", "mean-colour@1.0@c")
    assert re.fullmatch(rf"freed   \d\S* kB   \(mean-colour@1.0@c in {cache.folder}\)\n", result.out)
    assert [usage.frames for usage in cache.info().extractors] == [4, 1]
    assert "did you mean mean-colour?" in bench("cache", "clear", "mean-color").complaint()


def test_everything_is_cleared_whatever_it_is(bench, cache):
    cache.path.write_bytes(b"no database " * 1000)
    assert "delete it: bench cache clear" in bench("cache", "info").complaint()
    result = bench("cache", "clear")
    assert result.out == f"freed   12.0 kB   (everything in {cache.folder})\n"
    assert bench("cache", "clear").out.startswith("freed   0 bytes")


def test_a_bound_that_is_no_size(bench, place, monkeypatch):
    monkeypatch.setenv("TALKBENCH_CACHE_SIZE", "plenty")
    assert "'plenty' is no size for the feature cache" in bench("cache", "info").complaint()
