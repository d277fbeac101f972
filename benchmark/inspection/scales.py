"""Which maps of a picture share a colour scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from talkbench.reports.pages.inspection import Ends

ALIKE = 3
"""Rows of maps share a scale that is at most so many times as wide as each of them needs."""
OWN = 10
"""A map whose range is so many times smaller than that of its row has a scale of its own."""
EVEN = 0.01
"""A map whose range is a smaller share of its largest value is even: there is nothing to see in it."""


@dataclass(frozen=True)
class Scale:
    """A colour scale.

    Attributes:
        ends: the values at its two ends.
        own: whether it is that of a single map in a row of others.
        letter: that names it where there are several.
    """

    ends: Ends
    own: bool = False
    letter: str = ""

    @property
    def sign(self) -> str:
        """What stands before the range of a map."""
        return "own" if self.own else self.letter


def share_scales(rows: Sequence[Sequence[np.ndarray]], scaling: str, letters: Iterator[str]) -> list[list[Scale]]:
    """The colour scale of each map in some rows of maps of one kind.

    Args:
        scaling: ``each``: its own range; ``shared``: the range of all; ``alike``: the maps of a row share a scale, but
            for those whose range is `OWN` times smaller, in which nothing would be seen; and rows share one where that
            is at most `ALIKE` times as wide as each needs.
        letters: for the scales, if there are several.
    """
    ranges = [[_range(values) for values in row] for row in rows]
    if scaling == "each":
        return [[Scale(ends) for ends in row] for row in ranges]
    joint = [_joint(row) for row in ranges]
    groups = _groups(joint) if scaling == "alike" else [[*range(len(rows))]]
    shared: dict[int, Scale] = {}
    for group in groups:
        uneven = [joint[number] for number in group if not _is_even(joint[number])]
        low, high = _joint(uneven or [joint[number] for number in group])
        low = min(low, high - EVEN * abs(high))  # or noise would fill the colours
        scale = Scale((low, high), letter=next(letters) if len(groups) > 1 else "")
        shared |= dict.fromkeys(group, scale)
    return [
        [
            Scale(ends, own=True) if scaling == "alike" and _is_small(ends, joint[number]) else shared[number]
            for ends in row
        ]
        for number, row in enumerate(ranges)
    ]


def _groups(joint: Sequence[Ends]) -> list[list[int]]:
    """The numbers of the rows that share a scale, the widest first."""
    groups: list[list[int]] = []
    for number in sorted(range(len(joint)), key=lambda number: -_width(joint[number])):
        if groups and _is_even(joint[number]):
            groups[-1].append(number)
            continue
        for group in groups:
            whole = _joint([joint[member] for member in (*group, number)])
            if _width(whole) <= ALIKE * _width(joint[number]):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _is_small(ends: Ends, row: Ends) -> bool:
    return not _is_even(ends) and _width(ends) < _width(row) / OWN


def _is_even(ends: Ends) -> bool:
    return _width(ends) <= EVEN * abs(ends[1])


def _range(values: np.ndarray) -> Ends:
    finite = values[np.isfinite(values)]  # weights that hold NaN are looked at as well
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _joint(ranges: Sequence[Ends]) -> Ends:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _width(ends: Ends) -> float:
    return ends[1] - ends[0]
