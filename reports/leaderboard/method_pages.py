"""A page per method: what it is, all its numbers, and its output for some pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from talkbench.core.cards import MethodCard
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import Board, BoardCell, BoardColumn, BoardGroup, BoardLine
from talkbench.reports.leaderboard.comparison_pages import ShownClip, shown_clips, shown_pairs
from talkbench.reports.leaderboard.site import Site, method_path
from talkbench.reports.numbers import unit_sign
from talkbench.reports.tables.table import LETTERS, Notes
from talkbench.results import MetricSpec
from talkbench.results.entries import Entry

SIGN = {"lower": 1, "higher": -1}
"""The factor by which values are multiplied so that the smallest is the best."""


@dataclass(frozen=True)
class Standing:
    """The numbers of a method in one group of a board.

    Attributes:
        rivals: how many lines the group has.
        entry: the entry that the numbers are of; None for published numbers.
    """

    board: Board
    group: BoardGroup
    line: BoardLine
    entry: Entry | None

    @property
    def rivals(self) -> int:
        return len(self.group.lines)

    @property
    def cells(self) -> list[tuple[BoardColumn, BoardCell]]:
        """The cells that hold a number, each with its column."""
        return [pair for pair in zip(self.group.columns, self.line.cells, strict=True) if pair[1].value is not None]


@dataclass(frozen=True)
class PublishedNumbers:
    """The published numbers of a method on one board.

    Attributes:
        lines: the table, the system with its printed name and, for each column, the number with the mark of its origin
            (None: not printed).
        origins: marks and what they stand for.
    """

    board: Board
    columns: tuple[BoardColumn, ...]
    lines: tuple[tuple[str, str, tuple[tuple[str, str] | None, ...]], ...]
    origins: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EntryPair:
    """A pair of an entry: paths of files of the site, and its values as printed, by metric."""

    pair: int
    frames: str
    source: str
    driving: str
    generated: str
    values: tuple[tuple[str, str], ...]


def add_methods(site: Site, boards: Sequence[Board], cards: Cards) -> None:
    """Add the list of all methods, and a page for each that has numbers and for each main method of a family."""
    standings = standings_by_method(boards)
    names = sorted({*standings, *(card.name for card in cards.methods.values() if _main(card))})
    for name in names:
        own = standings.get(name, [])
        site.add(
            method_path(name),
            "method.html",
            card=cards.method(name),
            measured=[standing for standing in own if standing.entry],
            printed=published_numbers([standing for standing in own if not standing.entry]),
            scripts=("pictures.js",),
            videos=any(standing.entry and standing.entry.info.clips for standing in own),
            loop_of={standing.line.key: entry_loop(site, standing.entry) for standing in own if standing.entry},
            strips_of={standing.line.key: entry_pairs(site, standing.entry) for standing in own if standing.entry},
            relatives=_relatives(name, names, cards),
        )
    rows = [(cards.method(name), standings.get(name, [])) for name in names]
    site.add("methods/index.html", "methods.html", families=_families(rows))


def standings_by_method(boards: Iterable[Board]) -> dict[str, list[Standing]]:
    """All lines of all boards by the method that they are of."""
    standings: dict[str, list[Standing]] = {}
    for board in boards:
        entries = {entry.info.name: entry for entry in board.entries}
        for group in board.groups:
            for line in group.lines:
                standings.setdefault(line.method, []).append(Standing(board, group, line, entries.get(line.key)))
    return standings


def published_numbers(standings: Sequence[Standing]) -> list[PublishedNumbers]:
    """Published numbers by board, a line per table, in columns that have the same name."""
    by_board = []
    for path in dict.fromkeys(standing.board.path for standing in standings):
        of_board, letters = [standing for standing in standings if standing.board.path == path], Notes(LETTERS)
        columns = {column.name: column for standing in of_board for column, _ in standing.cells}
        lines = []
        for standing in of_board:
            cells = {column.name: (cell.text, letters.mark(cell.note)) for column, cell in standing.cells}
            label = ", ".join(filter(None, (standing.line.label, standing.line.note)))
            lines.append((standing.group.title, label, tuple(cells.get(name) for name in columns)))
        by_board.append(PublishedNumbers(of_board[0].board, tuple(columns.values()), tuple(lines), letters.listed()))
    return by_board


def entry_pairs(site: Site, entry: Entry | None) -> list[EntryPair]:
    """The pairs that an entry has pictures of, from the best to the worst by the first metric that ranks."""
    if entry is None:
        return []
    specs = {spec.name: spec for spec in entry.record.metrics if spec.aggregation != "set"}
    main = next((spec for spec in specs.values() if spec.ranks), None)
    rated = []
    for item, frames, values in shown_pairs(entry):
        source, driving, generated = (site.file(entry, file) for file in (item.source, item.driving, item.generated))
        texts = tuple((name, _value_text(values[name], spec)) for name, spec in specs.items() if name in values)
        value = values.get(main.name) if main else None
        rank = float("inf") if main is None or not isinstance(value, float) else value * SIGN[main.direction]
        rated.append((rank, item.pair, EntryPair(item.pair, frames, source, driving, generated, texts)))
    return [pair for _, _, pair in sorted(rated, key=lambda item: item[:2])]


def entry_loop(site: Site, entry: Entry) -> tuple[str, ShownClip] | None:
    """The clip of an entry that is played in a loop, with the path of its file; None if it has none."""
    clips = shown_clips(entry)
    return (site.file(entry, clips[0].video), clips[0]) if clips else None


def _value_text(value: float | str, spec: MetricSpec) -> str:
    """A value on the printed scale with its unit; a reason as it is."""
    if isinstance(value, str):
        return value
    return f"{value:z.{spec.decimals}f} {unit_sign(spec.unit)}".strip()


def _main(card: MethodCard) -> bool:
    """Whether a card is of a main method, one that a bare name stands for, and not of a variant."""
    return bool(card.published or card.variants or "@" not in card.name)


def _family(name: str) -> str:
    return name.split("@", 1)[0]


def _relatives(name: str, names: Sequence[str], cards: Cards) -> list[MethodCard]:
    """The other methods of the family that have pages."""
    return [cards.method(other) for other in names if other != name and _family(other) == _family(name)]


def _families(
    cards: Sequence[tuple[MethodCard, list[Standing]]],
) -> list[list[tuple[MethodCard, list[Standing]]]]:
    """Cards by family, the main method of each first; families of yardsticks last."""
    families: dict[str, list[tuple[MethodCard, list[Standing]]]] = {}
    for card, standings in cards:
        families.setdefault(_family(card.name), []).append((card, standings))
    for members in families.values():
        members.sort(key=lambda member: (not _main(member[0]), member[0].name))
    return sorted(families.values(), key=lambda members: (members[0][0].yardstick, members[0][0].name))
