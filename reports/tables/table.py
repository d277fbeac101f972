"""A table as data, before it becomes Markdown, LaTeX, CSV, HTML or text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SYMBOLS = "†‡§¶‖"
LETTERS = "abcdefghijklmnopqrstuvwxyz"

SYSTEMS = ("published", "measured")
"""The kinds of lines whose label names a system; those of other kinds belong to the line of a system above."""

CONTRADICTIONS = "What is known to be wrong or unclear in the papers"


@dataclass(frozen=True)
class Cell:
    """A printed value; `best`: set in bold, `second`: underlined; `marks`: each explained in the table's notes."""

    text: str
    best: bool = False
    marks: tuple[str, ...] = ()
    second: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a system, a cell per column.

    Attributes:
        label: names the system, or what the line holds where it belongs to the one above (``difference``).
        marks: of the label.
        kind: one of `SYSTEMS`, or ``95 % interval``, ``pairs/clusters``, ``coverage``, ``difference``,
            ``person NAME`` (a table for a program prints it in place of the label).
        indent: 0 for a system, more for what belongs to it.
    """

    label: str
    cells: tuple[Cell, ...]
    marks: tuple[str, ...] = ()
    kind: str = "measured"
    indent: int = 0


@dataclass(frozen=True)
class TableBlock:
    """Lines under a common heading."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: heads the cells.
        groups: headings above the columns, each with the number of columns it spans; empty: there are none.
        corner: heads the labels of the lines.
        notes: explains each mark.
        remarks: hold for all of it.
        contradictions: what is known to be wrong with the published numbers.
    """

    title: str
    columns: tuple[str, ...]
    blocks: tuple[TableBlock, ...]
    notes: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    corner: str = "System"


class Notes:
    """Gives every distinct text a mark, in order of first use: ``† ‡ ... †† ‡‡`` or ``a b ... aa bb``."""

    def __init__(self, marks: Sequence[str]) -> None:
        self._marks = marks
        self._texts: list[str] = []

    def mark(self, text: str) -> str:
        """The mark that stands for `text`."""
        if text not in self._texts:
            self._texts.append(text)
        return self._name(self._texts.index(text))

    def listed(self) -> tuple[tuple[str, str], ...]:
        """All marks given out, each with its text."""
        return tuple((self._name(number), text) for number, text in enumerate(self._texts))

    def _name(self, number: int) -> str:
        return self._marks[number % len(self._marks)] * (number // len(self._marks) + 1)
