"""Gaps between systems where too few people are tested for an interval, and systems that are like doing nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from talkbench.reports.leaderboard.board import BoardColumn, BoardLine, GapLine, GapTable
from talkbench.reports.runs import Run
from talkbench.reports.statistics.paired import PersonDifference, compare, people_are_few
from talkbench.reports.tables.comparison import signed
from talkbench.results import MetricSpec

COPY = "copy-source"
"""The yardstick that does nothing."""

STILL = 0.75
"""Of the error of copying the source, the share from which on a system is said to be hardly better."""

Gaps = tuple[BoardLine, MetricSpec, Sequence[PersonDifference]]
"""A line, the metric, and by how much the leader differs from the line for each person."""


def gap_tables(
    lines: Sequence[BoardLine], columns: Sequence[BoardColumn], main: int, runs: Mapping[str, Run]
) -> tuple[GapTable, ...]:
    """For each role of which too few people are tested: how far the leader is ahead of every other system, by person.

    Args:
        lines: of a group, from the best to the worst by the column `main`.
        runs: by the key of their line.
    """
    rivals = [line for line in lines if line.cells[main].compared and line.cells[main].value is not None]
    leader = next((line for line in rivals if not line.baseline), None)
    if leader is None:
        return ()
    gaps: dict[str, list[Gaps]] = {}
    for line in rivals:
        if line is leader:
            continue
        if not people_are_few(runs[leader.key], runs[line.key], columns[main].name):
            continue
        (paired,) = compare(runs[leader.key], runs[line.key], [columns[main].name])
        for role in dict.fromkeys(person.role for person in paired.people):
            people = [person for person in paired.people if person.role == role]
            gaps.setdefault(role, []).append((line, paired.spec, people))
    return tuple(_table(role, leader, columns[main], of_role) for role, of_role in gaps.items())


def _table(role: str, leader: BoardLine, column: BoardColumn, gaps: Sequence[Gaps]) -> GapTable:
    people = {person.name: person.pairs for _, _, of_line in gaps for person in of_line}
    lines = []
    for line, spec, of_line in gaps:
        sign = 1 if spec.direction == "higher" else -1
        ahead = {person.name: sign * person.difference for person in of_line}
        texts = {name: (signed(gap, spec), gap < 0) for name, gap in ahead.items()}
        cells = tuple(texts.get(name, ("–", False)) for name in people)
        lines.append(GapLine(line.label, cells))
    return GapTable(role, leader.label, column, tuple(people.items()), tuple(lines))


def stillness(lines: Sequence[BoardLine], column: BoardColumn, main: int, spec: MetricSpec) -> tuple[str, ...]:
    """A sentence on each system whose frames are hardly closer to the driving ones than the source is.

    Args:
        spec: of the column's metric, which says something of motion only if it compares with the driving frame.
    """
    cells = {line.label: line.cells[main] for line in lines if line.cells[main].compared}
    copy = next((line for line in lines if line.method == COPY and line.label in cells), None)
    scale = copy and cells[copy.label].value
    if not scale or spec.direction == "higher" or spec.target != "driving":
        return ()
    shares = {line.label: (cells[line.label].value or 0.0) / scale for line in lines if line.label in cells}
    return tuple(
        f"{line.label} is {'no' if shares[line.label] >= 1 else 'hardly'} closer to the driving frames than the source "
        f"itself is: its {column.title} is {shares[line.label]:.2f} times that of {COPY}."
        for line in lines
        if not line.baseline and shares.get(line.label, 0.0) > STILL
    )
