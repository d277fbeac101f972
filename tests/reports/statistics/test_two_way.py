"""Means over pairs whose sources and driving people cross: what is added up, and where intervals may end."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from talkbench.reports.statistics.clusterings import clusterings, counts_of
from talkbench.reports.statistics.coverage import NORMAL, RATES, right
from talkbench.reports.statistics.two_way import error_of, interval_ends, probabilities, probability

TRIALS = 400


def pairs_of(sources: list[int], drivers: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"source_clip": [f"s{person}/1" for person in sources], "driving_clip": [f"d{person}/2" for person in drivers]}
    )


def person(clip: str) -> str:
    return clip.split("/")[0]


@pytest.fixture
def crossed() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """300 pairs of 12 sources and 9 driving people, with values and weights."""
    random = np.random.default_rng(0)
    sources, drivers = random.integers(12, size=300), random.integers(9, size=300)
    values = random.normal(0, 1, 12)[sources] + random.normal(0, 0.5, 9)[drivers] + random.normal(0, 0.3, 300)
    return pairs_of(list(sources), list(drivers)), values, random.uniform(0.5, 2, 300)


def test_one_clustering_counts_where_the_other_lies_within_it() -> None:
    alike = clusterings(pairs_of([0, 0, 1, 1], [5, 5, 3, 3]), person)
    assert [(way.role, counts_of((way,))) for way in alike] == [("", (2,))]
    (of_sources,) = clusterings(pairs_of([0, 0, 1, 1], [0, 1, 2, 3]), person)
    assert (of_sources.role, of_sources.names) == ("source", ("s0", "s1"))
    (of_driving,) = clusterings(pairs_of([0, 1, 2, 3], [0, 0, 0, 1]), person)
    assert (of_driving.role, list(of_driving.codes)) == ("driving", [0, 0, 0, 1])
    assert counts_of(clusterings(pairs_of([0, 0, 1, 1], [0, 1, 1, 2]), person)) == (2, 3)


@pytest.mark.parametrize("aggregation", ["mean", "root-mean"])
def test_all_runs_are_tested_as_every_two_of_them(crossed, aggregation) -> None:
    pairs, values, weights = crossed
    ways, random = clusterings(pairs, person), np.random.default_rng(3)
    runs = 5 + np.stack([values, values, *(values + random.normal(0.1 * step, 0.5, 300) for step in range(3))])
    _, p = probabilities(ways, runs, weights, aggregation) or (None, None)
    alone = [
        probability(ways, runs[one], weights, runs[other], weights, aggregation=aggregation)
        for one, other in zip(*np.triu_indices(len(runs), 1), strict=True)
    ]
    assert p == pytest.approx(alone, rel=1e-9)
    assert p[0] == 1
    few = clusterings(pairs_of([0, 0, 1, 1], [0, 1, 1, 2]), person)
    assert probabilities(few, runs[:, :4], weights[:4], aggregation) is None


def test_the_variance_is_that_of_both_roles_less_what_they_share(crossed) -> None:
    pairs, values, _ = crossed
    ways, ones = clusterings(pairs, person), np.ones(300)
    value, error = error_of(ways, values, ones, aggregation="mean")
    left = values - values.mean()

    def variance(columns: list[str]) -> float:
        """Near the jackknife's if clusters are alike in size."""
        sums = pairs.assign(left=left).groupby(columns)["left"].sum()
        return float((sums**2).sum() / 300**2 * len(sums) / (len(sums) - 1))

    parts = [variance(columns) for columns in (["source_clip"], ["driving_clip"], ["source_clip", "driving_clip"])]
    assert value == pytest.approx(values.mean())
    assert error**2 == pytest.approx(parts[0] + parts[1] - parts[2], rel=0.15)
    low, high = interval_ends(ways, values, ones) or (math.nan, math.nan)
    assert (low + high) / 2 == pytest.approx(value)
    assert (high - low) / 2 == pytest.approx(error * stats.t.ppf(0.975, 8))


