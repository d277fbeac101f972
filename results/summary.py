"""From the rows of a run to one number per metric, with every pair accounted for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from talkbench.core.errors import TalkbenchError
from talkbench.results.record import MetricSpec
from talkbench.results.rows import IN_SET, INFINITE, MISSING, MetricSummary, Summary

if TYPE_CHECKING:
    import pandas as pd

    from talkbench.results.run_store import RunStore


def summarise(
    rows: pd.DataFrame,
    specs: Sequence[MetricSpec],
    missing: str = "drop",
    sets: Mapping[str, float | None] | None = None,
) -> Summary:
    """Each metric over the pairs that have a value (docs/specs/evaluation.md 4, point 2), in the order of `specs`.

    Pairs without a value are counted by reason; a pair without a row of the metric counts as ``not-recorded``. The
    sums are exact and taken in the order of the pairs, so a continued run gives the very same numbers.

    Args:
        rows: as `RunStore.rows` gives them.
        missing: how a pair counts whose generated frame shows no face or body while the real one does: ``drop`` leaves
            it out, ``worst`` gives it the metric's worst value.
        sets: the values of the metrics that take whole sets, by name.

    Raises:
        TalkbenchError: the rows hold a metric that `specs` does not name.
    """
    unknown = sorted(set(rows["metric"]) - {spec.name for spec in specs})
    if unknown:
        raise TalkbenchError(f"the rows hold {unknown[0]!r}, which run.json does not list; restore the right run.json")
    total = int(rows["pair"].nunique())
    by_metric = dict(list(rows.groupby("metric", sort=False)))
    summaries = []
    for spec in specs:
        summary = _metric_summary(spec, by_metric.get(spec.name, rows.iloc[:0]), total, missing)
        if spec.aggregation == "set":
            summary = summary.model_copy(update={"mean": (sets or {}).get(spec.name)})
        summaries.append(summary)
    return Summary(pairs=total, metrics=tuple(summaries))


def summary_of(store: RunStore, rows: pd.DataFrame | None = None, missing: str | None = None) -> Summary:
    """The summary of a stored run, from its rows. Metrics of whole sets keep the values that the run ended with.

    Args:
        rows: in place of all rows of the run.
        missing: in place of the run's own rule for missing faces.

    Raises:
        TalkbenchError: the folder holds no run or damaged files.
    """
    record = store.read_record()
    sets: dict[str, float | None] = {}
    if any(spec.aggregation == "set" for spec in record.metrics) and (store.folder / "summary.json").is_file():
        sets = {result.metric: result.mean for result in store.read_summary().metrics}
    return summarise(store.rows() if rows is None else rows, record.metrics, missing or record.missing_faces, sets)


def common_pairs(runs: Sequence[pd.DataFrame], metric: str) -> set[int]:
    """The pairs for which all runs have a value of `metric`; over these, systems that lose different faces compare
    (policy ``intersect`` of docs/specs/evaluation.md 4, point 3)."""
    pairs = [set(rows.loc[(rows["metric"] == metric) & rows["value"].notna(), "pair"]) for rows in runs]
    return set.intersection(*pairs) if pairs else set()


def _metric_summary(spec: MetricSpec, rows: pd.DataFrame, total: int, missing: str) -> MetricSummary:
    reasons = Counter(rows.loc[rows["value"].isna(), "reason"])
    lost = sum(reasons[reason] for reason in MISSING)
    seen = int(rows["value"].notna().sum()) + reasons[IN_SET] + reasons[INFINITE]
    rows = counted(rows, spec, missing)
    valid = rows[rows["value"].notna()]
    reasons = Counter(rows.loc[rows["value"].isna(), "reason"])
    remarks = Counter(reason for reason in valid["reason"] if reason)
    reasons["not-recorded"] += total - len(rows)
    members, infinite = reasons.pop(IN_SET, 0), reasons.pop(INFINITE, 0)
    videos = _video_means(valid, spec.aggregation)
    return MetricSummary(
        metric=spec.name,
        mean=aggregate(valid, spec.aggregation),
        video_mean=math.fsum(videos) / len(videos) if videos else None,
        pairs=len(valid) + members,
        coverage=seen / total if total else 0.0,
        missing_generated=lost / (lost + seen) if lost + seen else 0.0,
        infinite=infinite,
        failures={reason: count for reason, count in sorted(reasons.items()) if count},
        remarks=dict(sorted(remarks.items())),
    )


def counted(rows: pd.DataFrame, spec: MetricSpec, missing: str) -> pd.DataFrame:
    """The rows of a metric with the values that count under the rule for missing faces: under ``worst``, pairs whose
    generated frame shows no face while the real one does get the metric's worst value."""
    if missing != "worst" or spec.worst is None or spec.aggregation == "set":
        return rows
    return rows.assign(value=rows["value"].where(~rows["reason"].isin(MISSING), spec.worst))


def aggregate(rows: pd.DataFrame, how: str) -> float | None:
    """The weighted mean of the values; its root for ``root-mean``; None if there is no weight at all."""
    return _mean(rows["value"].tolist(), rows["weight"].tolist(), how)


def _video_means(rows: pd.DataFrame, how: str) -> list[float]:
    """The result of `aggregate` for each driving clip, without the clips that have none."""
    members: dict[str, tuple[list[float], list[float]]] = {}
    for clip, value, weight in zip(*(rows[name].tolist() for name in ("driving_clip", "value", "weight")), strict=True):
        values, weights = members.setdefault(clip, ([], []))
        values.append(value)
        weights.append(weight)
    means = [_mean(values, weights, how) for values, weights in members.values()]
    return [mean for mean in means if mean is not None]


def _mean(values: Sequence[float], weights: Sequence[float], how: str) -> float | None:
    total = math.fsum(weights)
    if not total:
        return None
    mean = math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / total
    return math.sqrt(mean) if how == "root-mean" else mean
