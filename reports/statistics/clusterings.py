"""The clusters of pairs: who their sources show, and who drives them (docs/statistics.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talkbench.reports.runs import Cluster

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Clustering:
    """Pairs by the people (or clips) in one of their two roles.

    Attributes:
        role: ``source`` or ``driving``; empty where the two roles group the pairs alike, as in same-identity runs.
        codes: (n,), for each pair the number of its cluster in `names`.
        names: of the people or clips.
    """

    role: str
    codes: np.ndarray
    names: tuple[str, ...]

    def sums(self, *columns: np.ndarray | pd.Series) -> np.ndarray:
        """The sums of weighted values and of weights by cluster, (K, G), from `columns`: values and weights (n,) in
        turn."""
        sums = []
        for values, weights in zip(columns[::2], columns[1::2], strict=True):
            weighted = np.asarray(values, dtype=float) * np.asarray(weights, dtype=float)
            sums += [np.bincount(self.codes, column, minlength=len(self.names)) for column in (weighted, weights)]
        return np.stack(sums)


Ways = tuple[Clustering, ...]
"""What pairs are grouped by: one clustering, or those of the sources and of the driving clips where these cross."""


def clusterings(rows: pd.DataFrame, cluster: Cluster) -> Ways:
    """The clusterings of pairs with columns ``source_clip`` and ``driving_clip``.

    Where the clusters of one role lie within those of the other (each person drives one source alone, or the two are
    one person), the larger clusters alone count: pairs of different ones share nobody. Else both count.
    """
    source, driving = (_of_role(rows, role, cluster) for role in ("source", "driving"))
    crossed = len(crossing(source, driving).names)
    if crossed == len(source.names) == len(driving.names):
        return (Clustering("", driving.codes, driving.names),)
    if crossed == len(driving.names):
        return (source,)
    return (driving,) if crossed == len(source.names) else (source, driving)


def crossing(source: Clustering, driving: Clustering) -> Clustering:
    """The pairs that share both the source and the driving person."""
    cells, codes = np.unique(source.codes * len(driving.names) + driving.codes, return_inverse=True)
    return Clustering("", codes, tuple(map(str, cells)))


def counts_of(ways: Ways) -> tuple[int, ...]:
    """The number of clusters of each clustering."""
    return tuple(len(way.names) for way in ways)


def format_counts(counts: tuple[int, ...]) -> str:
    """``8``, or ``40×38`` for 40 source and 38 driving people."""
    return "×".join(map(str, counts))


def in_words(role: str, count: int, noun: str = "person") -> str:
    """``38 driving people``; `noun`: ``person`` or ``clip``."""
    return " ".join(
        filter(None, [str(count), role, noun if count == 1 else {"person": "people", "clip": "clips"}[noun]])
    )


def _of_role(rows: pd.DataFrame, role: str, cluster: Cluster) -> Clustering:
    import pandas as pd

    codes, clips = pd.factorize(np.asarray(rows[f"{role}_clip"], dtype=object), sort=True)
    of_clips, names = pd.factorize(np.asarray([cluster(clip) for clip in clips], dtype=object), sort=True)
    return Clustering(role, of_clips[codes] if len(rows) else codes, tuple(names))
