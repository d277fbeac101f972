"""The engine that works in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from talkbench.benchmark.engines.interface import Engine, Job, Place, Watch


class LocalEngine(Engine):
    """Works in this process; gives each result as soon as it is there.

    Args:
        threads: that this process computes with.
    """

    name, workers = "local", 1

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def map(self, job: Job, chunks: Sequence[Any], watch: Watch) -> Iterator[Any]:
        with job.open(Place(here=True)) as work:
            for chunk in chunks:
                yield from work(chunk)
