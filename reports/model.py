"""A table as data, before it becomes Markdown, LaTeX, CSV, HTML or a terminal's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SYMBOLS = "†‡§¶‖"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Cell:
    """A printed value; `best`: set in bold; `marks`: each explained in the table's notes."""

    text: str
    best: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One system: its label and a cell per column."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Block:
    """Lines under a common heading."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """A table; `columns` heads the cells, `notes` explains each mark, `remarks` hold for all of it."""

    title: str
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


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
