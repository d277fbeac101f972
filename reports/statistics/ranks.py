"""Rank intervals: the best and the worst rank of a method, as far as a test tells methods apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run
from talkbench.reports.statistics.clusterings import clusterings
from talkbench.reports.statistics.intervals import valued_rows
from talkbench.reports.statistics.resampling import LEVEL, sign_flip
from talkbench.reports.statistics.two_way import probability
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
        rows = valued_rows(run.pair_rows(), run.record.metric(metric), run.record.missing_faces)
        if len(rows):
            tables[run.record.run_id] = rows.set_index("pair")
    ranks = {name: (1, len(tables)) for name in tables}
    for better, worse in _separated(tables, runs[0], metric) if len(tables) > 1 else ():
        ranks[better] = ranks[better][0], ranks[better][1] - 1
        ranks[worse] = ranks[worse][0] + 1, ranks[worse][1]
    return ranks


def _separated(tables: dict[str, pd.DataFrame], run: Run, metric: str) -> Iterator[tuple[str, str]]:
    """Every two of the `tables` by pair that the test tells apart, the better one first; `run` knows the people."""
    import pandas as pd

    spec = run.record.metric(metric)
    values = pd.concat({name: table["value"] for name, table in tables.items()}, axis=1)
    pairs = pd.concat(list(tables.values()))
    pairs = pairs[~pairs.index.duplicated()].loc[values.index]
    columns, weights = values.to_numpy().T, pairs["weight"].to_numpy()
    both = list(combinations(range(len(columns)), 2))
    ways = clusterings(pairs, run.cluster)
    if len(ways) == 1:
        # 0 where a pair is not common
        weighted = [np.nan_to_num((columns[one] - columns[other]) * weights) for one, other in both]
        sums = np.stack([np.bincount(ways[0].codes, column, minlength=len(ways[0].names)) for column in weighted])
        totals, p = sums.sum(axis=1), sign_flip(sums)
    else:
        totals, p = _crossed(pairs, columns, both, run, spec)
    names = list(values.columns)
    for (one, other), total, of_two in zip(both, totals, p, strict=True):
        if of_two <= 1 - LEVEL:
            one_better = (total > 0) == (spec.direction == "higher")
            yield (names[one], names[other]) if one_better else (names[other], names[one])


def _crossed(
    pairs: pd.DataFrame, columns: np.ndarray, both: Sequence[tuple[int, int]], run: Run, spec: MetricSpec
) -> tuple[np.ndarray, np.ndarray]:
    """For every two of the `columns` (R, n), whose sources and driving people cross: a number with the sign of their
    difference, and p, corrected for all of them together."""
    from statsmodels.stats.multitest import multipletests

    weights, everyone = pairs["weight"].to_numpy(), clusterings(pairs, run.cluster)
    totals, p = np.zeros(len(both)), np.ones(len(both))
    for number, (one, other) in enumerate(both):
        common = ~np.isnan(columns[one] - columns[other])
        if common.any():
            first, second, weight = columns[one][common], columns[other][common], weights[common]
            ways = everyone if common.all() else clusterings(pairs[common], run.cluster)
            totals[number] = ((first - second) * weight).sum()
            tested = probability(ways, first, weight, second, weight, aggregation=spec.aggregation)
            p[number] = 1.0 if tested is None else tested
    return totals, multipletests(p, method="holm")[1]
