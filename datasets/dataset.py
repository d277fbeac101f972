"""What every data set is: a card, a root folder of clips, and lists of pairs by task."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home, inside
from talkbench.core.registry import nearest
from talkbench.datasets.clips import Clip, open_clip
from talkbench.datasets.pairs import Frame, Pair, pairs_sha256, read_pairs

MOTIONS = ("absolute", "relative-first", "relative-best", "avd")


def has_truth(task: str) -> bool:
    """Whether the driving frame is what the result should look like: in every task but across identities."""
    return task != "cross-identity"


class Split:
    """The pairs of one task, in the order of their list.

    Attributes:
        dataset, task, motion: what it was made from.
        root: folder of the clips.
        pairs: all pairs.
        sha256: canonical hash of the pairs (`pairs_sha256`), references included.
        has_truth: see `has_truth`.
    """

    def __init__(self, dataset: str, task: str, motion: str, root: Path, pairs: Sequence[Pair]) -> None:
        self.dataset, self.task, self.motion, self.root = dataset, task, motion, root
        self.pairs = list(pairs)
        self.sha256 = pairs_sha256(self.pairs)
        self.has_truth = has_truth(task)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def head(self, count: int) -> Split:
        """The first `count` pairs as a split of their own, with its own hash."""
        return Split(self.dataset, self.task, self.motion, self.root, self.pairs[:count])

    def clip(self, name: str) -> Clip:
        """The clip `name`, kept open among the last few used.

        Raises:
            TalkbenchError: there is no such clip below `root`, or it cannot be read.
        """
        return _clip(self.root, name)

    def read(self, frame: Frame) -> np.ndarray:
        """The image of `frame`, uint8 RGB (H, W, 3) at its stored size.

        Raises:
            PairError: this frame cannot be read.
        """
        return self.clip(frame.clip).read(frame.index)


class Dataset(ABC):
    """A data set: subclass, name it, register it, and lay ``card.yaml`` beside the class's file.

    The card holds ``title``, ``short`` (one line), ``source``, ``licence``, ``layout`` and, by task name, ``tasks``
    with the file of its pair list (``list``, beside the card) and that list's ``sha256``.

    Args:
        root: folder of the clips; None is ``datasets/<name>`` in the cache folder.
    """

    name: ClassVar[str]

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = (Path(root).expanduser() if root else home() / "datasets" / self.name).absolute()

    @abstractmethod
    def prepare(self) -> None:
        """See to it that the clips are below `root`.

        Raises:
            TalkbenchError: they are not and cannot be made; says how to get them.
        """

    def training_frames(self) -> dict[str, list[int]]:
        """By clip, the indices of the frames that training may use; none of them is tested.

        Raises:
            TalkbenchError: the data set has no part for training.
        """
        raise TalkbenchError(f"data set {self.name} has no training part; choose another one")

    def read(self, frame: Frame) -> np.ndarray:
        """The image of `frame`, uint8 RGB (H, W, 3) at its stored size; raises as `Split.read`."""
        return _clip(self.root, frame.clip).read(frame.index)

    @cached_property
    def folder(self) -> Path:
        """Where the card and the lists are."""
        return Path(inspect.getfile(type(self))).parent

    @cached_property
    def card(self) -> dict[str, Any]:
        """The contents of ``card.yaml``."""
        import yaml

        card: dict[str, Any] = yaml.safe_load((self.folder / "card.yaml").read_text(encoding="utf-8"))
        return card

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the data set has a list for."""
        return tuple(self.card["tasks"])

    def split(self, task: str, pairs: Path | str | None = None, motion: str = "absolute") -> Split:
        """The pairs of `task`, all checked against the clips.

        Args:
            task: one of `tasks`.
            pairs: a pair list of one's own (CSV, see `read_pairs`) in place of the official one.
            motion: where each pair's reference comes from (specs evaluation 7): ``absolute`` and ``avd`` none,
                ``relative-first`` the first frame of the driving clip, ``relative-best`` the list.

        Raises:
            TalkbenchError: unknown task or motion, a faulty list, a list without references for
                ``relative-best``, or clips that are not there.
        """
        if task not in self.tasks:
            raise TalkbenchError(f"data set {self.name} has no task {task!r}: {nearest(task, self.tasks)}")
        if motion not in MOTIONS:
            raise TalkbenchError(f"unknown motion {motion!r}: {nearest(motion, MOTIONS)}")
        self.prepare()
        path = Path(pairs) if pairs else self.folder / self.card["tasks"][task]["list"]
        listed = read_pairs(path, cache(lambda name: len(_clip(self.root, name))))
        if motion == "relative-best" and any(pair.reference is None for pair in listed):
            raise TalkbenchError(
                f"{path} does not name a reference frame for every pair, which motion relative-best needs;"
                " use absolute or relative-first, or fill reference_clip and reference_index"
            )
        return Split(self.name, task, motion, self.root, [_with_reference(pair, motion) for pair in listed])


def _with_reference(pair: Pair, motion: str) -> Pair:
    references = {
        "absolute": None,
        "avd": None,
        "relative-first": Frame(pair.driving.clip, 0),
        "relative-best": pair.reference,
    }
    return replace(pair, reference=references[motion])


@lru_cache(maxsize=8)  # open videos hold decoded frames
def _clip(root: Path, name: str) -> Clip:
    return open_clip(inside(root, name))
