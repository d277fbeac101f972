"""A page per family of metrics: what it is, its variants, how it has gone wrong elsewhere, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from talkbench.core.cards import MetricCard
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import Board, BoardCell, BoardColumn, BoardGroup, BoardLine
from talkbench.reports.leaderboard.metric_notes import family_notes
from talkbench.reports.leaderboard.site import Site, metric_path


@dataclass(frozen=True)
class FamilyColumns:
    """The columns of one family in a group of a board; `lines`: the lines with a number in any of these columns."""

    board: Board
    group: BoardGroup
    columns: tuple[BoardColumn, ...]
    lines: tuple[tuple[BoardLine, tuple[BoardCell, ...]], ...]


def add_metrics(site: Site, boards: Sequence[Board], cards: Cards) -> None:
    """Add the list of all metrics and a page for each family that is registered or has numbers."""
    families: dict[str, list[MetricCard]] = {}
    for card in cards.metrics.values():
        families.setdefault(card.family, []).append(card)
    groups = [(board, group) for board in boards for group in board.groups]
    for column in (column for _, group in groups for column in group.columns):
        families.setdefault(_family(column), [])
    index = []
    for family, variants in sorted(families.items()):
        variants.sort(key=lambda card: (card.short != family, card.name))
        parts = [of_family for board, group in groups if (of_family := _family_columns(board, group, family))]
        count = sum(len(part.lines) for part in parts)
        notes = family_notes(family)
        site.add(
            metric_path(family),
            "metric.html",
            family=family,
            notes=notes,
            cards=variants,
            ranges={card.name: _range(card) for card in variants},
            measured=[part for part in parts if part.group.kind == "measured"],
            printed=[part for part in parts if part.group.kind == "published"],
        )
        index.append((family, notes, variants, count))
    site.add("metrics/index.html", "metrics.html", index=index)


def _family(column: BoardColumn) -> str:
    """The family of a column; for a printed one, that of the metric that it is taken to be."""
    return (column.page or column.name).lower().split("@", 1)[0]


def _family_columns(board: Board, group: BoardGroup, family: str) -> FamilyColumns | None:
    places = [number for number, column in enumerate(group.columns) if _family(column) == family]
    lines = [(line, tuple(line.cells[place] for place in places)) for line in group.lines]
    filled = tuple((line, cells) for line, cells in lines if any(cell.value is not None for cell in cells))
    return FamilyColumns(board, group, tuple(group.columns[place] for place in places), filled) if filled else None


def _range(card: MetricCard) -> str:
    """``0 to 100``; an end of `UNBOUNDED` or beyond counts as no bound."""
    return " to ".join(_end(end) for end in card.printed_range)


def _end(value: float) -> str:
    if math.isinf(value) or abs(value) >= UNBOUNDED:
        return "no upper bound" if value > 0 else "no lower bound"
    return f"{value:.6g}".replace("-", "−")


UNBOUNDED = 1e5
"""The size from which on a printed end only stands for the lack of a bound (FID, re-identification features)."""
