"""Rank intervals: the best and the worst rank of a method, as far as a test tells methods apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Cluster, Run, by_clip
from talkbench.reports.statistics.intervals import valued_rows
from talkbench.reports.statistics.resampling import LEVEL, sign_flip

if TYPE_CHECKING:
    import pandas as pd


def rank_intervals(runs: Sequence[Run], metric: str, cluster: Cluster = by_clip) -> dict[str, tuple[int, int]]:
    """The best and the worst rank that each run may have, by its run id; 1 is the best.

    The best rank of a run is one more than the number of runs that a test finds better; the worst rank is the number of
    runs less those that it finds worse. The test is a sign-flip test of every two runs on their common pairs: signs of
    clusters are flipped for all comparisons together, and each difference is held against the largest one of any
    comparison (max-t), which keeps the family-wise error over all pairs of runs at 5 %. Methods that share a rank
    cannot be separated.

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
        rows = valued_rows(run.pair_rows(), run.record.metric(metric), run.record.missing_faces, cluster)
        if len(rows):
            tables[run.record.run_id] = rows.set_index("pair")
    ranks = {name: (1, len(tables)) for name in tables}
    for better, worse in _separated(tables, runs[0].record.metric(metric).direction) if len(tables) > 1 else ():
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
            one_better = (total > 0) == (direction == "higher")
            yield (names[one], names[other]) if one_better else (names[other], names[one])
