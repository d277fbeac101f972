"""Intervals: what they must be, and where there is none."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from talkbench.reports.statistics.intervals import Interval, count_clusters, interval
from talkbench.results import MetricSpec

L1 = MetricSpec(name="l1", version=1, direction="lower", decimals=4, backend="torch")
ROOT = L1.model_copy(update={"aggregation": "root-mean"})
SET = L1.model_copy(update={"aggregation": "set"})
WORST = L1.model_copy(update={"worst": 1.0})


def rows_of(values: Sequence[float] | np.ndarray, clips: int, metric: str = "l1") -> pd.DataFrame:
    """Rows of pairs whose clips take turns."""
    count = len(values)
    columns: dict[str, Any] = {
        "pair": range(count),
        "source_clip": [f"c{pair % clips}" for pair in range(count)],
        "source_index": 0,
        "driving_clip": [f"c{pair % clips}" for pair in range(count)],
        "driving_index": range(count),
        "metric": metric,
        "value": np.asarray(values, dtype=float),
        "weight": 1.0,
        "reason": "",
        "message": "",
    }
    return pd.DataFrame(columns)


@pytest.fixture
def clustered() -> pd.DataFrame:
    """40 pairs of 8 clips whose means differ."""
    return rows_of(np.random.default_rng(3).normal(0.03, 0.002, 40) + 0.01 * (np.arange(40) % 8), 8)


def bounded(bounds: Interval | None) -> Interval:
    assert bounds is not None
    return bounds


def test_the_interval_is_that_of_clips_and_always_the_same(clustered: pd.DataFrame) -> None:
    bounds = bounded(interval(clustered, L1, "drop"))
    assert bounds == interval(clustered, L1, "drop")
    assert bounds.clusters == count_clusters(clustered, L1, "drop") == (8,)
    # Equal clips: symmetric about the mean, and near to Student's interval of the eight means of clips.
    means = clustered.groupby("driving_clip")["value"].mean()
    assert (bounds.low + bounds.high) / 2 == pytest.approx(means.mean())
    reach = stats.t.ppf(0.975, 7) * means.std(ddof=1) / math.sqrt(8)
    assert (bounds.high - bounds.low) / 2 == pytest.approx(reach, rel=0.2)
    root = bounded(interval(clustered.assign(value=clustered["value"] ** 2), ROOT, "drop"))
    assert root.low < math.sqrt((clustered["value"] ** 2).mean()) < root.high


def test_no_interval_of_few_clusters_of_a_set_or_where_draws_set_no_bounds(clustered: pd.DataFrame) -> None:
    assert interval(rows_of(range(8), 4), L1, "drop") is None
    assert interval(rows_of(range(10), 5), L1, "drop") is not None
    assert interval(clustered, SET, "drop") is None
    assert interval(clustered.iloc[:0], L1, "drop") is None
    assert count_clusters(clustered.iloc[:0], L1, "drop") == (0,)
    # One clip of ten differs: a third of all draws do not hold it, and know of no error.
    assert interval(rows_of([1.0, *[0.0] * 9], 10), L1, "drop") is None
    assert interval(rows_of([0.1] * 20, 10), L1, "drop") == Interval(pytest.approx(0.1), pytest.approx(0.1), (10,))


def test_the_worst_value_counts_in_the_interval(clustered: pd.DataFrame) -> None:
    lost = clustered["driving_clip"] == "c0"
    rows = clustered.assign(value=clustered["value"].mask(lost), reason=np.where(lost, "no-face-generated", ""))
    dropped, worst = (bounded(interval(rows, WORST, rule)) for rule in ("drop", "worst"))
    assert (dropped.clusters, worst.clusters) == ((7,), (8,))
    assert worst.high > dropped.high + 0.1


def test_people_are_resampled_where_they_are_known(clustered: pd.DataFrame) -> None:
    people = {f"c{clip}": str(clip // 2) for clip in range(8)}
    assert interval(clustered, L1, "drop", people.__getitem__) is None
    assert count_clusters(clustered, L1, "drop", people.__getitem__) == (4,)


def test_the_interval_of_a_rate_near_0_stays_in_the_range(clustered: pd.DataFrame) -> None:
    rare = rows_of([float(pair in (0, 30, 60, 91, 152, 183)) for pair in range(300)], 30)
    free, bounds = bounded(interval(rare, L1, "drop")), bounded(interval(rare, L1, "drop", limits=(0, 1)))
    assert free.low < 0 == bounds.low
    assert bounds.high == free.high
    # Values beyond the limits are not of the metric that these belong to.
    assert interval(clustered, L1, "drop", limits=(0.05, 1)) == interval(clustered, L1, "drop")
    rounded = rows_of([1.0, 1 + 1e-7, 0.97, 0.98, 0.99, 0.999] * 5, 6)  # beyond them by the rounding of float32 alone
    assert bounded(interval(rounded, L1, "drop", limits=(-1, 1))).high == 1
    assert bounded(interval(clustered, ROOT, "drop")).low >= 0


def test_weights_count_as_repeated_pairs_and_none_counts_nothing(clustered: pd.DataFrame) -> None:
    weighted = clustered.assign(weight=np.where(clustered["pair"] % 3 == 0, 2.0, 1.0))
    repeated = pd.concat([clustered, clustered[clustered["pair"] % 3 == 0]])
    bounds, expected = (bounded(interval(rows, L1, "drop")) for rows in (weighted, repeated))
    assert (bounds.low, bounds.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    ignored = pd.concat([clustered, rows_of([9.0], 1).assign(weight=0.0)])
    assert bounded(interval(ignored, L1, "drop")).high == pytest.approx(bounded(interval(clustered, L1, "drop")).high)
