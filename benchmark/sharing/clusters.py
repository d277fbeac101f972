"""What statistics need to know of a run besides its rows: its clusters, which are people where the data set says who is
in a clip, else clips; and the ranges of its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from talkbench import datasets, metrics
from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Cluster, by_clip

if TYPE_CHECKING:
    from talkbench.reports.runs import Run


def clusters_of(dataset: str) -> Cluster:
    """The function from a clip of the data set to the person in it; every clip is a cluster of its own if the data set
    is not registered here. Its files need not be on this machine."""
    try:
        return datasets.create(dataset).identity
    except TalkbenchError:
        return by_clip


def ranges_of(names: Iterable[str]) -> dict[str, tuple[float, float]]:
    """The ranges of the metrics that are registered here, by their names."""
    ranges = {}
    for name in names:
        with suppress(TalkbenchError):
            ranges[name] = metrics.create(name).range
    return ranges


def with_facts(runs: Sequence[Run]) -> list[Run]:
    """The runs, with the clusters of their data sets and the ranges of their metrics."""
    ranges = ranges_of({spec.name for run in runs for spec in run.record.metrics})
    return [replace(run, cluster=clusters_of(run.record.dataset.name), ranges=ranges) for run in runs]
