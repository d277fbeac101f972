"""Rank intervals: the best and the worst rank of a method, as far as a test tells methods apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run
from talkbench.reports.statistics.clusterings import Clustering, clusterings
from talkbench.reports.statistics.intervals import valued_of
from talkbench.reports.statistics.resampling import LEVEL, holm, sign_flip, told_apart
from talkbench.reports.statistics.two_way import probabilities, probability
from talkbench.results import MetricSpec

if TYPE_CHECKING:
    import pandas as pd


def rank_intervals(runs: Sequence[Run], metric: str) -> dict[str, tuple[int, int]]:
    """The best and the worst rank that each run may have, by its run id; 1 is the best.

    The best rank of a run is one more than the number of runs that a test finds better; the worst rank is the number of
    runs less those that it finds worse. Every two runs are tested on their common pairs, with the family-wise error
    over all of them at 5 %. With one clustering (see `clusterings`) the test flips the signs of clusters for all
    comparisons together and holds each difference against the largest one of any comparison (max-t); where sources and
    driving people cross, it is that of `probability`, corrected by Holm's method. Methods that share a rank cannot be
    separated.

    Args:
        runs: of one protocol; runs without values are left out of the result.

    Raises:
        TalkbenchError: the runs are of unlike protocols.
    """
    runs = [run for run in runs if any(spec.name == metric for spec in run.record.metrics)]
    if len({run.record.protocol_id(metric) for run in runs}) > 1:
        raise TalkbenchError(f"{metric}: the runs are not of one protocol; rank those of each protocol by themselves")
    tables = {}
    for run in runs:
        rows = valued_of(run, metric)
        if len(rows):
            tables[run.record.run_id] = rows
    ranks = {name: (1, len(tables)) for name in tables}
    for better, worse in _separated(tables, runs[0], metric) if len(tables) > 1 else ():
        ranks[better] = ranks[better][0], ranks[better][1] - 1
        ranks[worse] = ranks[worse][0] + 1, ranks[worse][1]
    return ranks


def _separated(tables: dict[str, pd.DataFrame], run: Run, metric: str) -> Iterator[tuple[str, str]]:
    """Every two of the `tables` that the test tells apart, the better one first; `run` knows the people."""
    spec, names = run.record.metric(metric), list(tables)
    pairs, columns = _side_by_side(list(tables.values()))
    weights = pairs["weight"].to_numpy()
    first, second = np.triu_indices(len(columns), 1)
    ways = clusterings(pairs, run.cluster)
    if len(ways) == 1 and not np.isnan(columns).any():
        sums = np.stack([ways[0].sums(column, weights)[0] for column in columns])
        differences = sums.sum(axis=1)[first] - sums.sum(axis=1)[second]
        apart = told_apart(sums)[first, second]
    elif len(ways) == 1:
        sums = _sums_of_differences(ways[0], columns, weights)
        differences, apart = sums.sum(axis=1), sign_flip(sums) <= 1 - LEVEL
    else:
        differences, p = _crossed(pairs, columns, run, spec)
        apart = holm(p) <= 1 - LEVEL
    for place in np.flatnonzero(apart):
        one, other = names[first[place]], names[second[place]]
        one_better = (differences[place] > 0) == (spec.direction == "higher")
        yield (one, other) if one_better else (other, one)


def _side_by_side(tables: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, np.ndarray]:
    """All pairs of the `tables` by pair, with frames and weights, and the values (R, n); NaN where there is none."""
    import pandas as pd

    numbers = np.unique(np.concatenate([table["pair"].to_numpy() for table in tables]))
    columns, new, parts = np.full((len(tables), len(numbers)), np.nan), np.ones(len(numbers), dtype=bool), []
    for column, table in zip(columns, tables, strict=True):
        places = np.searchsorted(numbers, table["pair"].to_numpy())
        column[places] = table["value"].to_numpy()
        if new[places].any():
            parts.append(table[new[places]])
            new[places] = False
    return pd.concat(parts).sort_values("pair"), columns


def _sums_of_differences(way: Clustering, columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(M, G): by cluster the sum of the weighted differences of every two of the `columns` (R, n), over the pairs that
    both have."""
    order = np.argsort(way.codes, kind="stable")
    starts = np.searchsorted(way.codes[order], np.arange(len(way.names)))
    columns, weights = columns[:, order], weights[order]
    sums = [
        np.add.reduceat(np.nan_to_num((columns[run] - columns[run + 1 :]) * weights), starts, axis=1)
        for run in range(len(columns) - 1)
    ]
    return np.concatenate(sums)


def _crossed(pairs: pd.DataFrame, columns: np.ndarray, run: Run, spec: MetricSpec) -> tuple[np.ndarray, np.ndarray]:
    """For every two of the `columns` (R, n), whose sources and driving people cross: a number with the sign of their
    difference, and p."""
    there, weights = ~np.isnan(columns), pairs["weight"].to_numpy()
    masks, of_run = np.unique(there, axis=0, return_inverse=True)
    number = np.zeros((len(columns), len(columns)), dtype=int)
    first, second = np.triu_indices(len(columns), 1)
    number[first, second] = np.arange(len(first))
    totals, p = np.zeros(len(first)), np.ones(len(first))
    for one, other in combinations_with_replacement(range(len(masks)), 2):
        common = masks[one] & masks[other]
        runs = np.flatnonzero(np.isin(of_run.ravel(), (one, other)))
        if not common.any() or len(runs) < 2:
            continue
        kinds = of_run.ravel()[runs]
        a, b = np.triu_indices(len(runs), 1)
        asked = kinds[a] != kinds[b] if one != other else kinds[a] == kinds[b]
        tested = _tested(pairs[common], columns[runs][:, common], weights[common], run, spec)
        if tested:
            places = number[runs[a], runs[b]][asked]
            totals[places], p[places] = (result[asked] for result in tested)
    return totals, p


def _tested(
    pairs: pd.DataFrame, columns: np.ndarray, weights: np.ndarray, run: Run, spec: MetricSpec
) -> tuple[np.ndarray, np.ndarray] | None:
    """Differences and p of every two of the `columns` (R, n) over pairs that all have; None where there are too few
    people."""
    ways = clusterings(pairs, run.cluster)
    if len(ways) == 2:
        return probabilities(ways, columns, weights, spec.aggregation)
    sums = _sums_of_differences(ways[0], columns, weights)
    both = combinations(columns, 2)
    p = [probability(ways, one, weights, other, weights, aggregation=spec.aggregation) for one, other in both]
    return sums.sum(axis=1), np.array(p, dtype=float)
