"""How sure numbers and differences are. Pairs of one clip are not independent, so clips (or the people in them) are
what is resampled (docs/specs/evaluation.md 4, point 2); docs/statistics.md says why it is done this way, with measured
coverages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.reports.statistics.resampling import LEVEL, aggregated, ends, sign_flip
from talkbench.results import MetricSpec
from talkbench.results.summary import counted

if TYPE_CHECKING:
    import pandas as pd

    from talkbench.reports.runs import Run

FRAMES = ["source_clip", "source_index", "driving_clip", "driving_index"]

Cluster = Callable[[str], str]
"""Maps a driving clip to what is resampled with all its pairs: the clip, or who is seen in it."""


def by_clip(clip: str) -> str:
    """Every clip by itself."""
    return clip


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of a mean, unscaled, and the number of clusters that it was taken over."""

    low: float
    high: float
    clusters: int


@dataclass(frozen=True)
class Paired:
    """Two runs, a and b, in one metric, over the pairs that both have a value of. All numbers are unscaled.

    Attributes:
        spec: of the metric, as run a has it.
        pairs: common pairs with a value in both.
        total: pairs of the lists, the longer one.
        clusters: clips or identities of the common pairs.
        mean_a, mean_b: over the common pairs; None of a metric that takes whole sets, which has none over a part.
        difference: a minus b.
        low, high: 95 % interval of the difference; None of fewer than `FEWEST` clusters, or where it has no bounds.
        p: of the sign-flip test that the two are exchangeable; None where there is nothing to test.
        p_holm: `p` corrected by Holm's method for all metrics of the comparison.
        departures: in what the protocols differ, as ``field: a / b``.
        left_out_a, left_out_b: pairs of both runs that have no value in a, or in b, by reason.
    """

    spec: MetricSpec
    pairs: int
    total: int
    clusters: int
    mean_a: float | None = None
    mean_b: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    departures: tuple[str, ...] = ()
    left_out_a: dict[str, int] = field(default_factory=dict)
    left_out_b: dict[str, int] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The name of the metric."""
        return self.spec.name

    @property
    def coverage(self) -> float:
        """Share of the pairs of the lists that the comparison uses."""
        return self.pairs / self.total if self.total else 0.0


def interval(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip) -> Interval | None:
    """The 95 % interval of a run's mean in one metric.

    Clusters are drawn with replacement, as many as there are, each with all its pairs. Of each draw its t is taken, the
    distance of its mean from the run's, in its own standard errors (jackknife over clusters); the interval reaches as
    many of the run's standard errors to both sides as 95 % of the draws stay within (symmetric bootstrap-t, fixed
    seed). Means are weighted by the rows; of ``root-mean`` it is the root that the interval is of.

    Args:
        rows: of one run, as `RunStore.rows` gives them.
        missing: the rule for missing faces.

    Returns:
        None for fewer than `FEWEST` clusters, for a metric that takes whole sets, and where the draws set no bounds.
    """
    valued = _valued(rows, spec, missing, cluster)
    sums = _sums(valued["cluster"], valued["value"], valued["weight"])
    bounds = ends(sums, spec.aggregation)
    return Interval(*bounds, sums.shape[1]) if bounds else None


def count_clusters(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster = by_clip) -> int:
    """The number of clusters that a run's mean in one metric is taken over."""
    return int(_valued(rows, spec, missing, cluster)["cluster"].nunique())


def compare(
    a: Run, b: Run, metrics: Sequence[str] = (), cluster: Cluster = by_clip, across_protocols: bool = False
) -> list[Paired]:
    """Two runs beside each other on the pairs that both have a value of, in the order of run a's metrics.

    Args:
        metrics: their names; empty: all that both have.
        across_protocols: also compare numbers of unlike protocol ids, with `Paired.departures` saying what differs.

    Raises:
        TalkbenchError: the same run twice, runs of two data sets or tasks, without a common metric or pair, or numbers
            of unlike protocols.
    """
    _check_comparable(a, b)
    names = _common_metrics(a, b, metrics)
    departures = {name: _departures(a, b, name) for name in names}
    unlike = [name for name in names if departures[name]]
    if unlike and not across_protocols:
        differing = dict.fromkeys(text for name in unlike for text in departures[name])
        raise TalkbenchError(
            f"{', '.join(unlike)}: not of one protocol ({'; '.join(differing)}); compare runs of one protocol, or "
            "these ones all the same with --across-protocols"
        )
    found = [replace(_paired(a, b, name, cluster), departures=departures[name]) for name in names]
    if not any(paired.pairs for paired in found):
        raise TalkbenchError(
            f"{a.record.run_id} and {b.record.run_id} have no pair with a value in both; compare runs of one pair list"
        )
    return _corrected(found)


