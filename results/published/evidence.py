"""What is known of the printed numbers beside their digits, and what each such statement rests on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from talkbench.core.cards import Card, read_card

NOTES = Path(__file__).with_name("notes.yaml")

Basis = Literal["printed", "computed", "inferred"]

BASES: dict[Basis, str] = {
    "printed": "it can be read in a publication, a released list or released code",
    "computed": "it follows from printed numbers by arithmetic",
    "inferred": "a reading of what is printed, which may be wrong",
}
"""What the word beside a note means."""


class Evidence(Card):
    """A statement and what it rests on."""

    what: str = Field(min_length=1)
    basis: Basis


class CopiedCell(Card):
    """A cell that holds a number of another row or column.

    Attributes:
        table: as in ``paper 1a``.
        system, metric: as ``system_key`` and ``metric`` of ``tables.csv``.
        holds: what the number is.
        source: what the source of the cell prints in its place, in the unit of the column.
    """

    table: str
    system: str
    metric: str
    holds: str
    source: str

    def __str__(self) -> str:
        return f"a copy error: this is {self.holds}, and the source prints {self.source}"


class Note(Evidence):
    """Something that is wrong or unclear in the papers.

    Attributes:
        where: the place in the papers.
        effect: what follows for a reader of the numbers.
        copied: the cells that hold a number of another place.
    """

    where: str
    effect: str = ""
    copied: tuple[CopiedCell, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, [f"{self.where} ({self.basis}): {self.what}", self.effect]))


class PublishedNotes(Card):
    """``notes.yaml``.

    Attributes:
        columns: what the columns of ``tables.csv`` hold.
        counts: of its rows.
        systems: the methods' own names, by ``system_key``.
        origins: why each provenance is taken to be so.
        notes: what is wrong or unclear, by its key (``n1``).
    """

    columns: dict[str, str]
    counts: dict[str, int]
    systems: dict[str, str]
    origins: dict[str, Evidence]
    notes: dict[str, Note]


def read_notes(path: Path) -> PublishedNotes:
    """The notes in a YAML file.

    Raises:
        TalkbenchError: it cannot be read, or a note does not fit, as one that does not say what it rests on.
    """
    return read_card(PublishedNotes, path)


@cache
def notes() -> PublishedNotes:
    """The notes on the papers' numbers."""
    return read_notes(NOTES)
