"""The papers' tables as groups of lines, as printed; numbers are ranked only among those that the authors measured."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from talkbench.core.cards import MethodCard
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import BoardCell, BoardColumn, BoardGroup, BoardLine, compared, ordered
from talkbench.reports.tables.layout import Layout, load_layout, names
from talkbench.reports.tables.layout import LayoutGroup as LayoutGroup
from talkbench.reports.tables.legend import WORDS, contradictions
from talkbench.reports.tables.table import LETTERS, Notes
from talkbench.results.published import PublishedCell, cells, notes

_DOCUMENTS = {"paper": "Table {} of the MCNet paper", "supplement": "Table {} of the MCNet supplement"}


def printed_tests() -> set[tuple[str, str]]:
    """The data sets and tasks of the published tables."""
    return {(cell.dataset, cell.task) for cell in cells()}


def printed_groups(dataset: str, task: str, cards: Cards) -> list[BoardGroup]:
    """The published numbers of a data set and task, one group per table."""
    by_table: dict[tuple[str, str], list[PublishedCell]] = {}
    for cell in cells():
        if (cell.dataset, cell.task) == (dataset, task):
            by_table.setdefault((cell.document, cell.table), []).append(cell)
    return [_group(where, of_table, cards) for where, of_table in by_table.items()]


def _group(where: tuple[str, str], of_table: Sequence[PublishedCell], cards: Cards) -> BoardGroup:
    layout, test = _layout(where, of_table[0])
    columns = [_column(name, of_table, test, cards) for name in dict.fromkeys(cell.metric for cell in of_table)]
    systems = list(dict.fromkeys((cell.system, cell.system_key, cell.variant) for cell in of_table))
    by_place = {(cell.system, cell.system_key, cell.variant, cell.metric): cell for cell in of_table}
    letters = Notes(LETTERS)
    table = [
        _cells(column, [by_place.get((*system, column.name)) for system in systems], letters) for column in columns
    ]
    lines = [
        _line(next(cell for cell in of_table if (cell.system, cell.system_key, cell.variant) == system),
              tuple(row[number] for row in table), layout, cards, letters)
        for number, system in enumerate(systems)
    ]  # fmt: skip
    return BoardGroup(
        kind="published",
        title=_DOCUMENTS[where[0]].format(where[1]),
        columns=tuple(columns),
        lines=ordered(lines, columns),
        facts=(layout.title.partition(": ")[2] or layout.title, *([test.caveat] if test and test.caveat else [])),
        legend=letters.listed(),
        remarks=(*layout.remarks, *contradictions(layout), WORDS),
    )


def _layout(where: tuple[str, str], cell: PublishedCell) -> tuple[Layout, LayoutGroup | None]:
    """The layout of a published table, and in it the test on this data set."""
    for name in names():
        layout = load_layout(name)
        for test in layout.groups:
            if test.published == " ".join(where) and test.dataset == cell.dataset:
                return layout, test
    raise LookupError(f"no layout of {where}")


def _column(name: str, of_table: Sequence[PublishedCell], test: LayoutGroup | None, cards: Cards) -> BoardColumn:
    cell = next(cell for cell in of_table if cell.metric == name)
    described = next((column for column in test.columns if column.metric == name), None) if test else None
    variant = described.variants[0] if described and described.variants else ""
    ranked = cards.metric(variant).ranks
    return BoardColumn(
        name,
        "higher" if cell.direction == "higher" else "lower",
        cell.unit,
        variant,
        ranked,
        (described.caveat if described else ""),
    )


def _cells(column: BoardColumn, printed: Sequence[PublishedCell | None], letters: Notes) -> list[BoardCell]:
    """The numbers of a column; those that the authors took from elsewhere are marked and not ranked."""
    values = sorted(
        (Decimal(cell.value) for cell in printed if column.ranked and cell and cell.comparable),
        reverse=column.direction == "higher",
    )
    board_cells = []
    for cell in printed:
        if cell is None or not cell.value:
            board_cells.append(BoardCell())
            continue
        value = Decimal(cell.value)
        rank = values.index(value) + 1 if column.ranked and cell.comparable else None
        board_cells.append(
            BoardCell(
                text=cell.value,
                value=float(value),
                ranks=(rank, rank) if rank else None,
                compared=rank is not None,
                marks="" if cell.comparable else letters.mark(_origin(cell)),
                note=_origin(cell),
            )
        )
    return compared(board_cells, column)


def _origin(cell: PublishedCell) -> str:
    """Where a printed number is from, in words, what that rests on, and whether it is ranked."""
    kind, _, source = cell.provenance.partition(":")
    text = {
        "own": "a model of the authors, measured by them",
        "remeasured": "another group's model, measured by the authors of the table",
        "carried": f"carried over from an earlier publication ({source}), which measured in its own way",
    }.get(kind, "of unknown origin")
    stated = f"{text} ({notes().origins[cell.provenance].basis})"
    return "; ".join(filter(None, [stated, cell.copied, "" if cell.comparable else "not ranked"]))


def _line(system: PublishedCell, row: tuple[BoardCell, ...], layout: Layout, cards: Cards, letters: Notes) -> BoardLine:
    """The line of a system under its own name; the printed one becomes a note."""
    variant = system.variant
    card = _card(system.system_key, variant, layout, cards)
    note = "" if system.system == system.name else f'printed as "{system.system}"'
    return BoardLine(
        label=system.name,
        marks=letters.mark(note) if note else "",
        note=note,
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
