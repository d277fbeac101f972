"""Intervals of means. Pairs of one clip are not independent, so clips (or the people in them) are what is resampled
(docs/specs/evaluation.md 4, point 2); docs/statistics.md says why it is done this way, with measured coverages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talkbench.reports.runs import Cluster, by_clip
from talkbench.reports.statistics.resampling import ends
from talkbench.results import MetricSpec
from talkbench.results.summary import counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of a mean, unscaled, and the number of clusters that it was taken over."""

    low: float
    high: float
    clusters: int


def interval(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip) -> Interval | None:
    """The 95 % interval of a run's mean in one metric.

    It is a symmetric bootstrap-t with a fixed seed. Clusters are drawn with replacement, as many as there are, each
    with all its pairs. The t of a draw is the distance of its mean from the run's mean, divided by the draw's own
    standard error (jackknife over clusters). The interval is the run's mean plus and minus the run's standard error
    times the t that 95 % of the draws do not exceed. Means are weighted by the rows; for ``root-mean`` the interval is
    that of the root.

    Args:
        rows: of one run, as `RunStore.rows` gives them.
        missing: the rule for missing faces.

    Returns:
        None for fewer than `FEWEST` clusters, for a metric that takes whole sets, and where the interval would have no
        bounds (see `ends`).
    """
    valued = valued_rows(rows, spec, missing, cluster)
    sums = cluster_sums(valued["cluster"], valued["value"], valued["weight"])
    bounds = ends(sums, spec.aggregation)
    return Interval(*bounds, sums.shape[1]) if bounds else None


def count_clusters(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip) -> int:
    """The number of clusters that a run's mean in one metric is taken over."""
    return int(valued_rows(rows, spec, missing, cluster)["cluster"].nunique())


def valued_rows(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster) -> pd.DataFrame:
    """The rows that count in a mean, with their clusters; no rows for a metric that takes whole sets."""
    valued = counted(rows[rows["metric"] == spec.name], spec, missing)
    valued = valued[valued["value"].notna() & (valued["weight"] > 0) & (spec.aggregation != "set")]
    return valued.assign(cluster=[cluster(clip) for clip in valued["driving_clip"]])


def cluster_sums(clusters: Sequence[str] | pd.Series, *columns: pd.Series) -> np.ndarray:
    """The sums of weighted values and of weights by cluster, (K, G), from `columns`: values and weights in turn."""
    import pandas as pd

    codes, names = pd.factorize(np.asarray(clusters, dtype=object), sort=True)
    sums = []
    for values, weights in zip(columns[::2], columns[1::2], strict=True):
        sums += [np.bincount(codes, column, minlength=len(names)) for column in (values * weights, weights)]
    return np.stack(sums)