def test_the_error_is_never_less_than_that_of_one_role() -> None:
    """Each driving person has as much above as below the mean: of that role alone there is no variance at all."""
    sources, drivers = np.divmod(np.arange(36), 6)
    values = np.where(sources % 2 == 0, 1.0, -1.0)
    ways = clusterings(pairs_of(list(sources), list(drivers)), person)
    _, error = error_of(ways, values, np.ones(36), aggregation="mean")
    assert error == pytest.approx(math.sqrt((values.reshape(6, 6)[:, 0] ** 2).sum() / 6 / 5))


def test_the_test_finds_a_difference_where_the_interval_does_not_hold_zero(crossed) -> None:
    pairs, values, weights = crossed
    ways = clusterings(pairs, person)
    for shift in (0.0, 0.3, 0.6, 0.9, 1.2, 1.5):
        columns = values + shift, weights, np.zeros(300), weights
        low, high = interval_ends(ways, *columns) or (math.nan, math.nan)
        assert ((probability(ways, *columns) or 0) <= 0.05) == (not low <= 0 <= high)
    same = values, weights, values, weights
    assert (probability(ways, *same), interval_ends(ways, *same)) == (1.0, (0, 0))
    assert probability(ways, values + 1, weights, values, weights) == pytest.approx(0, abs=1e-9)
    few = clusterings(
        pairs.assign(driving_clip=pairs["driving_clip"].replace({f"d{n}/2": "d0/2" for n in range(6)})), person
    )
    assert counts_of(few) == (12, 4)
    assert (probability(few, values, weights, -values, weights), interval_ends(few, values, weights)) == (None, None)


def test_a_root_of_a_mean_has_the_error_of_the_root(crossed) -> None:
    pairs, values, weights = crossed
    ways = clusterings(pairs, person)
    squares = 25 + values
    mean, error = error_of(ways, squares, weights, aggregation="mean")
    root, of_root = error_of(ways, squares, weights, aggregation="root-mean")
    assert root == pytest.approx(math.sqrt(mean))
    assert of_root == pytest.approx(error / (2 * root), rel=0.01)
    low, high = interval_ends(ways, squares, weights, aggregation="root-mean", limits=(0, 36)) or (math.nan, math.nan)
    assert 0 < low < root < high < 6


@pytest.mark.parametrize("crossing", [False, True])
def test_intervals_stay_within_the_range_of_the_metric(crossed, crossing: bool) -> None:
    """A rate near 0, whose interval would reach below it, and near 1."""
    pairs, *_ = crossed
    ways = clusterings(pairs if crossing else pairs.assign(source_clip=pairs["driving_clip"]), person)
    ones, rare = np.ones(300), np.isin(np.arange(300) % 37, [0]).astype(float)
    rare[np.flatnonzero(ways[-1].codes == 3)[::2]] = 1
    free = interval_ends(ways, rare, ones) or (math.nan, math.nan)
    low, high = interval_ends(ways, rare, ones, limits=(0, 1)) or (math.nan, math.nan)
    assert free[0] < 0 <= low < rare.mean() < high < 1
    assert high >= free[1] - 1e-12
    turned = interval_ends(ways, 1 - rare, ones, limits=(0, 1))
    assert turned == (pytest.approx(1 - high), pytest.approx(1 - low))
    scaled = interval_ends(ways, 50 * rare - 20, ones, limits=(-20, 30))
    assert scaled == (pytest.approx(50 * low - 20), pytest.approx(50 * high - 20))
    far = interval_ends(ways, rare, ones, limits=(-1e6, 1e6))
    assert far == (pytest.approx(free[0], abs=1e-4), pytest.approx(free[1], abs=1e-4))


def within(share: float, least: float, most: float) -> bool:
    """Whether a share of `TRIALS` may be by chance, up to three standard errors, of one between `least` and `most`."""
    below, above = (3 * math.sqrt(end * (1 - end) / TRIALS) for end in (least, most))
    return least - below < share < most + above


@pytest.mark.parametrize("setting", NORMAL, ids=str)
def test_intervals_cover_95_percent_and_tests_find_nothing_in_as_many(setting) -> None:
    held, positive = right(setting, TRIALS, seed=1)
    assert within(held, 0.94, 0.97)
    assert within(positive, 0.03, 0.06)


@pytest.mark.parametrize("setting", RATES, ids=str)
def test_intervals_of_rates_cover_95_percent(setting) -> None:
    assert within(right(setting, TRIALS, seed=1)[0], 0.93, 0.97)
