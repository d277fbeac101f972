"""The demo's stretches of time, and how its pair lists were drawn."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from talkbench.datasets.pairs import Frame, Pair, write_pairs

SEED = 2023
FRAMES = {"wolfgang-langer": 472, "single-face": 72}

# First frames of the stretches kept for testing, their length, and the unused frames on each side
# that part them from training. wolfgang-langer 112-131 has the hand before the face, 424-443 a tilted head.
TEST_STARTS = {"wolfgang-langer": (24, 112, 216, 320, 424), "single-face": (8, 44)}
TEST_LENGTH = {"wolfgang-langer": 20, "single-face": 8}
GAP = {"wolfgang-langer": 6, "single-face": 3}


def held_out(clip: str) -> list[range]:
    """The frames of each test stretch of `clip`."""
    return [range(start, start + TEST_LENGTH[clip]) for start in TEST_STARTS[clip]]


@cache
def training_frames(clip: str) -> tuple[int, ...]:
    """The frames of `clip` that training may use: all that are further than `GAP` from a test frame."""
    gap, tests = GAP[clip], held_out(clip)
    return tuple(
        index
        for index in range(FRAMES[clip])
        if all(index < test.start - gap or index >= test.stop + gap for test in tests)
    )


def draw_same_identity(count: int = 200) -> list[Pair]:
    """`count` different pairs: the source uniform over the test frames of both clips (so each clip
    has its share), the driving frame uniform over the others of its clip."""
    rng = np.random.default_rng(SEED)
    frames = [frame for clip in FRAMES for frame in _test_frames(clip)]
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        source = frames[rng.integers(len(frames))]
        others = [frame for frame in _test_frames(source.clip) if frame != source]
        pairs[Pair(source, others[rng.integers(len(others))])] = None
    return list(pairs)


def draw_cross_identity(count: int = 100) -> list[Pair]:
    """`count` different pairs, the two clips taking turns as the source, both frames uniform over
    the test frames of their clips."""
    rng = np.random.default_rng(SEED)
    first, second = (_test_frames(clip) for clip in FRAMES)
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        sources, drivers = (first, second) if len(pairs) % 2 == 0 else (second, first)
        pairs[Pair(sources[rng.integers(len(sources))], drivers[rng.integers(len(drivers))])] = None
    return list(pairs)


def reconstruction() -> list[Pair]:
    """In each test stretch the first frame is the source of all frames, itself included."""
    return [
        Pair(Frame(clip, stretch.start), Frame(clip, index))
        for clip in FRAMES
        for stretch in held_out(clip)
        for index in stretch
    ]


def _test_frames(clip: str) -> list[Frame]:
    return [Frame(clip, index) for stretch in held_out(clip) for index in stretch]


LISTS = {
    "same-identity": draw_same_identity,
    "cross-identity": draw_cross_identity,
    "reconstruction": reconstruction,
}


def write_lists(folder: Path) -> None:
    """Draw all lists and write ``<task>.csv``; those in the repository were made so."""
    for task, draw in LISTS.items():
        write_pairs(folder / f"{task}.csv", draw())
