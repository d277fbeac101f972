"""The papers' tables as groups of lines: as printed, ranked only where one group of authors measured."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from talkbench.core.cards import Cards, MethodCard
from talkbench.reports.leaderboard.boards import Cell, Column, Group, Line, compared, ordered
from talkbench.reports.tables.layout import Group as Test
from talkbench.reports.tables.layout import Layout, load_layout, names
from talkbench.reports.tables.table import LETTERS, Notes
from talkbench.results.published import PublishedCell, cells, notes

COMPARABLE = ("own", "remeasured")
"""Provenance of numbers that the authors of a table measured themselves, and so in one way."""

_DOCUMENTS = {"paper": "Table {} of the MCNet paper", "supplement": "Table {} of the MCNet supplement"}


def printed_tests() -> set[tuple[str, str]]:
    """The data sets and tasks of the published tables."""
    return {(cell.dataset, cell.task) for cell in cells()}


def printed_groups(dataset: str, task: str, cards: Cards) -> list[Group]:
    """The published numbers of a data set and task, one group per table."""
    found: dict[tuple[str, str], list[PublishedCell]] = {}
    for cell in cells():
        if (cell.dataset, cell.task) == (dataset, task):
            found.setdefault((cell.document, cell.table), []).append(cell)
    return [_group(where, mine, cards) for where, mine in found.items()]


def _group(where: tuple[str, str], mine: Sequence[PublishedCell], cards: Cards) -> Group:
    layout, test = _layout(where, mine[0])
    columns = [_column(name, mine, test, cards) for name in dict.fromkeys(cell.metric for cell in mine)]
    systems = list(dict.fromkeys((cell.system, cell.system_key, cell.variant) for cell in mine))
    by_place = {(cell.system, cell.system_key, cell.variant, cell.metric): cell for cell in mine}
    letters = Notes(LETTERS)
    table = [
        _cells(column, [by_place.get((*system, column.name)) for system in systems], letters) for column in columns
    ]
    lines = [_line(system, tuple(row[number] for row in table), layout, cards) for number, system in enumerate(systems)]
    return Group(
        kind="published",
        title=_DOCUMENTS[where[0]].format(where[1]),
        columns=tuple(columns),
        lines=ordered(lines, columns),
        facts=(layout.title.partition(": ")[2] or layout.title, *([test.caveat] if test and test.caveat else [])),
        legend=letters.listed(),
        remarks=(*layout.remarks, *_known_faults(layout)),
    )


def _layout(where: tuple[str, str], cell: PublishedCell) -> tuple[Layout, Test | None]:
    """What is known of a published table: its layout, and the test of this data set."""
    for name in names():
        layout = load_layout(name)
        for test in layout.groups:
            if test.published == " ".join(where) and test.dataset == cell.dataset:
                return layout, test
    raise LookupError(f"no layout of {where}")


def _column(name: str, mine: Sequence[PublishedCell], test: Test | None, cards: Cards) -> Column:
    cell = next(cell for cell in mine if cell.metric == name)
    known = next((column for column in test.columns if column.metric == name), None) if test else None
    variant = known.variants[0] if known and known.variants else ""
    ranked = cards.metric(variant).ranks
    return Column(
        name,
        "higher" if cell.direction == "higher" else "lower",
        cell.unit,
        variant,
        ranked,
        (known.caveat if known else ""),
    )


def _cells(column: Column, printed: Sequence[PublishedCell | None], letters: Notes) -> list[Cell]:
    """The numbers of a column; those that the authors took from elsewhere are marked and not ranked."""
    values = sorted(
        (Decimal(cell.value) for cell in printed if column.ranked and cell and _comparable(cell)),
        reverse=column.direction == "higher",
    )
    made = []
    for cell in printed:
        if cell is None or not cell.value:
            made.append(Cell())
            continue
        value = Decimal(cell.value)
        rank = values.index(value) + 1 if column.ranked and _comparable(cell) else None
        made.append(
            Cell(
                text=cell.value,
                value=float(value),
                ranks=(rank, rank) if rank else None,
                compared=rank is not None,
                marks="" if _comparable(cell) else letters.mark(_origin(cell.provenance)),
                note=_origin(cell.provenance),
            )
        )
    return compared(made, column)


def _comparable(cell: PublishedCell) -> bool:
    return bool(cell.value) and cell.provenance in COMPARABLE


def _origin(provenance: str) -> str:
    """Where a printed number is from, in words."""
    kind, _, source = provenance.partition(":")
    return {
        "own": "a model of the authors, measured by them",
        "remeasured": "another group's model, measured by the authors of the table",
        "carried": f"carried over from an earlier publication ({source}), which used another protocol; not ranked",
    }.get(kind, "where this number is from cannot be told; not ranked")


def _line(system: tuple[str, str, str], row: tuple[Cell, ...], layout: Layout, cards: Cards) -> Line:
    label, key, variant = system
    card = _card(key, variant, layout, cards)
    return Line(
        label=f"{label}, {variant}" if variant and label.lower() == key else label,
        cells=row,
        method=card.name,
        licence=str(card.licence),
        year=card.year,
        parameters=None if variant else card.parameters,
        paper=card.paper,
        code=card.code,
    )


def _card(key: str, variant: str, layout: Layout, cards: Cards) -> MethodCard:
    """The method that a printed system is, as far as is known."""
    named = {key, f"{key}@{variant}"} if variant in ("", "full") else {f"{key}@{variant}"}
    methods = [method for row in layout.rows if row.published in named for method in row.methods]
    methods += [card.name for card in cards.methods.values() if card.published == key]
    return next((cards.methods[name] for name in methods if name in cards.methods), MethodCard(name=key))


def _known_faults(layout: Layout) -> tuple[str, ...]:
    known = [notes()["notes"][name] for name in layout.notes]
    return tuple(" ".join(filter(None, [f"{note['where']}: {note['what']}", note.get("effect")])) for note in known)
