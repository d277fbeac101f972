"""The audit page: what is contradictory in the published tables, and which of their numbers can be measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from talkbench.core.cards import Cards, MethodCard
from talkbench.reports.leaderboard.boards import Clusters
from talkbench.reports.leaderboard.site import Site
from talkbench.reports.numbers import coverage
from talkbench.reports.runs import Run
from talkbench.reports.statistics.estimates import by_clip, interval
from talkbench.reports.tables.layout import Column, Group, Layout, Row, keys, load_layout, names
from talkbench.reports.tables.measured_cells import column_entry
from talkbench.reports.tables.table import LETTERS, Notes
from talkbench.results.entries import Entry
from talkbench.results.published import PublishedCell, notes

VERDICTS = {
    "yes": ("●", "can be measured again: pairs, weights and way of measuring are public"),
    "partly": ("◐", "can be measured again up to something that is not known, which a letter names"),
    "no": ("○", "cannot be measured again here: something is not public, or the number is of another test"),
}


@dataclass(frozen=True)
class Measured:
    """Our number for a printed one.

    Attributes:
        difference: measured minus printed; "" where the two are of different tests.
        agrees: whether the printed number, give or take a unit of its last digit, lies in the 95 % interval of ours (or
            is ours, where there is no interval); None where they are of different tests.
        reasons: what tells the tests apart, and how many pairs were lost.
    """

    entry: Entry
    text: str
    difference: str = ""
    agrees: bool | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A printed number: whether it can be measured again, the letters of what stands in the way, and what came out."""

    cell: PublishedCell
    verdict: str
    marks: tuple[str, ...]
    measured: tuple[Measured, ...] = ()

    @property
    def sign(self) -> str:
        return VERDICTS[self.verdict][0]


@dataclass
class Table:
    """A table of the papers; `lines`: label and, per column, the number if one is printed."""

    key: str
    layout: Layout
    columns: list[tuple[Group, Column]]
    lines: list[tuple[str, list[Judged | None]]] = field(default_factory=list)
    reasons: tuple[tuple[str, str], ...] = ()

    @property
    def numbers(self) -> list[Judged]:
        return [judged for _, line in self.lines for judged in line if judged]

    def count(self, verdict: str) -> int:
        return sum(judged.verdict == verdict for judged in self.numbers)

    @property
    def compared(self) -> list[Measured]:
        """The measurements that are of the printed test."""
        return [made for judged in self.numbers for made in judged.measured if made.agrees is not None]

    @property
    def agreeing(self) -> int:
        return sum(bool(made.agrees) for made in self.compared)


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
        origins=notes()["provenance_evidence"],
    )


def contradictions() -> Iterator[dict[str, Any]]:
    """Every known contradiction: its key, heading, place, evidence and effect, and the tables that it concerns."""
    added = _added()["contradictions"]
    layouts = {name: load_layout(name) for name in names()}
    for key, note in notes()["notes"].items():
        more = added.get(key, {})
        yield {
            "key": key,
            "title": more.get("title", note["where"]),
            "where": note["where"],
            "evidence": note["what"],
            "effect": note.get("effect", more.get("effect", "")),
            "tables": [(name, layout.title) for name, layout in layouts.items() if key in layout.notes],
        }


def audit(entries: Sequence[Entry], cards: Cards, clusters: Clusters | None = None) -> list[Table]:
    """All tables of the papers with their numbers judged, and measured ones beside them where there are entries."""
    known = _Known(tuple((entry, Run(entry.record, entry.summary)) for entry in entries), cards, clusters or {})
    return [_table(name, load_layout(name), known) for name in names()]


@dataclass(frozen=True)
class _Known:
    """What numbers are judged by."""

    runs: tuple[tuple[Entry, Run], ...]
    cards: Cards
    clusters: Clusters


