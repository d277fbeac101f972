"""Intervals of means. Pairs of one person are not independent, so people (or clips) are what is resampled
(docs/specs/evaluation.md 4, point 2); docs/statistics.md says why it is done this way, with measured coverages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talkbench.reports.runs import Cluster, Run, by_clip
from talkbench.reports.statistics.clusterings import Ways, clusterings, counts_of
from talkbench.reports.statistics.two_way import UNLIMITED, Limits, interval_ends_of_runs
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
    return intervals([valued_rows(rows, spec, missing)], spec.aggregation, cluster, limits)[0]


def intervals(
    tables: Sequence[pd.DataFrame], aggregation: str, cluster: Cluster = by_clip, limits: Limits = UNLIMITED
) -> list[Interval | None]:
    """What `interval` gives for each of several runs in one metric, together where their pairs are the same.

    Args:
        tables: `valued_rows` of each run.
    """
    results: list[Interval | None] = [None] * len(tables)
    for ways, places in _alike(tables, cluster):
        values = [tables[place]["value"].to_numpy() for place in places]
        weights = tables[places[0]]["weight"].to_numpy()
        ends = interval_ends_of_runs(ways, values, weights, aggregation, limits)
        for place, bounds in zip(places, ends, strict=True):
            results[place] = Interval(*bounds, counts_of(ways)) if bounds else None
    return results


def _alike(tables: Sequence[pd.DataFrame], cluster: Cluster) -> Iterator[tuple[Ways, list[int]]]:
    """The places of the tables that have the same pairs, clips and weights, with their clusterings."""
    groups: dict[bytes, list[list[int]]] = {}
    for place, table in enumerate(tables):
        if table.empty:
            continue
        alike = groups.setdefault(table["pair"].to_numpy().tobytes() + table["weight"].to_numpy().tobytes(), [])
        for places in alike:
            first = tables[places[0]]
            if all(table[name].array.equals(first[name].array) for name in ("source_clip", "driving_clip")):
                places.append(place)
                break
        else:
            alike.append([place])
    for alike in groups.values():
        for places in alike:
            yield clusterings(tables[places[0]], cluster), places


def count_clusters(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip) -> tuple[int, ...]:
    """The numbers of clusters that a run's mean in one metric is taken over: one, or those of sources and of driving
    people where these cross."""
    return counts_of(clusterings(valued_rows(rows, spec, missing), cluster))


def valued_rows(rows: pd.DataFrame, spec: MetricSpec, missing: str) -> pd.DataFrame:
    """The rows that count in a mean; none for a metric that takes whole sets."""
    return _valued(rows[rows["metric"] == spec.name], spec, missing)


def valued_of(run: Run, metric: str) -> pd.DataFrame:
    """`valued_rows` of a run, under its own rule for missing faces; they are looked for once."""
    if metric not in run.kept:
        run.kept[metric] = _valued(run.metric_rows(metric), run.record.metric(metric), run.record.missing_faces)
    return run.kept[metric]


def _valued(rows: pd.DataFrame, spec: MetricSpec, missing: str) -> pd.DataFrame:
    if spec.aggregation == "set":
        return rows.iloc[:0]
    rows = counted(rows, spec, missing)
    valued = rows["value"].notna().to_numpy() & (rows["weight"].to_numpy() > 0)
    return rows if valued.all() else rows[valued]
