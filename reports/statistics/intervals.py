"""Intervals of means. Pairs of one person are not independent, so people (or clips) are what is resampled
(docs/specs/evaluation.md 4, point 2); docs/statistics.md says why it is done this way, with measured coverages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talkbench.reports.runs import Cluster, by_clip
from talkbench.reports.statistics.clusterings import clusterings, counts_of
from talkbench.reports.statistics.two_way import UNLIMITED, Limits, interval_ends
from talkbench.results import MetricSpec
from talkbench.results.summary import counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of a mean, unscaled, and the numbers of clusters that it was taken over (see `counts_of`)."""

    low: float
    high: float
    clusters: tuple[int, ...]


def interval(
    rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip, limits: Limits = UNLIMITED
) -> Interval | None:
    """The 95 % interval of a run's mean in one metric, as `interval_ends` computes it.

    Means are weighted by the rows; for ``root-mean`` the interval is that of the root.

    Args:
        rows: of one run, as `RunStore.rows` gives them.
        missing: the rule for missing faces.
        cluster: who is in a clip.
        limits: of the metric's values, as `interval_ends` takes them.

    Returns:
        None for fewer than `FEWEST` clusters, for a metric that takes whole sets, and where the interval would have no
        bounds (see `ends`).
    """
    valued = valued_rows(rows, spec, missing)
    if valued.empty:
        return None
    ways = clusterings(valued, cluster)
    columns = valued["value"].to_numpy(), valued["weight"].to_numpy()
    ends = interval_ends(ways, *columns, aggregation=spec.aggregation, limits=limits)
    return Interval(*ends, counts_of(ways)) if ends else None


def count_clusters(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip) -> tuple[int, ...]:
    """The numbers of clusters that a run's mean in one metric is taken over: one, or those of sources and of driving
    people where these cross."""
    return counts_of(clusterings(valued_rows(rows, spec, missing), cluster))


def valued_rows(rows: pd.DataFrame, spec: MetricSpec, missing: str) -> pd.DataFrame:
    """The rows that count in a mean; none for a metric that takes whole sets."""
    valued = counted(rows[rows["metric"] == spec.name], spec, missing)
    return valued[valued["value"].notna() & (valued["weight"] > 0) & (spec.aggregation != "set")]