def _table(name: str, layout: Layout, known: _Known) -> Table:
    letters = Notes(LETTERS)
    table = Table(name, layout, layout.columns)
    printed = {(cell.dataset, cell.metric, key): cell for group in layout.groups for cell in group.cells()
               if cell.value for key in keys(cell)}  # fmt: skip
    for row in layout.rows:
        cells = [printed.get((group.dataset, column.metric, row.published)) for group, column in layout.columns]
        line = [
            _judged(cell, row, group, column, known, letters) if cell else None
            for cell, (group, column) in zip(cells, layout.columns, strict=True)
        ]
        first = next((cell for cell in cells if cell), None)
        if first:
            table.lines.append((label_of(first), line))
    table.reasons = letters.listed()
    return table


def label_of(cell: PublishedCell) -> str:
    """A system as printed, with its variant where the print does not tell it."""
    return f"{cell.system}, {cell.variant}" if cell.variant and cell.system.lower() == cell.system_key else cell.system


def _judged(cell: PublishedCell, row: Row, group: Group, column: Column, known: _Known, letters: Notes) -> Judged:
    against, doubts = obstacles(cell, row, group, column, known.cards)
    measured = tuple(
        made
        for entry, run in known.runs
        if run.record.method.name in row.methods and group.holds(run.record)
        if (made := _measured(cell, entry, run, group, column, known.clusters))
    )
    verdict = "no" if against else "partly" if doubts else "yes"
    return Judged(cell, verdict, tuple(letters.mark(text) for text in against or doubts), measured)


def obstacles(cell: PublishedCell, row: Row, group: Group, column: Column, cards: Cards) -> tuple[list[str], list[str]]:
    """What keeps a printed number from being measured again, and what leaves a doubt."""
    kind, _, source = cell.provenance.partition(":")
    measurable = [cards.method(method) for method in row.methods]
    against = {
        "carried": [f"copied from an earlier publication ({source}), which measured in another way"],
        "uncertain": ["where the number is from cannot be told"],
    }.get(kind, [])
    against += [group.departs] if group.departs else []
    known = [entry["reason"] for entry in _added()["cells"] if _is_of(entry, cell)]
    against += known
    if not known and not any(card.weights for card in measurable):
        against.append("no weights of it are published")
    return against, [*_foreign(measurable), *filter(None, [group.caveat, column.caveat])]


def _foreign(cards: Sequence[MethodCard]) -> list[str]:
    if any(card.weights and not card.official for card in cards):
        return [
            "the released code and weights are not by the paper's authors, and whether the number is of them is unknown"
        ]
    return []


def _is_of(entry: dict[str, str], cell: PublishedCell) -> bool:
    return entry["table"] == f"{cell.document} {cell.table}" and entry["system"] in keys(cell)


def _measured(
    cell: PublishedCell, entry: Entry, run: Run, group: Group, column: Column, clusters: Clusters
) -> Measured | None:
    """The entry's number in the place of `cell`; None if it has none."""
    made = column_entry(run, group, column, int(cell.decimals))
    if made.spec is None or made.result is None or made.result.mean is None:
        return None
    done, asked = run.summary.pairs, run.record.dataset.pairs
    unfinished = [f"only {done} of {asked} pairs were run"] if done != asked else []
    lost = [text] if (text := coverage(made.result, asked)) and not unfinished else []
    reasons = (*made.departures, *unfinished, *lost)
    if made.departures or unfinished or cell.provenance.startswith("carried:"):
        return Measured(entry, made.text, reasons=reasons)
    spec, printed = made.spec, Decimal(cell.value)
    sure = interval(entry.rows(), spec, run.record.missing_faces, clusters.get(run.record.dataset.name, by_clip))
    mean = made.result.mean * spec.scale
    low, high = (sure.low * spec.scale, sure.high * spec.scale) if sure else (mean, mean)
    unit = float(Decimal(1).scaleb(-int(cell.decimals)))
    return Measured(
        entry,
        made.text,
        f"{Decimal(made.text) - printed:+}".replace("-", "−"),
        low - unit <= float(printed) <= high + unit,
        reasons,
    )


@cache
def _added() -> dict[str, Any]:
    """``audit.yaml``."""
    import yaml

    content: dict[str, Any] = yaml.safe_load((files(__package__) / "audit.yaml").read_text(encoding="utf-8"))
    return content
