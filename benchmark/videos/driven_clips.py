"""The clips of a run: pairs of one source whose driving frames follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from talkbench.datasets import Frame, Pair
from talkbench.results import RunRecord
from talkbench.results.summary import aggregate, counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DrivenClip:
    """A source that is driven by consecutive frames.

    Attributes:
        driving: the clip of the driving frames.
        first: the number of the first of them there.
        pairs: the numbers of the pairs, in the order of the driving frames.
    """

    source: Frame
    driving: str
    first: int
    pairs: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.pairs)


def driven_clips(pairs: Iterable[Pair]) -> list[DrivenClip]:
    """The clips of a list of pairs, in its order, each of two frames at least. None where most pairs follow no other:
    then the frames were drawn one by one, and some are neighbours by chance. Of equal pairs the first counts.
    """
    numbers: dict[tuple[Frame, str, int], int] = {}
    for number, pair in enumerate(pairs):
        numbers.setdefault((pair.source, pair.driving.clip, pair.driving.index), number)
    stretches: list[list[tuple[Frame, str, int]]] = []
    for source, driving, index in sorted(numbers):
        if stretches and stretches[-1][-1] == (source, driving, index - 1):
            stretches[-1].append((source, driving, index))
        else:
            stretches.append([(source, driving, index)])
    if 2 * (len(numbers) - len(stretches)) < len(numbers):
        return []
    clips = [
        DrivenClip(*places[0], tuple(numbers[place] for place in places)) for places in stretches if len(places) > 1
    ]
    return sorted(clips, key=lambda clip: min(clip.pairs))


def values_of(clips: Sequence[DrivenClip], rows: pd.DataFrame, record: RunRecord) -> list[float | None]:
    """What the run's first metric that ranks is over the pairs of each clip; None for a clip without a value."""
    spec = record.ranking
    if spec is None:
        return [None] * len(clips)
    clip_of = {pair: place for place, clip in enumerate(clips) for pair in clip.pairs}
    valued = counted(rows[rows["metric"] == spec.name], spec, record.missing_faces)
    valued = valued[valued["value"].notna()]
    values = {place: aggregate(group, spec.aggregation) for place, group in valued.groupby(valued["pair"].map(clip_of))}
    return [values.get(place) for place in range(len(clips))]


def spread(length: int, count: int) -> list[int]:
    """`count` places in a ranked list, or all if it has fewer: the first, the last and the middle one, and others in
    the middle of the widest gaps. One alone is the middle one.

    >>> spread(9, 5), spread(10, 4), spread(2, 8), spread(9, 1)
    ([0, 2, 4, 6, 8], [0, 4, 6, 9], [0, 1], [4])
    """
    count = min(count, length)
    places = {1: {middle(length)}, 2: {0, length - 1}}.get(count, {0, middle(length), length - 1})
    while len(places) < count:
        before, after = max(pairwise(sorted(places)), key=lambda gap: gap[1] - gap[0])
        places.add((before + after) // 2)
    return sorted(places)[:count]


def middle(length: int) -> int:
    """The place of the median in a ranked list, of an even number of clips the better of two."""
    return (length - 1) // 2
