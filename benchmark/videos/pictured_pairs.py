"""Which pairs of a run get a picture: some of every clip, and the best and the worst."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import Literal

import numpy as np

from talkbench.datasets import Pair
from talkbench.results import MetricSpec, RunStore
from talkbench.results.rows import Row

COUNT = 8
"""Pictures that show how the run looks as a whole, whatever its numbers."""

PICTURES = "pictures"
Place = Literal["best", "worst"]


class PicturedPairs:
    """The pairs of a run that get a picture. Which are the best and the worst so far changes as the run goes on.

    Args:
        metric: that says which pairs are best and worst; None: none does.

    Attributes:
        spread: the pairs that are chosen whatever their numbers, see `spread_over_clips`.
    """

    def __init__(self, pairs: Sequence[Pair], metric: MetricSpec | None) -> None:
        self.spread, self.metric = frozenset(spread_over_clips(pairs, COUNT)), metric
        self._sign = -1 if metric and metric.direction == "higher" else 1
        self._ends: tuple[tuple[float, int], ...] = ()  # the best and the worst by signed value and number

    @property
    def ends(self) -> dict[Place, int]:
        """The numbers of the best and the worst pair so far, of equal ones the first and the last; none before a pair
        has a value, and one pair twice where no other has."""
        return {"best": self._ends[0][1], "worst": self._ends[1][1]} if self._ends else {}

    def resume(self, store: RunStore) -> None:
        """Take the pairs that were done before into account."""
        rows = store.rows()
        if self.metric:
            rows = rows[rows["metric"] == self.metric.name]
            self._take(zip(rows["value"], rows["pair"], strict=True))
        self.forget_others(store.folder)

    def take(self, rows: Sequence[Row]) -> frozenset[int]:
        """Take the rows of a batch into account; returns which pairs to draw, of this batch and before."""
        name = self.metric.name if self.metric else ""
        self._take((row.value, row.pair) for row in rows if row.metric == name and row.value is not None)
        return self.spread | set(self.ends.values())

    def _take(self, values: Iterable[tuple[float, int]]) -> None:
        signed = [*self._ends, *((self._sign * value, int(pair)) for value, pair in values if not isnan(value))]
        self._ends = (min(signed), max(signed)) if signed else ()

    def names(self, number: int) -> list[str]:
        """What the pictures of a pair are called: ``000012``; or, if it has one for this alone, ``best-000012``."""
        if number in self.spread:
            return [f"{number:06d}"]
        return [f"{place}-{number:06d}" for place, pair in self.ends.items() if pair == number]

    def drawn(self, run: Path) -> list[tuple[str, int, str]]:
        """The pictures in the folder of a run that has ended: name, number of the pair, and ``best``, ``worst`` or "".
        These two come first, and no pair comes twice."""
        ends = self.ends if len(set(self.ends.values())) == 2 else {}
        pictures = [
            (f"{number:06d}" if number in self.spread else f"{place}-{number:06d}", number, str(place))
            for place, number in ends.items()
        ]
        pictures = [picture for picture in pictures if (run / PICTURES / f"{picture[0]}.png").exists()]
        labelled = {number for _, number, _ in pictures}
        stems = [path.stem for path in sorted((run / PICTURES).glob("[0-9]*.png"))]
        return [*pictures, *((stem, int(stem), "") for stem in stems if int(stem) not in labelled)]

    def forget_others(self, run: Path) -> None:
        """Delete the pictures of pairs that are no longer the best or the worst."""
        current = {f"{place}-{number:06d}" for place, number in self.ends.items()}
        for place in ("best", "worst"):
            for path in (run / PICTURES).rglob(f"{place}-*.png"):
                if path.stem not in current:
                    path.unlink(missing_ok=True)


def spread_over_clips(pairs: Sequence[Pair], count: int) -> list[int]:
    """The numbers of at most `count` pairs, from all driving clips in turn, each in the middle of an equal part of its
    clip's pairs; of more clips than `count`, from some at even steps.

    >>> from talkbench.datasets import Frame
    >>> spread_over_clips([Pair(Frame(clip, 0), Frame(clip, index)) for clip in "ab" for index in range(5)], 3)
    [1, 3, 7]
    """
    clips: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        clips.setdefault(pair.driving.clip, []).append(number)
    members = list(clips.values())
    if len(members) > count:
        members = [members[place] for place in np.linspace(0, len(members) - 1, count).round().astype(int)]
    shares = [0] * len(members)
    while sum(shares) < count and any(share < len(one) for share, one in zip(shares, members, strict=True)):
        fewest = min(share for share, one in zip(shares, members, strict=True) if share < len(one))
        place = next(i for i, share in enumerate(shares) if share == fewest and share < len(members[i]))
        shares[place] += 1
    chosen = [
        numbers[(2 * step + 1) * len(numbers) // (2 * share)]
        for numbers, share in zip(members, shares, strict=True)
        for step in range(share)
    ]
    return sorted(chosen)
