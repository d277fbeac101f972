"""Whether the figures of an entry can be true: against what the metrics say of themselves, and against the calendar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.core.cards import MetricCard
from talkbench.results.record import MetricSpec, RunRecord
from talkbench.results.rows import Summary

if TYPE_CHECKING:
    import pandas as pd

NEW_EXPORT = "export the run again"

FIRST = datetime(2020, 1, 1, tzinfo=UTC)
"""No run is older."""

BOUND = 1e30
"""Sizes of values that no metric has, registered here or not; their squares are still numbers."""

SLACK = 1e-5
"""How far beyond its range rounding may carry a value, relative to the end of the range (or to 1)."""

FEWEST_FACES = 0.5
"""Share of the pairs whose real frames have to show what a metric looks at."""

DEFINITION = ("direction", "unit", "scale", "decimals", "aggregation", "ranks")
"""What a metric's card and its entry in a record have in common."""

SAME_UNITS = ({"", "1"}, {"%", "percent"})
"""Names of one unit in records and in cards."""


def anything(_clip: str) -> bool:
    """Where no data set is known: no clip is one of which no picture may be published."""
    return True


@dataclass(frozen=True)
class Expected:
    """What is known here of the things that a record names.

    Attributes:
        cards: of the metrics that are registered here, by their full ids.
        targets: the frame that each of these compares with in the task of the record.
        weighted: those whose pairs have weights of their own; in the others each pair has weight 1.
        protocol: the metrics that the record's protocol asks for in its task; (): the protocol is not known.
        pairs: how many pairs the whole list of the task has; None: not known.
        image_size: that the protocol asks for; None: any.
        may_show: tells of a clip whether pictures of it may be published.
        remarks: what else differs here.
    """

    cards: Mapping[str, MetricCard] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    weighted: frozenset[str] = frozenset()
    protocol: tuple[str, ...] = ()
    pairs: int | None = None
    image_size: int | None = None
    may_show: Callable[[str], bool] = anything
    remarks: tuple[str, ...] = ()


Expectations = Callable[[RunRecord], Expected]
"""Gives what is expected of a record; made where the metrics and data sets are known."""


def nothing_expected(_record: RunRecord) -> Expected:
    """Where no metrics are known: only what holds for all metrics is checked."""
    return Expected()


def record_faults(path: Path, record: RunRecord, expected: Expected) -> Iterator[str]:
    """What cannot be true of a record: its date, or a metric that is not defined as the registered one."""
    latest = datetime.now(UTC) + timedelta(days=1)
    if not FIRST <= record.created <= latest:
        days = f"between {FIRST:%Y-%m-%d} and today"
        yield f"{path}: created is {record.created.isoformat()} and has to be {days}; {NEW_EXPORT}"
    for spec in record.metrics:
        card = expected.cards.get(spec.name)
        wrong = _any_metric(spec) if card is None else _registered(spec, card, expected.targets.get(spec.name))
        for name, value, right in wrong:
            yield f"{path}: {name} of {spec.name} is {value} and has to be {right}; {NEW_EXPORT}"


def _any_metric(spec: MetricSpec) -> Iterator[tuple[str, object, object]]:
    """Fields that fit no metric, with what is right; tables could not print them."""
    if spec.decimals > 10:
        yield "decimals", spec.decimals, "10 at most"
    if not 1e-6 <= spec.scale <= 1e6:
        yield "scale", spec.scale, "between 1e-06 and 1e+06"
    if spec.worst is not None and abs(spec.worst) > BOUND:
        yield "worst", spec.worst, f"{BOUND:g} at most"


def _registered(spec: MetricSpec, card: MetricCard, target: str | None) -> Iterator[tuple[str, object, object]]:
    """Fields in which a metric differs from the registered one of the same version. In another version only the
    direction stays for sure."""
    same = spec.version == card.version
    for name in DEFINITION if same else ("direction",):
        value, right = getattr(spec, name), getattr(card, name)
        if value != right and not (name == "unit" and any({value, right} <= alike for alike in SAME_UNITS)):
            yield name, value, right
    if not same:
        yield from _any_metric(spec)
        return
    if target is not None and spec.target != target:
        yield "target", spec.target, target
    if (spec.extractor is None) != (card.extractor is None):
        yield "extractor", spec.extractor, card.extractor
    worst = card.range[0] if card.direction == "higher" else card.range[1]
    if spec.worst is not None and not math.isclose(spec.worst, worst, rel_tol=SLACK):
        yield "worst", spec.worst, worst


