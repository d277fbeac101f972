"""Several data sets as one, to train on: clips and people keep apart by the name of their data set before their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.datasets import Dataset, Frame

Roots = Path | Mapping[str, Path] | None
"""The folder of a data set's clips, or of several data sets in a folder each that is named after it; or the folders by
the names of their data sets. None: where data sets are by default."""


def training_data(names: Sequence[str], root: Roots) -> Dataset:
    """The data set to train on, which is several if there are several `names`.

    Raises:
        TalkbenchError: a name is unknown, also one that has a root.
    """
    for name in root if isinstance(root, Mapping) else ():
        if name not in names:
            raise TalkbenchError(f"--root names a folder of {name}, which is not trained on: {nearest(name, names)}")
    parts = {name: datasets.create(name, root=root_of(name, names, root)) for name in names}
    return Mixed(parts) if len(parts) > 1 else parts[names[0]]


def root_of(name: str, names: Sequence[str], root: Roots) -> Path | None:
    """The folder of the data set `name`, one of several `names` perhaps; None: its default."""
    if isinstance(root, Mapping):
        return root.get(name)
    return root / name if root and len(names) > 1 else root


class Mixed(Dataset):
    """Data sets as one. The clip ``train/a.mp4`` of hdtf is ``hdtf:train/a.mp4``, and so are people named.

    Args:
        parts: the data sets by their names.
    """

    def __init__(self, parts: Mapping[str, Dataset]) -> None:
        self.parts, self.name = dict(parts), ",".join(parts)

    def prepare(self) -> None:
        for part in self.parts.values():
            part.prepare()

    def training_clips(self) -> list[str]:
        return sorted(f"{name}:{clip}" for name, part in self.parts.items() for clip in part.training_clips())

    def training_numbers(self, clip: str) -> Sequence[int]:
        part, own = self._part(clip)
        return part.training_numbers(own)

    def check_training(self, clips: Iterable[str]) -> None:
        chosen = [clip.partition(":") for clip in clips]
        for name, part in self.parts.items():
            part.check_training([own for prefix, _, own in chosen if prefix == name])

    def identity(self, clip: str) -> str:
        part, own = self._part(clip)
        return f"{part.name}:{part.identity(own)}"

    def fingerprint(self, clip: str) -> str:
        part, own = self._part(clip)
        return part.fingerprint(own)

    def read(self, frame: Frame) -> np.ndarray:
        part, own = self._part(frame.clip)
        return part.read(Frame(own, frame.index))

    def _part(self, clip: str) -> tuple[Dataset, str]:
        name, _, own = clip.partition(":")
        return self.parts[name], own


def folders(dataset: Dataset) -> str:
    """Where the clips are, of each data set if there are several; "" for a data set without a folder."""
    if isinstance(dataset, Mixed):
        return ", ".join(f"{name}={folders(part)}" for name, part in dataset.parts.items())
    return str(getattr(dataset, "root", ""))


def by_set(names: Sequence[str], sets: Sequence[str]) -> list[list[str]]:
    """The names of clips or people by their data set, in the order of `sets`."""
    if len(sets) == 1:
        return [list(names)]
    return [[name for name in names if name.startswith(f"{each}:")] for each in sets]


def share(name: str, shares: Mapping[str, int]) -> int:
    """How many times as often as others a clip or a person comes, by the `shares` of the data sets."""
    return shares.get(name.partition(":")[0], 1)
