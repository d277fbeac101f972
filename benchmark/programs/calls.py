"""The calls of a program that together make the frames of all pairs, and what each of them follows from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING, Any

from talkbench.benchmark.evaluation.given_frames import stretches
from talkbench.benchmark.programs.card import ProgramCard
from talkbench.core.errors import PairError
from talkbench.datasets import Frame, Pair, Split
from talkbench.results.content import content_of
from talkbench.results.strict import canonical_sha256

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Call:
    """One call of a program.

    Attributes:
        numbers: its pairs.
        drivings: the frames that move the face, in the order in which the program gets them; of relative motion the
            first is the reference. Of a whole list: none.
        places: of each of its pairs, where in `drivings` its driving frame is.
        rate: frames per second of the driving video.
    """

    numbers: tuple[int, ...]
    source: Frame | None
    reference: Frame | None
    drivings: tuple[Frame, ...]
    places: tuple[int, ...]
    rate: Fraction

    @property
    def pairs(self) -> str:
        """Its pairs in words."""
        first, last = self.numbers[0], self.numbers[-1]
        return f"pair {first}" if first == last else f"pairs {first} to {last}"


class Images:
    """Reads the frames of a split for several threads, and knows what each decodes to."""

    def __init__(self, split: Split) -> None:
        self.split, self._lock = split, Lock()
        self._contents: dict[Frame, str] = {}

    def read(self, frame: Frame) -> np.ndarray:
        """The image of a frame, as `Split.read`."""
        with self._lock:
            return self.split.read(frame)

    def content(self, frame: Frame) -> str:
        """sha256 of what a frame decodes to; "" of one that cannot be read."""
        if frame not in self._contents:
            try:
                self._contents[frame] = content_of(self.read(frame)).sha256
            except PairError:
                self._contents[frame] = ""
        return self._contents[frame]

    def contents(self, pair: Pair) -> list[str]:
        """Those of the frames of a pair."""
        return [self.content(frame) for frame in (pair.source, pair.driving, pair.reference) if frame]


def calls_of(card: ProgramCard, images: Images) -> list[Call]:
    """The calls for all pairs whose frames can be read, in the order of the pairs. Of the others the rows will say why
    they have no number, whatever the program makes of them."""
    split = images.split
    if card.granularity == "list":
        numbers = tuple(range(len(split)))
        return [Call(numbers, None, None, (), numbers, Fraction(1))]
    calls = []
    for group in _groups(card, split.pairs):
        readable = [number for number in group if all(images.contents(split[number]))]
        if readable:
            calls.append(_call(card, split, readable))
    return calls


def _groups(card: ProgramCard, pairs: Sequence[Pair]) -> Iterable[list[int]]:
    """The numbers of the pairs of each call: one source, one driving clip and one reference."""
    if card.granularity == "pair":
        return [[number] for number in range(len(pairs))]
    whole = [groupby(stretch, key=lambda number: pairs[number].reference) for stretch in stretches(pairs)]
    return [list(numbers) for groups in whole for _, numbers in groups]


def _call(card: ProgramCard, split: Split, numbers: Sequence[int]) -> Call:
    first = split[numbers[0]]
    drivings = [split[number].driving for number in numbers]
    before = 0
    if first.reference is not None and card.input.driving != "image" and first.reference != drivings[0]:
        drivings, before = [first.reference, *drivings], 1
    places = tuple(index + before for index in range(len(numbers)))
    rate = rate_of(split, first.driving.clip)
    return Call(tuple(numbers), first.source, first.reference, tuple(drivings), places, rate)


def rate_of(split: Split, clip: str) -> Fraction:
    """Frames per second of a clip: by its time stamps on average, else what the data set says."""
    timeline = split.clip(clip).timeline
    if timeline is None:
        return split.rate(clip)
    return (Fraction(len(timeline.ticks) - 1) / (timeline.ticks[-1] * timeline.tick)).limit_denominator(1001)


def key_of(call: Call, images: Images, settings: dict[str, Any], size: int) -> str:
    """What a call's frames are kept under: a hash of all that they follow from.

    Args:
        settings: of the program, see `Program.settings`.
        size: side in pixels of the images that the program gets.
    """
    if call.source is None:
        frames = [images.contents(pair) for pair in images.split]
    else:
        drivings = (call.reference, *call.drivings) if call.reference else call.drivings
        frames = [[images.content(frame) for frame in (call.source, *drivings)]]
    return canonical_sha256({"settings": settings, "size": size, "rate": str(call.rate), "frames": frames})[:32]