def rank_intervals(runs: Sequence[Run], metric: str, cluster: Cluster = by_clip) -> dict[str, tuple[int, int]]:
    """Between which ranks each run may stand, best is 1, by its run id.

    A rank interval goes from one more than the number of runs that are better to the number of runs less those that are
    worse, where a test tells them apart at 5 % for the whole ranking: every two runs on their common pairs, by signs of
    the clusters that are flipped for all of them together, against the largest difference anywhere (max-t, which
    controls the family-wise error over all pairs of runs). Methods that share a rank cannot be separated.

    Args:
        runs: of one protocol; such as have no values are left out of the result.

    Raises:
        TalkbenchError: the runs are of unlike protocols.
    """
    known = [run for run in runs if any(spec.name == metric for spec in run.record.metrics)]
    if len({run.record.protocol_id(metric) for run in known}) > 1:
        raise TalkbenchError(f"{metric}: the runs are not of one protocol; rank those of each protocol by themselves")
    tables = {}
    for run in known:
        valued = _valued(_rows(run), run.record.metric(metric), run.record.missing_faces, cluster).set_index("pair")
        if len(valued):
            tables[run.record.run_id] = valued
    ranks = {name: (1, len(tables)) for name in tables}
    for better, worse in _separated(tables, known[0].record.metric(metric).direction) if len(tables) > 1 else ():
        ranks[better] = ranks[better][0], ranks[better][1] - 1
        ranks[worse] = ranks[worse][0] + 1, ranks[worse][1]
    return ranks


def _separated(tables: dict[str, pd.DataFrame], direction: str) -> Iterator[tuple[str, str]]:
    """Every two of the `tables` by pair that the test tells apart, the better one first."""
    import pandas as pd

    values = pd.concat({name: table["value"] for name, table in tables.items()}, axis=1)
    pairs = pd.concat(list(tables.values()))
    pairs = pairs[~pairs.index.duplicated()].loc[values.index]
    codes, clusters = pd.factorize(pairs["cluster"])
    columns = values.to_numpy().T
    both = list(combinations(range(len(columns)), 2))
    sums = np.empty((len(both), len(clusters)))
    for number, (one, other) in enumerate(both):
        weighted = np.nan_to_num((columns[one] - columns[other]) * pairs["weight"].to_numpy())  # 0 where not common
        sums[number] = np.bincount(codes, weighted, minlength=len(clusters))
    names = list(values.columns)
    for (one, other), total, p in zip(both, sums.sum(axis=1), sign_flip(sums), strict=True):
        if p <= 1 - LEVEL:
            first = (total > 0) == (direction == "higher")
            yield (names[one], names[other]) if first else (names[other], names[one])


def _rows(run: Run) -> pd.DataFrame:
    if run.rows is None:
        raise TalkbenchError(f"run {run.record.run_id} has no rows of its pairs; load it from its folder")
    return run.rows


def _valued(rows: pd.DataFrame, spec: MetricSpec, missing: str, cluster: Cluster) -> pd.DataFrame:
    """The rows that count in a mean, with their clusters; none of a metric that takes whole sets."""
    mine = counted(rows[rows["metric"] == spec.name], spec, missing)
    mine = mine[mine["value"].notna() & (mine["weight"] > 0) & (spec.aggregation != "set")]
    return mine.assign(cluster=[cluster(clip) for clip in mine["driving_clip"]])


def _sums(clusters: Sequence[str] | pd.Series, *columns: pd.Series) -> np.ndarray:
    """Of `columns`, values and weights in turn, the sums of weighted values and of weights by cluster, (K, G)."""
    import pandas as pd

    codes, names = pd.factorize(np.asarray(clusters, dtype=object), sort=True)
    sums = []
    for values, weights in zip(columns[::2], columns[1::2], strict=True):
        sums += [np.bincount(codes, column, minlength=len(names)) for column in (values * weights, weights)]
    return np.stack(sums)


def _check_comparable(a: Run, b: Run) -> None:
    one, other = a.record, b.record
    if (one.run_id, one.created) == (other.run_id, other.created):
        raise TalkbenchError(f"{one.run_id} is given twice; compare it with another run")
    for what in ("name", "task"):
        mine, theirs = getattr(one.dataset, what), getattr(other.dataset, what)
        if mine != theirs:
            raise TalkbenchError(
                f"{one.run_id} and {other.run_id} are not of the same pairs: {mine} and {theirs}; compare runs of one "
                "data set and task"
            )


def _common_metrics(a: Run, b: Run, wanted: Sequence[str]) -> list[str]:
    theirs = {spec.name for spec in b.record.metrics}
    common = [spec.name for spec in a.record.metrics if spec.name in theirs]
    if not common:
        mine = ", ".join(spec.name for spec in a.record.metrics)
        raise TalkbenchError(
            f"{a.record.run_id} ({mine}) and {b.record.run_id} ({', '.join(sorted(theirs))}) have no metric in common; "
            "run one of them again with the other's --metrics"
        )
    for name in wanted:
        if name not in common:
            raise TalkbenchError(f"not both runs have the metric {name!r}: {nearest(name, common)}")
    return [name for name in common if name in wanted] if wanted else common


