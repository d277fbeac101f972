"""The papers' numbers by lines: all that one table prints of one system on one task of a data set.

The lines are derived from ``tables.csv``; nothing is stored twice. They are never ranked with measured numbers, because
hardly any paper says exactly how its numbers were made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from talkbench.results.published import PublishedCell, cells


@dataclass(frozen=True)
class PublishedLine:
    """A line of a published table.

    Attributes:
        document, table: where it is printed (``paper``, ``1a``).
        label: the system as printed, misprints included.
        method: key of the system, the same in all tables.
        variant: of the ablation or the modified model; "" for the plain system.
        cells: one per metric, dashes included; each has its provenance.
    """

    document: str
    table: str
    label: str
    method: str
    variant: str
    dataset: str
    task: str
    cells: tuple[PublishedCell, ...]
    provenance: str = "published"

    @property
    def name(self) -> str:
        """A name that no other line has, as entries have: ``published-paper-1a--fomm--voxceleb1--same-identity``."""
        parts = (f"published-{self.document}-{self.table}", self.method, self.variant, self.dataset, self.task)
        return "--".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") for part in parts if part)

    def cell(self, metric: str) -> PublishedCell | None:
        """The cell of `metric` as the table heads it (``AKD``); None if the table does not have it."""
        return next((cell for cell in self.cells if cell.metric == metric), None)


@cache
def published_lines() -> tuple[PublishedLine, ...]:
    """All lines of all tables, in the order of the tables."""
    lines: dict[tuple[str, ...], list[PublishedCell]] = {}
    for cell in cells():
        place = (cell.document, cell.table, cell.system, cell.variant, cell.dataset, cell.task)
        lines.setdefault(place, []).append(cell)
    return tuple(_line(tuple(line)) for line in lines.values())


def _line(line: tuple[PublishedCell, ...]) -> PublishedLine:
    first = line[0]
    return PublishedLine(
        document=first.document,
        table=first.table,
        label=first.system,
        method=first.system_key,
        variant=first.variant,
        dataset=first.dataset,
        task=first.task,
        cells=line,
    )
