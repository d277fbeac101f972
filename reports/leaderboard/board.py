"""What a leaderboard says, before it becomes a page: per data set and task, groups of lines that may be compared.

Measured and published numbers never stand in one group, nor do measurements of different tests. In a group, a cell that
may not be compared with its column carries a mark and has no rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from talkbench.core.cards import DatasetCard
from talkbench.reports.leaderboard.site import board_path, comparison_path
from talkbench.reports.runs import Cluster
from talkbench.results.entries import Entry

Clusters = Mapping[str, Cluster]

BARS = 20
"""Steps of the bar under a number."""


@dataclass(frozen=True)
class BoardColumn:
    """The numbers of one metric.

    Attributes:
        name: full id of the metric, or as a paper prints it.
        page: the metric whose page explains it; "" if there is none.
        ranked: whether its numbers order systems.
        note: why not, or what is uncertain about all of them.
        protocol: id that all unmarked cells share; "" for published ones.
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
        ranks: best and worst rank that the data allow; equal ends: the rank itself. None: there is none.
        best: nothing in the column is known to be better, while something is known to be worse.
        leads: the best in print of those that may be compared, ties included.
        marks: signs, explained under the table, that keep the number from being compared.
        note: what a reader should know of it.
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
        key: name of the entry; "" for published ones.
        pictures: whether the entry has any, to be compared.
        method: whose page it links to.
        yardstick: shown and never ranked.
        incomplete: "" or how many of the pairs were done.
        coverage: least share of the pairs that a number was taken over; None where that is not known.
        fps: frames per second on `device`.
        leakage: whether the weights may have been trained on what they are tested on; None: not known.
    """

    label: str
    cells: tuple[BoardCell, ...]
    key: str = ""
    pictures: bool = False
    method: str = ""
    yardstick: bool = False
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
class BoardGroup:
    """Lines that one test made comparable.

    Attributes:
        facts: what the test was, in a few words each.
        legend: marks and what they stand for.
        remarks: what holds for all of it.
    """

    kind: Literal["measured", "published"]
    title: str
    columns: tuple[BoardColumn, ...]
    lines: tuple[BoardLine, ...]
    facts: tuple[str, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def main(self) -> int | None:
        """The place of the first column that orders systems, which the table is sorted by at first."""
        return next((number for number, column in enumerate(self.columns) if column.ranked), None)

    @property
    def leaders(self) -> list[BoardLine]:
        """The lines that nothing is known to be better than by the first column that orders them; if a test tells none
        of them apart, the best in print."""
        if self.main is None:
            return []
        best = [line for line in self.lines if line.cells[self.main].best]
        return best or [line for line in self.lines if line.cells[self.main].leads]

    @property
    def separated(self) -> bool:
        """Whether any two of its systems are told apart by any metric."""
        return any(cell.best for line in self.lines for cell in line.cells)


@dataclass(frozen=True)
class SharedPair:
    """A pair that several entries have pictures of: paths of files of the site.

    Attributes:
        metric: by which the systems differ on it more than on the others that they have pictures of; "" if unknown.
        outputs: each with its label.
    """

    pair: int
    source: str
    driving: str
    metric: str = ""
    outputs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Board:
    """A data set and task with all that is known of it."""

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


def ordered(lines: Sequence[BoardLine], columns: Sequence[BoardColumn]) -> tuple[BoardLine, ...]:
    """The lines from the best to the worst by the first column that orders systems; those that may not be compared
    are last."""
    main = next((number for number, column in enumerate(columns) if column.ranked), None)
    if main is None:
        return tuple(sorted(lines, key=lambda line: (line.label, line.key)))
    sign = -1 if columns[main].direction == "higher" else 1

    def place(line: BoardLine) -> tuple[object, ...]:
        cell = line.cells[main]
        return not cell.compared, cell.value is None, sign * (cell.value or 0.0), line.label, line.key

    return tuple(sorted(lines, key=place))


def compared(cells: Sequence[BoardCell], column: BoardColumn) -> list[BoardCell]:
    """The cells of a column with what follows from those that may be compared: `best`, `leads` and `bar`."""
    values = [cell.value for cell in cells if cell.compared and cell.value is not None]
    if not values or not column.ranked:
        return list(cells)
    worst, best = (min(values), max(values)) if column.direction == "higher" else (max(values), min(values))
    worse = any(cell.ranks and cell.ranks[0] > 1 for cell in cells)
    texts = {cell.text for cell in cells if cell.compared and cell.value == best}

    def finished(cell: BoardCell) -> BoardCell:
        if not cell.compared or cell.value is None:
            return cell
        good = (cell.value - worst) / (best - worst) if best != worst else 1.0
        first = worse and cell.ranks is not None and cell.ranks[0] == 1
        return replace(cell, best=first, leads=cell.text in texts, bar=round(BARS * good))

    return [finished(cell) for cell in cells]