def row_faults(path: Path, rows: pd.DataFrame, record: RunRecord, expected: Expected) -> Iterator[str]:
    """What cannot be true of rows: values out of the metric's range, weights, and pairs left out for a wrong reason.

    Args:
        rows: with finite values and weights.
    """
    for spec in record.metrics:
        own = rows[rows["metric"] == spec.name]
        yield from _values(path, own, spec, expected.cards.get(spec.name))
        yield from _weights(path, own, spec, expected)
        yield from _reasons(path, own, spec)


def summary_faults(path: Path, summary: Summary, record: RunRecord, expected: Expected) -> Iterator[str]:
    """Values of metrics of whole sets, which do not follow from rows, that are out of the metric's range."""
    for spec in record.metrics:
        result = summary.metric(spec.name)
        if spec.aggregation != "set" or result is None or result.mean is None:
            continue
        low, high = _range(expected.cards.get(spec.name))
        if not low <= result.mean <= high:
            yield f"{path}: mean of {spec.name} is {result.mean:g} and has to be {_words(low, high)}; {NEW_EXPORT}"


def _range(card: MetricCard | None) -> tuple[float, float]:
    """Least and greatest value, with the slack of rounding."""
    low, high = card.range if card else (-BOUND, BOUND)
    return max(low - SLACK * max(1, abs(low)), -BOUND), min(high + SLACK * max(1, abs(high)), BOUND)


def _words(low: float, high: float) -> str:
    return f"between {low:.4g} and {high:.4g}"


def _values(path: Path, rows: pd.DataFrame, spec: MetricSpec, card: MetricCard | None) -> Iterator[str]:
    low, high = _range(card)
    wrong = rows[(rows["value"] < low) | (rows["value"] > high)]
    if len(wrong):
        first, more = wrong.iloc[0], f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        right = _words(*(card.range if card else (low, high)))
        yield (
            f"{path}: the value of {spec.name} in pair {first['pair']} is {first['value']:g}{more} and has to be "
            f"{right}; {NEW_EXPORT}"
        )


def _weights(path: Path, rows: pd.DataFrame, spec: MetricSpec, expected: Expected) -> Iterator[str]:
    valued = rows[rows["value"].notna()]
    if spec.name not in expected.cards or spec.name in expected.weighted:
        wrong, right = valued[(valued["weight"] <= 0) | (valued["weight"] > BOUND)], "above 0"
    else:
        wrong, right = valued[valued["weight"] != 1], "1"
    if len(wrong):
        first, more = wrong.iloc[0], f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        yield (
            f"{path}: the weight of {spec.name} in pair {first['pair']} is {first['weight']:g}{more} and has to be "
            f"{right}; {NEW_EXPORT}"
        )


def _reasons(path: Path, rows: pd.DataFrame, spec: MetricSpec) -> Iterator[str]:
    """Pairs left out of the mean since their frames show no face or body."""
    lost = rows[rows["value"].isna() & rows["reason"].str.fullmatch("no-(face|body)-(target|generated)")]
    if spec.extractor is None:
        if len(lost):
            reason = lost["reason"].iloc[0]
            yield (
                f"{path}: the reason of {spec.name} in pair {lost['pair'].iloc[0]} is {reason} and has to be another, "
                f"since {spec.name} compares whole images; {NEW_EXPORT}"
            )
        return
    unseen = lost[lost["reason"].str.endswith("-target")]
    if len(unseen) > FEWEST_FACES * len(rows):
        yield (
            f"{path}: {len(unseen)} of {len(rows)} pairs of {spec.name} are {unseen['reason'].iloc[0]} and half of "
            "them may be; choose pairs whose real frames show what the metric looks at"
        )
