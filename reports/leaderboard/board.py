"""What a leaderboard says, before it becomes a page: per data set and task, groups of lines that may be compared.

Measured and published numbers never stand in one group, nor do measurements of different tests. In a group, a cell that
may not be compared with its column carries a mark and has no rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from talkbench.core.dataset_cards import DatasetCard
from talkbench.reports.leaderboard.site import board_path, comparison_path
from talkbench.reports.runs import Cluster
from talkbench.results.entries import Entry

Clusters = Mapping[str, Cluster]

BARS = 20
"""Steps of the bar under a number."""

IN_VIEW = (4, 6, 8)
"""Metrics in view at first on a phone, on a tablet and on a wide screen."""


@dataclass(frozen=True)
class BoardColumn:
    """The numbers of one metric.

    Attributes:
        name: full id of the metric, or as a paper prints it.
        page: the metric whose page explains it; "" if there is none.
        ranked: whether its numbers order systems.
        note: why they do not, or what is uncertain about all of them.
        protocol: id that all unmarked cells share; "" for published numbers.
    """

    name: str
    direction: Literal["higher", "lower"]
    unit: str = "1"
    page: str = ""
    ranked: bool = True
    note: str = ""
    protocol: str = ""

    @property
    def family(self) -> str:
        return self.name.split("@", 1)[0]

    @property
    def title(self) -> str:
        """The family as printed: abbreviations in capitals."""
        return self.family.upper() if len(self.family) <= 6 else self.family

    @property
    def variant(self) -> str:
        return self.name.partition("@")[2]


@dataclass(frozen=True)
class BoardCell:
    """A number.

    Attributes:
        text: as printed.
        value: on the printed scale; None: there is none.
        interval: 95 % interval as printed.
        ends: that interval on the printed scale.
        compared: whether it may be compared with the others of its column.
        ranks: best and worst rank that the data allow, equal if the rank is certain; None: it is not ranked.
        best: whether it may be the best number of its column, and another one may not.
        leads: whether it is the best as printed of the numbers of its column that may be compared, ties included.
        marks: signs of why the number may not be compared, explained under the table.
        note: what a reader should know of the number.
        bar: from 0, the worst comparable number of the column, to `BARS`, the best.
    """

    text: str = "–"
    value: float | None = None
    interval: str = ""
    ends: tuple[float, float] | None = None
    compared: bool = False
    ranks: tuple[int, int] | None = None
    best: bool = False
    leads: bool = False
    marks: str = ""
    note: str = ""
    bar: int | None = None


@dataclass(frozen=True)
class BoardLine:
    """A system.

    Attributes:
        marks: sign of a note on the label, explained under the table.
        key: name of the entry; "" for published lines.
        pictures: whether the entry has pictures for the comparison page.
        method: the method whose page the line links to.
        yardstick: whether it sees the true image; it is printed for scale and never ranked.
        baseline: whether it does nothing; it is printed for scale, and ranked, but never called the best.
        numerics: the arithmetic of the method where it is not plain float32; "" where it is.
        incomplete: how many of the pairs were done; "" for all.
        coverage: smallest share of the pairs that any number was taken over; None if that is not known.
        fps: frames per second on `device`.
        leakage: whether the weights may have been trained on what they are tested on; None: not known.
    """

    label: str
    cells: tuple[BoardCell, ...]
    marks: str = ""
    key: str = ""
    pictures: bool = False
    method: str = ""
    yardstick: bool = False
    baseline: bool = False
    numerics: str = ""
    incomplete: str = ""
    coverage: float | None = None
    fps: float | None = None
    device: str = ""
    parameters: int | None = None
    licence: str = ""
    year: int | None = None
    training_data: str = ""
    leakage: bool | None = None
    paper: str = ""
    code: str = ""
    note: str = ""


@dataclass(frozen=True)
class GapLine:
    """A system that the leader is compared with: by person the gap as printed, and whether the leader is behind."""

    label: str
    cells: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class GapTable:
    """How far the leader of a group is ahead of the others, for each of a few people.

    Attributes:
        role: of the people, as `Clustering.role`.
        leader: the label of its line.
        people: names, each with the number of its pairs.
    """

    role: str
    leader: str
    column: BoardColumn
    people: tuple[tuple[str, int], ...]
    lines: tuple[GapLine, ...]


@dataclass(frozen=True)
class Podium:
    """Who is ahead by the main column of a group, and who comes next; what does nothing is passed over.

    Attributes:
        rivals: those that may be the best as the leader may; the runner-up may be one of them.
        gap: between the two as printed, without a sign; "" without a runner-up.
    """

    column: BoardColumn
    leader: tuple[str, str]
    runner_up: tuple[str, str] | None
    rivals: int
    gap: str


@dataclass(frozen=True)
class BoardGroup:
    """Lines that one test made comparable.

    Attributes:
        facts: what the test was, in a few words each.
        legend: marks and what they stand for.
        remarks: sentences on the whole group.
        gaps: where too few people are tested for intervals.
    """

    kind: Literal["measured", "published"]
    title: str
    columns: tuple[BoardColumn, ...]
    lines: tuple[BoardLine, ...]
    facts: tuple[str, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    gaps: tuple[GapTable, ...] = ()

    @property
    def main(self) -> int | None:
        """The place of the column that the table is sorted by at first."""
        return main_column(self.lines, self.columns)

    @property
    def podium(self) -> Podium | None:
        """None if no system has a number in the main column that may be compared."""
        if self.main is None:
            return None
        numbers = [(line.label, line.cells[self.main]) for line in self.lines if not line.baseline]
        (label, first), *others = [number for number in numbers if number[1].compared] or [("", BoardCell())]
        if first.value is None:
            return None
        name, second = next((number for number in others if number[1].value is not None), ("", BoardCell()))
        decimals = len(first.text.split()[0].partition(".")[2])
        gap = "" if second.value is None else f"{abs(first.value - second.value):.{decimals}f}"
        leaders = (label, first.text), (name, second.text) if gap else None
        return Podium(self.columns[self.main], *leaders, sum(line.cells[self.main].best for line in self.lines), gap)

    @property
    def levels(self) -> tuple[int, ...]:
        """For each column from which screen on it is in view: 0 is a phone, `len(IN_VIEW)` none. First come columns in
        which systems may be compared, one of each family before its variants."""
        families = [column.family for column in self.columns]

        def place(number: int) -> tuple[bool, bool, int]:
            telling = sum(line.cells[number].compared for line in self.lines if not line.baseline) > 1
            return not telling, families[number] in families[:number], number

        order = sorted(range(len(self.columns)), key=place)
        return tuple(sum(order.index(number) >= count for count in IN_VIEW) for number in range(len(order)))

    @property
    def few(self) -> bool:
        """Whether too few people are tested for intervals and tests."""
        return bool(self.gaps)

    @property
    def separated(self) -> bool:
        """Whether there is a metric by which two of its systems can be told apart."""
        return any(cell.best for line in self.lines for cell in line.cells)


@dataclass(frozen=True)
class SharedPair:
    """A pair that several entries have pictures of: paths of files of the site.

    Attributes:
        metric: the systems differ by it more on this pair than on the other pairs with pictures; "" if none is known.
        outputs: generated frames, each with the label of its system.
    """

    pair: int
    source: str
    driving: str
    metric: str = ""
    outputs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Board:
    """A data set and task with all its numbers."""

    dataset: str
    task: str
    card: DatasetCard
    groups: tuple[BoardGroup, ...]
    entries: tuple[Entry, ...] = ()

    @property
    def path(self) -> str:
        return board_path(self.dataset, self.task)

    @property
    def comparison(self) -> str:
        return comparison_path(self.dataset, self.task)

    @property
    def title(self) -> str:
        return f"{self.card.title.split(',')[0] or self.dataset}, {self.task}"

    def of(self, kind: str) -> list[BoardGroup]:
        return [group for group in self.groups if group.kind == kind]


def main_column(lines: Sequence[BoardLine], columns: Sequence[BoardColumn]) -> int | None:
    """The place of the first column in which two systems that do something may be compared, else of the first that
    orders systems at all."""
    ranked = [number for number, column in enumerate(columns) if column.ranked]
    systems = [line for line in lines if not line.baseline]
    telling = (number for number in ranked if sum(line.cells[number].compared for line in systems) > 1)
    return next(telling, next(iter(ranked), None))


def ordered(lines: Sequence[BoardLine], columns: Sequence[BoardColumn]) -> tuple[BoardLine, ...]:
    """The lines from the best to the worst by the main column; those that may not be compared are last."""
    main = main_column(lines, columns)
    if main is None:
        return tuple(sorted(lines, key=lambda line: (line.label, line.key)))
    sign = -1 if columns[main].direction == "higher" else 1

    def place(line: BoardLine) -> tuple[object, ...]:
        cell = line.cells[main]
        return not cell.compared, cell.value is None, sign * (cell.value or 0.0), line.label, line.key

    return tuple(sorted(lines, key=place))


def compared(
    cells: Sequence[BoardCell], column: BoardColumn, baselines: Sequence[bool] | None = None
) -> list[BoardCell]:
    """The cells of a column with `best`, `leads` and `bar` set in those that may be compared.

    Args:
        baselines: of which cells the line is a baseline, which is never the best; None: of none.
    """
    values = [cell.value for cell in cells if cell.compared and cell.value is not None]
    if not values or not column.ranked:
        return list(cells)
    sort = max if column.direction == "higher" else min
    worst, best = (min(values), max(values)) if column.direction == "higher" else (max(values), min(values))
    separated = any(cell.ranks and cell.ranks[0] > 1 for cell in cells)
    baselines = baselines or [False] * len(cells)
    systems = [cell for cell, baseline in zip(cells, baselines, strict=True) if cell.compared and not baseline]
    top = sort((cell.value for cell in systems if cell.value is not None), default=None)
    texts = {cell.text for cell in systems if cell.value is not None and cell.value == top}

    def finished(cell: BoardCell, baseline: bool) -> BoardCell:
        if not cell.compared or cell.value is None:
            return cell
        good = (cell.value - worst) / (best - worst) if best != worst else 1.0
        first = separated and not baseline and cell.ranks is not None and cell.ranks[0] == 1
        return replace(cell, best=first, leads=not baseline and cell.text in texts, bar=round(BARS * good))

    return [finished(cell, baseline) for cell, baseline in zip(cells, baselines, strict=True)]
