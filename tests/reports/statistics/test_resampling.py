"""What is claimed: 95 % of intervals hold the truth, and 5 % of tests find what is not there.

With 9999 draws that would take minutes; so few draws do not change by how much intervals are too narrow or too wide, if
each trial has its own.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from talkbench.reports.statistics.resampling import LEVEL, ends, ends_of_means, holm, sign_flip, told_apart

Trials = Callable[[int], Iterator[None]]


def test_the_sign_flip_test_counts_flips() -> None:
    assert sign_flip(np.ones((1, 5))) == [2 / 2**5]
    assert sign_flip(np.ones((1, 2))) == [0.5]
    assert sign_flip(np.ones((1, 1))) == [1]
    assert sign_flip(np.zeros((1, 6))) == [1]
    # Of the eight sums of +-1, +-2 and +-4 those of size 5 and 7 are at least 5.
    assert sign_flip(np.array([[-1.0, 2, 4]])) == [4 / 8]
    assert sign_flip(np.ones((1, 30))) == [1 / 10_000]  # drawn: what was observed is one of them
    several = sign_flip(np.stack([np.ones(6), np.tile([1.0, -1], 3)]))
    assert several[0] >= 2 / 2**6
    assert several[1] == 1


@pytest.mark.parametrize("clusters", [4, 5, 12, 40])
@pytest.mark.parametrize("weights", ["equal", "unequal"])
def test_intervals_of_many_means_are_those_of_each(clusters: int, weights: str) -> None:
    random = np.random.default_rng(clusters)
    sizes = np.full(clusters, 5.0) if weights == "equal" else random.integers(1, 30, clusters).astype(float)
    rare = np.zeros(clusters)
    rare[0] = 1.0
    means = np.stack([*random.normal(1, 1, (9, clusters)), rare, np.ones(clusters), np.round(random.random(clusters))])
    for together, mean in zip(ends_of_means(means * sizes, sizes), means, strict=True):
        alone = ends(np.stack([mean * sizes, sizes]), "mean")
        assert (together is None) == (alone is None)
        assert together is None or together == pytest.approx(alone, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("clusters", [1, 4, 8, 12, 40])
@pytest.mark.parametrize("spread", [0.1, 0.4])
def test_runs_are_told_apart_as_by_all_their_differences(clusters: int, spread: float) -> None:
    random = np.random.default_rng(clusters)
    sums = random.normal(size=(25, clusters)) * random.uniform(0.1, 1, (25, 1)) + random.normal(0, spread, (25, 1))
    sums[3] = sums[7]
    first, second = np.triu_indices(len(sums), 1)
    apart = told_apart(sums)
    assert (apart == apart.T).all()
    assert (apart[first, second] == (sign_flip(sums[first] - sums[second]) <= 1 - LEVEL)).all()
    assert not apart[3, 7]
    assert apart.any() or (clusters, spread) != (40, 0.4)


def test_holm() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == [0.03, 0.06, 0.06, 0.02]
    assert holm(np.array([0.9, 0.6])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Trials:
    """Trials with few draws, of another seed each."""

    def count(number: int) -> Iterator[None]:
        monkeypatch.setattr("talkbench.reports.statistics.resampling.RESAMPLES", 299)
        for trial in range(number):
            monkeypatch.setattr("talkbench.reports.statistics.resampling.SEED", trial)
            yield

    return count


def drawn_clusters(random: np.random.Generator, clusters: int, unequal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Means of clusters about 0 that differ as much as the pairs in them, and the numbers of their pairs."""
    sizes = np.maximum(1, 20 * random.lognormal(-0.5, 1, clusters)).round() if unequal else np.full(clusters, 20.0)
    return random.normal(size=clusters) + random.normal(size=clusters) / np.sqrt(sizes), sizes


def within(share: float, expected: float, count: int) -> bool:
    """Whether a share of `count` trials is as expected, up to three standard errors."""
    return abs(share - expected) < 3 * math.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize(("clusters", "unequal"), [(10, False), (30, True), (100, True)])
def test_intervals_cover_95_percent(trials: Trials, clusters: int, unequal: bool) -> None:
    random, held, count = np.random.default_rng(7), 0, 300
    for _ in trials(count):
        means, sizes = drawn_clusters(random, clusters, unequal)
        low, high = ends(np.stack([means * sizes, sizes]), "mean") or (math.nan, math.nan)
        held += low <= 0 <= high
    assert within(held / count, 0.95, count)


def test_intervals_of_paired_differences_of_roots_cover_95_percent(trials: Trials) -> None:
    random, held, count = np.random.default_rng(8), 0, 250
    for _ in trials(count):
        means, sizes = drawn_clusters(random, 30, unequal=True)
        shared = 20 + means
        one, other = (shared + random.normal(size=30) for _ in range(2))
        low, high = ends(np.stack([one * sizes, sizes, other * sizes, sizes]), "root-mean") or (math.nan, math.nan)
        held += low <= 0 <= high
    assert within(held / count, 0.95, count)


@pytest.mark.parametrize(("clusters", "unequal"), [(10, True), (30, False)])
def test_no_difference_is_found_in_95_percent(trials: Trials, clusters: int, unequal: bool) -> None:
    random, significant, count = np.random.default_rng(9), 0, 400
    for _ in trials(count):
        means, sizes = drawn_clusters(random, clusters, unequal)
        significant += sign_flip((means * sizes)[None])[0] <= 0.05
    assert within(significant / count, 0.05, count)


def test_a_ranking_of_equal_methods_separates_any_two_in_5_percent(trials: Trials) -> None:
    random, significant, count = np.random.default_rng(10), 0, 250
    first, second = np.triu_indices(6, 1)
    for _ in trials(count):
        methods = random.normal(size=(6, 20))
        significant += sign_flip(methods[first] - methods[second]).min() <= 0.05
    assert within(significant / count, 0.05, count)
