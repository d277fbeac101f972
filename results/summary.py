"""From the rows of a run to one mean per metric, with every pair accounted for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from talkbench.core.errors import TalkbenchError
from talkbench.results.schema import INFINITE, MetricSpec, MetricSummary, Summary

if TYPE_CHECKING:
    import pandas as pd


def summarise(rows: pd.DataFrame, specs: Sequence[MetricSpec]) -> Summary:
    """The mean of each metric over the pairs that have a value (specs evaluation 4.2), in the order of `specs`.

    Pairs without a value are counted by reason; one that lacks the metric's row counts as ``not-recorded``. The
    sums are exact and the order is that of the pairs, so a continued run gives the very same numbers.

    Args:
        rows: as `RunStore.rows` gives them.

    Raises:
        TalkbenchError: the rows hold a metric that `specs` does not name.
    """
    unknown = sorted(set(rows["metric"]) - {spec.name for spec in specs})
    if unknown:
        raise TalkbenchError(f"the rows hold {unknown[0]!r}, which run.json does not list; restore the right run.json")
    total = int(rows["pair"].nunique())
    return Summary(
        pairs=total, metrics=tuple(_one(spec.name, rows[rows["metric"] == spec.name], total) for spec in specs)
    )


def _one(metric: str, rows: pd.DataFrame, total: int) -> MetricSummary:
    valid = rows["value"].notna()
    values = rows.loc[valid, "value"].tolist()
    failures = Counter(rows.loc[~valid, "reason"])
    failures["not-recorded"] += total - len(rows)
    infinite = failures.pop(INFINITE, 0)
    remarks = Counter(reason for reason in rows.loc[valid, "reason"] if reason)
    return MetricSummary(
        metric=metric,
        mean=math.fsum(values) / len(values) if values else None,
        pairs=len(values),
        infinite=infinite,
        failures={reason: count for reason, count in sorted(failures.items()) if count},
        remarks=dict(sorted(remarks.items())),
    )
