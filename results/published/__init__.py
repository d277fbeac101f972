"""The numbers printed in the MCNet paper (ICCV 2023) and its supplement, as data.

``tables.csv`` holds every cell with its provenance, ``extra_precision.csv`` further digits from the authors' plotting
code, ``notes.yaml`` explains the columns, says where their numbers are from, and lists the contradictions in them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from talkbench.core.errors import TalkbenchError
from talkbench.results.published.evidence import BASES as BASES
from talkbench.results.published.evidence import notes as notes


@dataclass(frozen=True)
class PublishedCell:
    """One printed number; ``notes.yaml`` explains the fields. `value` keeps the printed digits, empty for a dash."""

    document: str
    table: str
    system: str
    system_key: str
    variant: str
    dataset: str
    task: str
    metric: str
    value: str
    unit: str
    direction: str
    decimals: str
    status: str
    bold: str
    provenance: str

    @property
    def name(self) -> str:
        """The system's own name, with its variant: ``TPSM``, ``MCNet, pe10``; the paper may print another."""
        own = notes().systems.get(self.system_key, self.system_key)
        return own if self.variant in ("", "full") else f"{own}, {self.variant}"

    @property
    def copied(self) -> str:
        """What the notes say of the cell if it holds a number of another place, else ""."""
        return _copied().get((f"{self.document} {self.table}", self.system_key, self.variant, self.metric), "")

    @property
    def comparable(self) -> bool:
        """Whether it is a number that the authors of the table measured themselves, all in the same way."""
        return bool(self.value) and self.provenance in ("own", "remeasured") and not self.copied


@cache
def cells() -> tuple[PublishedCell, ...]:
    """All cells of all tables, in the order of the file."""
    return tuple(PublishedCell(**row) for row in _csv("tables.csv"))


def table(document: str, table: str) -> list[PublishedCell]:
    """The cells of one table, as in ``table("paper", "1a")`` or ``table("supplement", "3")``.

    Raises:
        TalkbenchError: there is no such table.
    """
    printed = [cell for cell in cells() if (cell.document, cell.table) == (document, table)]
    if not printed:
        tables = ", ".join(sorted({f"{cell.document} {cell.table}" for cell in cells()}))
        raise TalkbenchError(f"no published table {document} {table}; choose one of {tables}")
    return printed


def extra_precision() -> list[dict[str, str]]:
    """The rows of ``extra_precision.csv``."""
    return _csv("extra_precision.csv")


@cache
def _copied() -> dict[tuple[str, str, str, str], str]:
    """What the notes say of the cells that hold a number of another place."""
    return {
        (cell.table, cell.system, "", cell.metric): f"{cell} ({note.basis})"
        for note in notes().notes.values()
        for cell in note.copied
    }


def _csv(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((files(__name__) / name).read_text(encoding="utf-8").splitlines()))
