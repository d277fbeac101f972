"""Cuts the pairs of a run into chunks for workers, and into the shards of a job array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Pair

CHUNK = 32
"""Pairs of a chunk, about. A chunk ends with a batch, so that the rows do not depend on the cuts."""

LONGEST = 8
"""Times `CHUNK` after which a video is cut. Its parts cost each a frame or two more where a metric looks back."""

EACH = 4
"""Chunks that each worker gets at least, if there are pairs enough, so that none is idle for long at the end."""

Stretches = Sequence[tuple[int, list[int]]]
"""As `evaluator.stretches_to_do` gives them."""


def cut(todo: Stretches, pairs: Sequence[Pair], workers: int) -> list[Stretches]:
    """The stretches of pairs in chunks of about `CHUNK` pairs, fewer where the `workers` would not have enough of them;
    one chunk for one worker. Frames of one video stay together up to `LONGEST` times that."""
    if workers == 1:
        return [todo] if todo else []
    total = sum(len(numbers) for _, numbers in todo)
    size = min(CHUNK, -(-total // (EACH * workers)))
    chunks: list[list[tuple[int, list[int]]]] = []
    count = 0
    for index, stretch in enumerate(todo):
        if not chunks or count >= LONGEST * size or (count >= size and _ends_video(todo[index - 1], stretch, pairs)):
            chunks.append([])
            count = 0
        chunks[-1].append(stretch)
        count += len(stretch[1])
    return list(chunks)


def _ends_video(stretch: tuple[int, list[int]], following: tuple[int, list[int]], pairs: Sequence[Pair]) -> bool:
    """Whether a video ends with or within a stretch, so that the next chunk may begin behind it."""

    def video(number: int) -> tuple[object, str]:
        return pairs[number].source, pairs[number].driving.clip

    numbers = [*stretch[1], following[1][0]]
    return len({video(number) for number in numbers}) > 1


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def part(self, order: Sequence[Sequence[int]]) -> list[int]:
        """The numbers of its pairs: of `count` even runs of the batches in their `order`, the one at `index`.

        Raises:
            TalkbenchError: there are fewer batches than shards.
        """
        if self.count > len(order):
            raise TalkbenchError(
                f"--shard {self}: the pairs are only {len(order)} batches; take at most so many shards, or a smaller "
                "--batch-size"
            )
        first, end = (index * len(order) // self.count for index in (self.index - 1, self.index))
        return [number for numbers in order[first:end] for number in numbers]


def shard_of(text: str) -> Shard:
    """The shard that is written ``3/16``.

    Raises:
        TalkbenchError: it is written otherwise, or there is no such part.
    """
    matched = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not matched or not 1 <= int(matched[1]) <= int(matched[2]):
        raise TalkbenchError(f"--shard {text!r}: write which part of how many, from 1/16 to 16/16")
    return Shard(int(matched[1]), int(matched[2]))
