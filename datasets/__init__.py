"""Data sets: clips of frames, and the splits (lists of pairs) that methods are evaluated on."""

from __future__ import annotations

from pathlib import Path

from talkbench.core.registry import Registry
from talkbench.datasets.dataset import Dataset, Split, has_truth
from talkbench.datasets.pairs import Frame, Pair

__all__ = ["Dataset", "Frame", "Pair", "Split", "create", "has_truth", "registry"]

registry: Registry[Dataset] = Registry("dataset", "talkbench.datasets.sets")


def create(name: str, root: Path | str | None = None) -> Dataset:
    """The data set `name`; `root` is the folder of its clips (None: its folder in the cache).

    Raises:
        TalkbenchError: the name is unknown; the nearest known ones are offered.
    """
    return registry.create(name, root=root)