_FIELDS = {"pairs_sha256": "pair list", "missing_faces": "rule for missing faces", "image_size": "pixels"}


def _departures(a: Run, b: Run, metric: str) -> tuple[str, ...]:
    """In what the protocols of two numbers differ."""
    mine, theirs = a.record.protocol_of(metric), b.record.protocol_of(metric)

    def shown(name: str, value: object) -> str:
        return str(value)[:12] if name == "pairs_sha256" else str(value)

    return tuple(
        f"{_FIELDS.get(name, name.replace('_', ' '))}: {shown(name, mine[name])} / {shown(name, theirs[name])}"
        for name in mine
        if mine[name] != theirs[name]
    )


def _paired(a: Run, b: Run, metric: str, cluster: Cluster) -> Paired:
    spec = a.record.metric(metric)
    total = max(a.record.dataset.pairs, b.record.dataset.pairs)
    if spec.aggregation == "set":
        return _whole_sets(a, b, spec, total)
    joined = _joined(a, b, metric)
    left_out_a, left_out_b = (_reasons(joined, run) for run in "ab")
    used = _used(joined)
    if used.empty:
        return Paired(spec, 0, total, 0, left_out_a=left_out_a, left_out_b=left_out_b)
    clusters = [cluster(clip) for clip in used.index.get_level_values("driving_clip")]
    sums = _sums(clusters, *(used[f"{column}_{run}"] for run in "ab" for column in ("value", "weight")))
    whole = sums.sum(axis=1)
    low, high = ends(sums, spec.aggregation) or (None, None)
    return Paired(
        spec,
        len(used),
        total,
        sums.shape[1],
        mean_a=float(aggregated(whole[:2], spec.aggregation)),
        mean_b=float(aggregated(whole[2:], spec.aggregation)),
        difference=float(aggregated(whole, spec.aggregation)),
        low=low,
        high=high,
        p=float(sign_flip((sums[0] / whole[1] - sums[2] / whole[3])[None])[0]),
        left_out_a=left_out_a,
        left_out_b=left_out_b,
    )


def _reasons(joined: pd.DataFrame, run: str) -> dict[str, int]:
    """Why pairs have no value in a run, with their numbers."""
    reasons = joined.loc[joined[f"value_{run}"].isna(), f"reason_{run}"]
    return {str(reason): int(count) for reason, count in reasons.value_counts().items()}


def paired_values(a: Run, b: Run, metric: str) -> pd.DataFrame:
    """What `compare` compares: ``value_a``, ``weight_a``, ``value_b`` and ``weight_b`` by the frames of the pair."""
    return _used(_joined(a, b, metric))


def _used(joined: pd.DataFrame) -> pd.DataFrame:
    there = joined["value_a"].notna() & joined["value_b"].notna()
    return joined[there & (joined["weight_a"] > 0) & (joined["weight_b"] > 0)]


def _joined(a: Run, b: Run, metric: str) -> pd.DataFrame:
    mine, theirs = _by_frames(a, metric).add_suffix("_a"), _by_frames(b, metric).add_suffix("_b")
    return mine.join(theirs, how="inner").sort_index()


def _by_frames(run: Run, metric: str) -> pd.DataFrame:
    """Values, weights and reasons by the frames of the pair, and by its turn where a list has it twice."""
    rows = _rows(run)
    rows = counted(rows[rows["metric"] == metric], run.record.metric(metric), run.record.missing_faces)
    turn = rows.groupby(FRAMES).cumcount()
    return rows.assign(turn=turn).set_index([*FRAMES, "turn"])[["value", "weight", "reason"]]


def _whole_sets(a: Run, b: Run, spec: MetricSpec, total: int) -> Paired:
    """A metric that takes whole sets, of which there is one value each: compared where the sets are of one list."""
    mine, theirs = a.summary.metric(spec.name), b.summary.metric(spec.name)
    alike = a.record.dataset.pairs_sha256 == b.record.dataset.pairs_sha256
    if not (alike and mine and theirs and mine.pairs == theirs.pairs) or mine.mean is None or theirs.mean is None:
        return Paired(spec, 0, total, 0)
    return Paired(spec, mine.pairs, total, 0, mine.mean, theirs.mean, mine.mean - theirs.mean)


def _corrected(found: Sequence[Paired]) -> list[Paired]:
    """With `p_holm`, over all metrics that have a p."""
    from statsmodels.stats.multitest import multipletests

    p = [paired.p for paired in found if paired.p is not None]
    corrected = iter(multipletests(p, method="holm")[1] if p else ())
    return [paired if paired.p is None else replace(paired, p_holm=float(next(corrected))) for paired in found]
