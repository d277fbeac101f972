"""The numbers printed in the MCNet paper (ICCV 2023) and its supplement, as data.

``tables.csv`` holds every cell with its provenance, ``extra_precision.csv`` further digits from the authors' plotting
code, ``notes.yaml`` explains the columns and lists the contradictions in them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from talkbench.core.errors import TalkbenchError


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
def notes() -> dict[str, Any]:
    """``notes.yaml``: the meaning of the columns, the evidence for provenance, the contradictions."""
    import yaml

    content: dict[str, Any] = yaml.safe_load((files(__name__) / "notes.yaml").read_text(encoding="utf-8"))
    return content


def _csv(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((files(__name__) / name).read_text(encoding="utf-8").splitlines()))
