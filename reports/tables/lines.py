"""The lines of a table: published numbers, measured numbers, and the differences between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from talkbench.reports.numbers import format_interval, share
from talkbench.reports.runs import Run
from talkbench.reports.statistics.clusterings import format_counts
from talkbench.reports.statistics.intervals import count_clusters, interval
from talkbench.reports.statistics.two_way import UNLIMITED
from talkbench.reports.tables.layout import LayoutRow
from talkbench.reports.tables.measured_cells import MeasuredCell
from talkbench.reports.tables.table import LETTERS, SYMBOLS, Cell, Line, Notes
from talkbench.results import published
from talkbench.results.published import PublishedCell


@dataclass
class MeasuredLine:
    """A line of measured numbers.

    Attributes:
        runs: per group of columns, the run that its numbers are from.
        cells: per column, the number.
        label: what the line is called.
    """

    runs: tuple[Run | None, ...]
    cells: tuple[MeasuredCell | None, ...] = ()
    label: str = ""


def label_lines(lines: Sequence[MeasuredLine]) -> None:
    """Set what neighbouring lines are called; runs of one name are told apart by their ids."""
    of_lines = [[run for run in line.runs if run] for line in lines]
    methods = [runs[0].record.method.name for runs in of_lines]
    for line, method, runs in zip(lines, methods, of_lines, strict=True):
        ids = f", run {' and '.join(run.record.run_id for run in runs)}" if Counter(methods)[method] > 1 else ""
        line.label = f"{method}{ids} ({'; '.join(dict.fromkeys(map(_sample, runs)))})"


def _sample(run: Run) -> str:
    """``n = 200``, with what a reader must know about the row."""
    total, done = run.record.dataset.pairs, run.summary.pairs
    count = f"n = {total}" if done == total else f"incomplete, n = {done} of {total}"
    if run.record.method.numerics:
        count += f", {run.record.method.numerics}"
    if run.record.method.frames:
        count += ", its own program" if run.record.method.frames.program else ", frames given"
    return count if run.record.method.ranked else f"{count}, not ranked"


_MEASURED_BY = {
    "own": "cells without a letter: a model of the paper's authors, measured by them",
    "remeasured": "cells without a letter: another group's model, measured by the paper's authors",
}


class LineWriter:
    """Writes the lines of one table and collects the notes that their marks stand for: letters say where published
    numbers are from, symbols what a reader must know of measured ones.

    Args:
        intervals: below measured numbers, with their intervals, numbers of pairs and clusters, and coverage.
    """

    def __init__(self, intervals: bool) -> None:
        self._intervals = intervals
        self._letters, self._symbols = Notes(LETTERS), Notes(SYMBOLS)

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """The marks that were given out, each with its text."""
        return self._letters.listed() + self._symbols.listed()

    def published(self, row: LayoutRow, printed: Sequence[PublishedCell | None]) -> Line:
        """What the paper prints of a system, under the system's own name."""
        reported = [cell for cell in printed if cell]
        origins = dict.fromkeys(cell.provenance for cell in reported if cell.provenance in _MEASURED_BY)
        cells = tuple(
            Cell(cell.value or "–", best=cell.bold == "yes" and not cell.copied, marks=self._provenance(cell))
            if cell
            else Cell("")
            for cell in printed
        )
        label = row.label or reported[0].name
        others = dict.fromkeys(cell.system for cell in reported if cell.system != label)
        marks = [self._letters.mark(f"{_MEASURED_BY[origin]} ({_basis(origin)})") for origin in origins]
        marks += [self._letters.mark(f'printed as "{name}"') for name in others]
        return Line(label, cells, tuple(marks), "published")

    def measured(self, line: MeasuredLine, indent: int = 0, system: str = "") -> list[Line]:
        """A line of measured numbers, with the lines on their certainty below it if `intervals` is set.

        Args:
            system: named before the label.
        """
        cells = tuple(
            Cell(cell.text, cell.best, tuple(map(self._symbols.mark, cell.notes)), cell.second) if cell else Cell("")
            for cell in line.cells
        )
        lines = [Line(f"{system}: {line.label}" if system else line.label, cells, indent=indent)]
        if self._intervals:
            kinds = ("95 % interval", "pairs/clusters", "coverage")
            columns = [_certainty(cell) for cell in line.cells]
            lines += [
                Line(kind, tuple(Cell(text) for text in texts), kind=kind, indent=indent + 1)
                for kind, texts in zip(kinds, zip(*columns, strict=True), strict=True)
            ]
        return lines

    def difference(self, line: MeasuredLine, printed: Sequence[PublishedCell | None]) -> Line:
        """Measured minus published."""
        cells = tuple(map(self._difference, line.cells, printed))
        return Line("difference", cells, kind="difference", indent=2)

    def _difference(self, measured: MeasuredCell | None, printed: PublishedCell | None) -> Cell:
        """The difference of two numbers of one protocol, as far as is known; else ``n/a`` with notes that say why."""
        if measured is None or printed is None or not printed.value or measured.spec is None:
            return Cell("")
        if measured.result is None or measured.result.mean is None:
            return Cell("n/a")
        marks = self._provenance(printed)
        if measured.departures or printed.provenance.startswith("carried:") or printed.copied:
            return Cell("n/a", marks=marks + tuple(map(self._symbols.mark, measured.departures)))
        value = measured.result.mean * measured.spec.scale - float(printed.value)
        return Cell(f"{value:+z.{measured.spec.decimals}f}".replace("-", "−"), marks=marks)

    def _provenance(self, cell: PublishedCell) -> tuple[str, ...]:
        """The marks of a number that the paper's authors did not measure, may not have, or took from another place."""
        texts = []
        if cell.provenance.startswith("carried:"):
            key = cell.provenance.removeprefix("carried:")
            source = f"the {published.notes().systems.get(key, key)} paper"
            texts.append(f"carried over by the authors from {source}, which measured in its own way")
        elif cell.provenance == "uncertain":
            texts.append("whether the authors measured it is not known")
        marks = [self._letters.mark(f"{text} ({_basis(cell.provenance)})") for text in texts]
        if cell.copied:
            marks.append(self._letters.mark(cell.copied))
        return tuple(marks)


def _basis(provenance: str) -> str:
    """What the statement on where a printed number is from rests on, in one word."""
    return published.notes().origins[provenance].basis


def _certainty(cell: MeasuredCell | None) -> tuple[str, str, str]:
    """The interval of a measured mean, its numbers of pairs and clusters, and the coverage."""
    if cell is None or cell.spec is None or cell.result is None or cell.run.rows is None:
        return "", "", ""
    of_mean = cell.run.rows, cell.spec, cell.run.record.missing_faces, cell.run.cluster
    bounds = interval(*of_mean, cell.run.ranges.get(cell.spec.name, UNLIMITED))
    text = format_interval(bounds.low, bounds.high, cell.spec) if bounds else "n/a"
    return text, f"{cell.result.pairs}/{format_counts(count_clusters(*of_mean))}", share(cell.result.coverage)
