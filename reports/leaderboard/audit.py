"""The audit page: what is contradictory in the published tables, and which of their numbers can be measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from talkbench.core.cards import MethodCard
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import Clusters
from talkbench.reports.leaderboard.site import Site
from talkbench.reports.numbers import coverage
from talkbench.reports.runs import Run, by_clip
from talkbench.reports.statistics.intervals import interval
from talkbench.reports.statistics.two_way import UNLIMITED
from talkbench.reports.tables.layout import Layout, LayoutColumn, LayoutGroup, LayoutRow, keys, load_layout, names
from talkbench.reports.tables.measured_cells import column_cell
from talkbench.reports.tables.table import LETTERS, Notes
from talkbench.results.entries import Entry
from talkbench.results.published import BASES, PublishedCell, notes

VERDICTS = {
    "yes": ("●", "can be measured again: pairs, weights and way of measuring are public"),
    "partly": ("◐", "can be measured again, except for something unknown that a letter names"),
    "no": ("○", "cannot be measured again here: something is not public, or the number is of another test"),
}


@dataclass(frozen=True)
class Remeasurement:
    """A measured number beside a printed one.

    Attributes:
        difference: measured minus printed; "" where the two are of different tests.
        agrees: whether the printed number, give or take a unit of its last digit, lies in the 95 % interval of the
            measured one, or equals it where there is no interval; None where the two are of different tests.
        reasons: how the tests differ, and how many pairs were lost.
    """

    entry: Entry
    text: str
    difference: str = ""
    agrees: bool | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditedCell:
    """A printed number: whether it can be measured again, the letters of what prevents that, and measured numbers."""

    cell: PublishedCell
    verdict: str
    marks: tuple[str, ...]
    measured: tuple[Remeasurement, ...] = ()

    @property
    def sign(self) -> str:
        return VERDICTS[self.verdict][0]


@dataclass
class AuditTable:
    """A table of the papers; `lines`: the system's name, its marks and, per column, the number if one is printed."""

    key: str
    layout: Layout
    columns: list[tuple[LayoutGroup, LayoutColumn]]
    lines: list[tuple[str, tuple[str, ...], list[AuditedCell | None]]] = field(default_factory=list)
    reasons: tuple[tuple[str, str], ...] = ()

    @property
    def numbers(self) -> list[AuditedCell]:
        return [cell for _, _, line in self.lines for cell in line if cell]

    def count(self, verdict: str) -> int:
        return sum(cell.verdict == verdict for cell in self.numbers)

    @property
    def compared(self) -> list[Remeasurement]:
        """The measurements that are of the printed test."""
        return [measurement for cell in self.numbers for measurement in cell.measured if measurement.agrees is not None]

    @property
    def agreeing(self) -> int:
        return sum(bool(measurement.agrees) for measurement in self.compared)


def add_audit(site: Site, entries: Sequence[Entry], cards: Cards, clusters: Clusters | None = None) -> None:
    """Add the audit page.

    Args:
        clusters: as `boards` takes them.
    """
    tables = audit(entries, cards, clusters)
    site.add(
        "audit.html",
        "audit.html",
        tables=tables,
        verdicts=VERDICTS,
        contradictions=list(contradictions()),
        origins=list(notes().origins.values()),
        bases=BASES,
    )


def contradictions() -> Iterator[dict[str, Any]]:
    """Every known contradiction: its key, heading, place, evidence, what that rests on, and effect, and the tables that
    it concerns."""
    added = _added()["contradictions"]
    layouts = {name: load_layout(name) for name in names()}
    for key, note in notes().notes.items():
        more = added.get(key, {})
        yield {
            "key": key,
            "title": more.get("title", note.where),
            "where": note.where,
            "evidence": note.what,
            "basis": note.basis,
            "effect": note.effect or more.get("effect", ""),
            "tables": [(name, layout.title) for name, layout in layouts.items() if key in layout.notes],
        }


def audit(entries: Sequence[Entry], cards: Cards, clusters: Clusters | None = None) -> list[AuditTable]:
    """All tables of the papers: every printed number judged, with the measured ones of the entries beside it."""
    basis = _Basis(tuple((entry, Run(entry.record, entry.summary)) for entry in entries), cards, clusters or {})
    return [_table(name, load_layout(name), basis) for name in names()]


@dataclass(frozen=True)
class _Basis:
    """What printed numbers are judged by."""

    runs: tuple[tuple[Entry, Run], ...]
    cards: Cards
    clusters: Clusters


