"""Two runs compared pair by pair: how large the difference is, and how sure (docs/statistics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.reports.data_ids import departure
from talkbench.reports.runs import Run
from talkbench.reports.statistics.clusterings import Clustering, clusterings, counts_of
from talkbench.reports.statistics.intervals import valued_of
from talkbench.reports.statistics.resampling import FEWEST, aggregated, holm
from talkbench.reports.statistics.two_way import UNLIMITED, interval_ends, probability
from talkbench.results import MetricSpec
from talkbench.results.summary import counted

if TYPE_CHECKING:
    import pandas as pd

FRAMES = ["source_clip", "source_index", "driving_clip", "driving_index"]


@dataclass(frozen=True)
class PersonDifference:
    """Two runs over the common pairs of one person (or clip), unscaled.

    Attributes:
        role: of the person, as `Clustering.role`.
    """

    role: str
    name: str
    pairs: int
    mean_a: float
    mean_b: float
    difference: float


@dataclass(frozen=True)
class Paired:
    """Two runs, a and b, in one metric, over the pairs that both have a value of. All numbers are unscaled.

    Attributes:
        spec: of the metric, as run a has it.
        pairs: common pairs with a value in both.
        total: pairs of the longer of the two lists.
        counts: numbers of people (or clips) of the common pairs: one, or those of sources and of driving people where
            these cross (see `clusterings`).
        mean_a, mean_b: over the common pairs; for a metric that takes whole sets, its values if both runs have the same
            pair list, else None.
        difference: a minus b.
        low, high: 95 % interval of the difference; None for fewer than `FEWEST` clusters, or where it has no bounds.
        p: of the test that the two runs do not differ (see `probability`); None where there is nothing to test, and for
            fewer than `FEWEST` of crossed people.
        p_holm: `p` corrected by Holm's method for all metrics of the comparison.
        departures: what differs between the protocols, as ``field: a / b``.
        left_out_a, left_out_b: pairs of both runs that have no value in a, or in b, by reason.
        people: the difference for each person, where these are too few for an interval.
    """

    spec: MetricSpec
    pairs: int
    total: int
    counts: tuple[int, ...] = ()
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
    people: tuple[PersonDifference, ...] = ()

    @property
    def metric(self) -> str:
        """The name of the metric."""
        return self.spec.name

    @property
    def clusters(self) -> int:
        """The smaller of `counts`, which decides how sure the difference can be; 0 for a metric of whole sets."""
        return min(self.counts, default=0)

    @property
    def coverage(self) -> float:
        """Share of the pairs of the lists that the comparison uses."""
        return self.pairs / self.total if self.total else 0.0


def compare(a: Run, b: Run, metrics: Sequence[str] = (), across_protocols: bool = False) -> list[Paired]:
    """Two runs beside each other on the pairs that both have a value of, in the order of run a's metrics. Who is in a
    clip and what range a metric has are as run a says.

    Args:
        metrics: their names; empty: all that both have.
        across_protocols: also compare numbers of unlike protocol ids, with `Paired.departures` saying what differs.

    Raises:
        TalkbenchError: the two are the same run, are of two data sets or tasks, were scored on unlike frames of the
            same names, have no common metric or pair, or have numbers of unlike protocols.
    """
    _check_comparable(a, b)
    names = _common_metrics(a, b, metrics)
    data = tuple(filter(None, [departure(a, b)]))
    departures = {name: (*_departures(a, b, name), *data) for name in names}
    unlike = [name for name in names if departures[name]]
    if unlike and not across_protocols:
        differing = dict.fromkeys(text for name in unlike for text in departures[name])
        raise TalkbenchError(
            f"{', '.join(unlike)}: not of one protocol ({'; '.join(differing)}); compare runs of one protocol, or "
            "add --across-protocols to compare these"
        )
    comparisons = [replace(_paired(a, b, name), departures=departures[name]) for name in names]
    if not any(paired.pairs for paired in comparisons):
        raise TalkbenchError(
            f"{a.record.run_id} and {b.record.run_id} have no pair with a value in both; compare runs of one pair list"
        )
    return _corrected(comparisons)


def _check_comparable(a: Run, b: Run) -> None:
    id_a, id_b = a.record.run_id, b.record.run_id
    if (id_a, a.record.created) == (id_b, b.record.created):
        raise TalkbenchError(f"{id_a} is given twice; compare it with another run")
    for field_name in ("name", "task"):
        value_a, value_b = getattr(a.record.dataset, field_name), getattr(b.record.dataset, field_name)
        if value_a != value_b:
            raise TalkbenchError(
                f"{id_a} and {id_b} are not of the same pairs: {value_a} and {value_b}; compare runs of one data set "
                "and task"
            )


def _common_metrics(a: Run, b: Run, metrics: Sequence[str]) -> list[str]:
    names_b = {spec.name for spec in b.record.metrics}
    common = [spec.name for spec in a.record.metrics if spec.name in names_b]
    if not common:
        names_a = [spec.name for spec in a.record.metrics]
        raise TalkbenchError(
            f"{a.record.run_id} ({', '.join(names_a)}) and {b.record.run_id} ({', '.join(sorted(names_b))}) have no "
            "metric in common; run one of them again with the other's --metrics"
        )
    for name in metrics:
        if name not in common:
            raise TalkbenchError(f"not both runs have the metric {name!r}: {nearest(name, common)}")
    return [name for name in common if name in metrics] if metrics else common


_FIELDS = {"pairs_sha256": "pair list", "missing_faces": "rule for missing faces", "image_size": "pixels"}


def _departures(a: Run, b: Run, metric: str) -> tuple[str, ...]:
    """What differs between the protocols of two numbers."""
    protocol_a, protocol_b = a.record.protocol_of(metric), b.record.protocol_of(metric)
    names = {**protocol_a, **protocol_b}
    differing = [name for name in names if name != "data_id" and protocol_a.get(name) != protocol_b.get(name)]
    return tuple(f"{_field(name)}: {_short(name, protocol_a)} / {_short(name, protocol_b)}" for name in differing)


def _field(name: str) -> str:
    """A field of a protocol in words."""
    return _FIELDS.get(name, name.replace("_", " "))


def _short(name: str, protocol: dict[str, object]) -> str:
    """The value of a field of a protocol, a hash cut to 12 digits."""
    text = str(protocol.get(name, "not recorded"))
    return text[:12] if name == "pairs_sha256" else text


def people_are_few(a: Run, b: Run, metric: str) -> bool:
    """Whether `compare` may have differences by person in a metric of two runs; without their statistics, if the two
    lists have the same frames under the same numbers."""
    tables = [valued_of(run, metric) for run in (a, b)]
    one, other = (table[table["pair"].isin(tables[1 - place]["pair"])] for place, table in enumerate(tables))
    if not all(one[name].array.equals(other[name].array) for name in ("source_clip", "driving_clip")):
        return True
    return min(counts_of(clusterings(one, a.cluster)), default=0) < FEWEST


def _paired(a: Run, b: Run, metric: str) -> Paired:
    spec = a.record.metric(metric)
    total = max(a.record.dataset.pairs, b.record.dataset.pairs)
    if spec.aggregation == "set":
        return _whole_sets(a, b, spec, total)
    joined = _joined(a, b, metric)
    left_out_a, left_out_b = (_reasons(joined, run) for run in "ab")
    used = _used(joined)
    if used.empty:
        return Paired(spec, 0, total, left_out_a=left_out_a, left_out_b=left_out_b)
    ways = clusterings(used.index.to_frame(), a.cluster)
    columns = [used[f"{column}_{run}"].to_numpy() for run in "ab" for column in ("value", "weight")]
    whole = ways[0].sums(*columns).sum(axis=1)
    limits = a.ranges.get(metric, UNLIMITED)
    low, high = interval_ends(ways, *columns, aggregation=spec.aggregation, limits=limits) or (None, None)
    return Paired(
        spec,
        len(used),
        total,
        counts_of(ways),
        mean_a=float(aggregated(whole[:2], spec.aggregation)),
        mean_b=float(aggregated(whole[2:], spec.aggregation)),
        difference=float(aggregated(whole, spec.aggregation)),
        low=low,
        high=high,
        p=probability(ways, *columns, aggregation=spec.aggregation),
        left_out_a=left_out_a,
        left_out_b=left_out_b,
        people=tuple(
            person for way in ways if len(way.names) < FEWEST for person in _by_person(way, columns, spec.aggregation)
        ),
    )


def _by_person(way: Clustering, columns: Sequence[np.ndarray], aggregation: str) -> Iterator[PersonDifference]:
    """The two runs over the pairs of each person of one role."""
    for number, (name, sums) in enumerate(zip(way.names, way.sums(*columns).T, strict=True)):
        mean_a, mean_b = (float(aggregated(part, aggregation)) for part in (sums[:2], sums[2:]))
        yield PersonDifference(way.role, name, int((way.codes == number).sum()), mean_a, mean_b, mean_a - mean_b)


def _reasons(joined: pd.DataFrame, run: str) -> dict[str, int]:
    """The reasons why pairs have no value in a run, each with the number of pairs."""
    reasons = joined.loc[joined[f"value_{run}"].isna(), f"reason_{run}"]
    return {str(reason): int(count) for reason, count in reasons.value_counts().items()}


def paired_values(a: Run, b: Run, metric: str) -> pd.DataFrame:
    """What `compare` compares: ``value_a``, ``weight_a``, ``value_b`` and ``weight_b`` by the frames of the pair."""
    return _used(_joined(a, b, metric))


def _used(joined: pd.DataFrame) -> pd.DataFrame:
    there = joined["value_a"].notna() & joined["value_b"].notna()
    return joined[there & (joined["weight_a"] > 0) & (joined["weight_b"] > 0)]


def _joined(a: Run, b: Run, metric: str) -> pd.DataFrame:
    table_a, table_b = _by_frames(a, metric).add_suffix("_a"), _by_frames(b, metric).add_suffix("_b")
    return table_a.join(table_b, how="inner").sort_index()


def _by_frames(run: Run, metric: str) -> pd.DataFrame:
    """Values, weights and reasons by the frames of the pair; where a list has a pair several times, by its turn too."""
    rows = counted(run.metric_rows(metric), run.record.metric(metric), run.record.missing_faces)
    turn = rows.groupby(FRAMES).cumcount()
    return rows.assign(turn=turn).set_index([*FRAMES, "turn"])[["value", "weight", "reason"]]


def _whole_sets(a: Run, b: Run, spec: MetricSpec, total: int) -> Paired:
    """A metric that takes whole sets, with one value per run; the two are compared if their sets are of one list."""
    set_a, set_b = a.summary.metric(spec.name), b.summary.metric(spec.name)
    alike = a.record.dataset.pairs_sha256 == b.record.dataset.pairs_sha256
    if not (alike and set_a and set_b and set_a.pairs == set_b.pairs) or set_a.mean is None or set_b.mean is None:
        return Paired(spec, 0, total)
    return Paired(spec, set_a.pairs, total, (), set_a.mean, set_b.mean, set_a.mean - set_b.mean)


def _corrected(comparisons: Sequence[Paired]) -> list[Paired]:
    """The comparisons with `p_holm`, which corrects for all metrics that have a p."""
    p = np.array([paired.p for paired in comparisons if paired.p is not None])
    corrected = iter(holm(p))
    return [paired if paired.p is None else replace(paired, p_holm=float(next(corrected))) for paired in comparisons]
