"""How the demo's pair lists were drawn: people take turns, so that few pairs have all of them."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np

from talkbench.datasets.pairs import Frame, Pair, write_pairs
from talkbench.datasets.sets.demo.clips import CLIPS, VIDEOS, held_out

SEED = 2026
VIDEO = 8
"""Frames of each test stretch that are reconstructed."""


def draw_same_identity(count: int = 200) -> list[Pair]:
    """`count` different pairs, the videos taking turns, both frames uniform over the test frames of the clip and never
    one twice."""
    rng = np.random.default_rng(SEED)
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        frames = _test_frames(VIDEOS[len(pairs) % len(VIDEOS)])
        source, driving = rng.choice(len(frames), size=2, replace=False).tolist()
        pairs[Pair(frames[source], frames[driving])] = None
    return list(pairs)


def draw_cross_identity(count: int = 104) -> list[Pair]:
    """`count` different pairs. All clips take turns as the source, and the videos as the driver, where that is the
    source the next of them; both frames are uniform over the test frames of their clips."""
    rng = np.random.default_rng(SEED)
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        source, turn = list(CLIPS)[len(pairs) % len(CLIPS)], len(pairs) % len(VIDEOS)
        driver = VIDEOS[turn] if VIDEOS[turn] != source else VIDEOS[(turn + 1) % len(VIDEOS)]
        frames = [_test_frames(name) for name in (source, driver)]
        pairs[Pair(*(choices[rng.integers(len(choices))] for choices in frames))] = None
    return list(pairs)


def reconstruction() -> list[Pair]:
    """Of each test stretch `VIDEO` frames, the first of them the source of all, itself included. First comes a stretch
    of every video, then the next of each that has one."""
    rounds = zip_longest(*([(name, stretch) for stretch in held_out(name)] for name in VIDEOS))
    return [
        Pair(Frame(name, stretch.start), Frame(name, index))
        for turn in rounds
        for name, stretch in filter(None, turn)
        for index in stretch[:VIDEO]
    ]


def _test_frames(name: str) -> list[Frame]:
    return [Frame(name, index) for stretch in held_out(name) for index in stretch]


LISTS = {
    "same-identity": draw_same_identity,
    "cross-identity": draw_cross_identity,
    "reconstruction": reconstruction,
}


def write_lists(folder: Path) -> None:
    """Draw all lists and write ``<task>.csv``; those in the repository were made so."""
    for task, draw in LISTS.items():
        write_pairs(folder / f"{task}.csv", draw())