def _table(name: str, layout: Layout, basis: _Basis) -> AuditTable:
    letters = Notes(LETTERS)
    table = AuditTable(name, layout, layout.columns)
    printed = {(cell.dataset, cell.metric, key): cell for group in layout.groups for cell in group.cells()
               if cell.value for key in keys(cell)}  # fmt: skip
    for row in layout.rows:
        cells = [printed.get((group.dataset, column.metric, row.published)) for group, column in layout.columns]
        line = [
            _audited(cell, row, group, column, basis, letters) if cell else None
            for cell, (group, column) in zip(cells, layout.columns, strict=True)
        ]
        first = next((cell for cell in cells if cell), None)
        if first:
            marks = [] if first.system == first.name else [letters.mark(f'printed as "{first.system}"')]
            table.lines.append((first.name, tuple(marks), line))
    table.reasons = letters.listed()
    return table


def _audited(
    cell: PublishedCell, row: LayoutRow, group: LayoutGroup, column: LayoutColumn, basis: _Basis, letters: Notes
) -> AuditedCell:
    against, doubts = obstacles(cell, row, group, column, basis.cards)
    measured = tuple(
        measurement
        for entry, run in basis.runs
        if row.has(run.record) and group.holds(run.record)
        if (measurement := _remeasured(cell, entry, run, group, column, basis))
    )
    verdict = "no" if against else "partly" if doubts else "yes"
    return AuditedCell(cell, verdict, tuple(letters.mark(text) for text in against or doubts), measured)


def obstacles(
    cell: PublishedCell, row: LayoutRow, group: LayoutGroup, column: LayoutColumn, cards: Cards
) -> tuple[list[str], list[str]]:
    """What keeps a printed number from being measured again, and what leaves a doubt."""
    kind, _, source = cell.provenance.partition(":")
    basis = notes().origins[cell.provenance].basis
    measurable = [cards.method(method) for method in row.methods]
    against = {
        "carried": [f"copied from an earlier publication ({source}), which measured in its own way ({basis})"],
        "uncertain": [f"the origin of the number is unknown ({basis})"],
    }.get(kind, [])
    against += list(filter(None, [cell.copied]))
    against += [group.departs] if group.departs else []
    reasons = [entry["reason"] for entry in _added()["cells"] if _is_of(entry, cell)]
    against += reasons
    if not reasons and not any(card.weights for card in measurable):
        against.append("its weights are not published")
    return against, [*_foreign(measurable), *filter(None, [group.caveat, column.caveat])]


def _foreign(cards: Sequence[MethodCard]) -> list[str]:
    if any(card.weights and not card.official for card in cards):
        return [
            "the released code and weights are not by the paper's authors; whether the number is of them is unknown"
        ]
    return []


def _is_of(entry: dict[str, str], cell: PublishedCell) -> bool:
    return entry["table"] == f"{cell.document} {cell.table}" and entry["system"] in keys(cell)


def _remeasured(
    printed: PublishedCell, entry: Entry, run: Run, group: LayoutGroup, column: LayoutColumn, basis: _Basis
) -> Remeasurement | None:
    """The entry's number in the place of a printed one; None if it has none."""
    cell = column_cell(run, group, column, int(printed.decimals))
    if cell.spec is None or cell.result is None or cell.result.mean is None:
        return None
    done, asked = run.summary.pairs, run.record.dataset.pairs
    unfinished = [f"only {done} of {asked} pairs were run"] if done != asked else []
    lost = [text] if (text := coverage(cell.result, asked)) and not unfinished else []
    reasons = (*cell.departures, *unfinished, *lost)
    if cell.departures or unfinished or printed.provenance.startswith("carried:") or printed.copied:
        return Remeasurement(entry, cell.text, reasons=reasons)
    spec, value = cell.spec, Decimal(printed.value)
    cluster = basis.clusters.get(run.record.dataset.name, by_clip)
    limits = basis.cards.metrics[spec.name].range if spec.name in basis.cards.metrics else UNLIMITED
    bounds = interval(entry.rows(), spec, run.record.missing_faces, cluster, limits)
    mean = cell.result.mean * spec.scale
    low, high = (bounds.low * spec.scale, bounds.high * spec.scale) if bounds else (mean, mean)
    unit = float(Decimal(1).scaleb(-int(printed.decimals)))
    return Remeasurement(
        entry,
        cell.text,
        f"{Decimal(cell.text) - value:+}".replace("-", "−"),
        low - unit <= float(value) <= high + unit,
        reasons,
    )


@cache
def _added() -> dict[str, Any]:
    """``audit.yaml``."""
    import yaml

    content: dict[str, Any] = yaml.safe_load((files(__package__) / "audit.yaml").read_text(encoding="utf-8"))
    return content
