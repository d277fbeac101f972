"""A page per method: what it is, every number that there is of it, and what it makes of some pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from talkbench.core.cards import Cards, MethodCard
from talkbench.reports.leaderboard.boards import Board, Cell, Column, Group, Line
from talkbench.reports.leaderboard.comparison import shown_pairs
from talkbench.reports.leaderboard.site import Site, method_path
from talkbench.reports.numbers import unit_sign
from talkbench.reports.tables.table import LETTERS, Notes
from talkbench.results import MetricSpec
from talkbench.results.entries import Entry

SIGN = {"lower": 1, "higher": -1}
"""What values are multiplied by so that the best is the least."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a method in one group of a board.

    Attributes:
        rivals: how many lines the group has.
        entry: what the numbers are of; None for published ones.
    """

    board: Board
    group: Group
    line: Line
    entry: Entry | None

    @property
    def rivals(self) -> int:
        return len(self.group.lines)

    @property
    def cells(self) -> list[tuple[Column, Cell]]:
        """The numbers that there are, each with its column."""
        return [pair for pair in zip(self.group.columns, self.line.cells, strict=True) if pair[1].value is not None]


@dataclass(frozen=True)
class Printed:
    """The published numbers of a method on one board.

    Attributes:
        lines: table, system as printed, and per column the number (None: not printed) with the mark of its origin.
        origins: marks and what they stand for.
    """

    board: Board
    columns: tuple[Column, ...]
    lines: tuple[tuple[str, str, tuple[tuple[str, str] | None, ...]], ...]
    origins: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Picture:
    """A pair of an entry: paths of files of the site, and its values as printed, by metric."""

    pair: int
    frames: str
    source: str
    driving: str
    generated: str
    values: tuple[tuple[str, str], ...]


def add_methods(site: Site, boards: Sequence[Board], cards: Cards) -> None:
    """Add the list of all methods and a page for each that has numbers, or that a bare name stands for."""
    numbers = numbers_by_method(boards)
    names = sorted({*numbers, *(card.name for card in cards.methods.values() if _main(card))})
    for name in names:
        mine = numbers.get(name, [])
        site.add(
            method_path(name),
            "method.html",
            card=cards.method(name),
            measured=[found for found in mine if found.entry],
            printed=printed([found for found in mine if not found.entry]),
            strips_of={found.line.key: pictures(site, found.entry) for found in mine if found.entry},
            relatives=_relatives(name, names, cards),
        )
    site.add(
        "methods/index.html",
        "methods.html",
        families=_families([(cards.method(name), numbers.get(name, [])) for name in names]),
    )


def numbers_by_method(boards: Iterable[Board]) -> dict[str, list[Numbers]]:
    """All lines of all boards by the method that they are of."""
    found: dict[str, list[Numbers]] = {}
    for board in boards:
        entries = {entry.info.name: entry for entry in board.entries}
        for group in board.groups:
            for line in group.lines:
                found.setdefault(line.method, []).append(Numbers(board, group, line, entries.get(line.key)))
    return found


def printed(numbers: Sequence[Numbers]) -> list[Printed]:
    """Published numbers by board, a line per table, in columns that have the same name."""
    made = []
    for path in dict.fromkeys(found.board.path for found in numbers):
        mine, letters = [found for found in numbers if found.board.path == path], Notes(LETTERS)
        columns = {column.name: column for found in mine for column, _ in found.cells}
        lines = []
        for found in mine:
            cells = {column.name: (cell.text, letters.mark(cell.note)) for column, cell in found.cells}
            lines.append((found.group.title, found.line.label, tuple(cells.get(name) for name in columns)))
        made.append(Printed(mine[0].board, tuple(columns.values()), tuple(lines), letters.listed()))
    return made


def pictures(site: Site, entry: Entry | None) -> list[Picture]:
    """The pairs that an entry has pictures of, from the best to the worst by the first metric that ranks."""
    if entry is None:
        return []
    specs = {spec.name: spec for spec in entry.record.metrics if spec.aggregation != "set"}
    main = next((spec for spec in specs.values() if spec.ranks), None)
    rated = []
    for item, frames, values in shown_pairs(entry):
        source, driving, generated = (
            site.thumbnail(entry, file) for file in (item.source, item.driving, item.generated)
        )
        texts = tuple((name, _printed(values[name], spec)) for name, spec in specs.items() if name in values)
        value = values.get(main.name) if main else None
        rank = float("inf") if main is None or not isinstance(value, float) else value * SIGN[main.direction]
        rated.append((rank, item.pair, Picture(item.pair, frames, source, driving, generated, texts)))
    return [picture for _, _, picture in sorted(rated, key=lambda item: item[:2])]


def _printed(value: float | str, spec: MetricSpec) -> str:
    """A value on the printed scale with its unit; a reason as it is."""
    if isinstance(value, str):
        return value
    return f"{value:z.{spec.decimals}f} {unit_sign(spec.unit)}".strip()


def _main(card: MethodCard) -> bool:
    """Whether a card is of what a bare name stands for."""
    return bool(card.published or card.variants or "@" not in card.name)


def _family(name: str) -> str:
    return name.split("@", 1)[0]


def _relatives(name: str, names: Sequence[str], cards: Cards) -> list[MethodCard]:
    """The other methods of the family that have pages."""
    return [cards.method(other) for other in names if other != name and _family(other) == _family(name)]


def _families(
    cards: Sequence[tuple[MethodCard, list[Numbers]]],
) -> list[list[tuple[MethodCard, list[Numbers]]]]:
    """Cards by family, in each the one that a bare name stands for first; yardsticks last."""
    families: dict[str, list[tuple[MethodCard, list[Numbers]]]] = {}
    for card, numbers in cards:
        families.setdefault(_family(card.name), []).append((card, numbers))
    for members in families.values():
        members.sort(key=lambda member: (not _main(member[0]), member[0].name))
    return sorted(families.values(), key=lambda members: (members[0][0].yardstick, members[0][0].name))
