"""The clusters that statistics resample: people, where the data set of a run says who is in a clip, else clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from talkbench import datasets
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


def with_clusters(runs: Sequence[Run]) -> list[Run]:
    """The runs, with the clusters of their data sets."""
    return [replace(run, cluster=clusters_of(run.record.dataset.name)) for run in runs]
