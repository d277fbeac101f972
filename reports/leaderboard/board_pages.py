"""The first page and the pages of the boards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from talkbench.reports.leaderboard.board import Board, BoardGroup, SharedPair
from talkbench.reports.leaderboard.plot import plot_of
from talkbench.reports.leaderboard.site import Site
from talkbench.results.entries import Entry

SHOWN = 6
"""Systems whose output is shown at the top of a board."""


def add_boards(site: Site, boards: Sequence[Board]) -> None:
    """Add the first page and one page per board."""
    pictures = [shown_pair(site, board) for board in boards]
    metrics = [
        list(dict.fromkeys(column.title for group in board.groups for column in group.columns)) for board in boards
    ]
    site.add("index.html", "index.html", boards=list(zip(boards, pictures, metrics, strict=True)))
    for board, shown in zip(boards, pictures, strict=True):
        plots = [plot_of(group) if group.kind == "measured" else None for group in board.groups]
        name = board.card.title.split(",")[0] or board.dataset
        site.add(board.path, "board.html", board=board, name=name, shown=shown, plots=plots)


def shown_pair(site: Site, board: Board) -> SharedPair | None:
    """Of the pairs that most entries of the first group have pictures of, the one on which these differ most by the
    metric that the group is sorted by; with the outputs of the first of these entries by rank."""
    groups = board.of("measured")
    if not groups:
        return None
    entries = _by_rank(groups[0], board.entries)
    counts = Counter(item.pair for entry in entries for item in entry.info.thumbnails)
    if not counts:
        return None
    common = sorted(pair for pair, count in counts.items() if count == max(counts.values()))
    column = None if groups[0].main is None else groups[0].columns[groups[0].main]
    spread = _spread(entries, column.name, common) if column else {}
    pair = max(common, key=lambda number: (spread.get(number, 0.0), -number))
    shown = [(entry, item) for entry in entries for item in entry.info.thumbnails if item.pair == pair][:SHOWN]
    entry, item = shown[0]
    return SharedPair(
        pair,
        site.thumbnail(entry, item.source),
        site.thumbnail(entry, item.driving),
        column.title if column and spread.get(pair) else "",
        tuple((entry.info.label, site.thumbnail(entry, item.generated)) for entry, item in shown),
    )


def _spread(entries: Sequence[Entry], metric: str, pairs: Sequence[int]) -> dict[int, float]:
    """By pair, how far the values of the entries lie apart."""
    values: dict[int, list[float]] = {}
    for entry in entries:
        rows = entry.rows()
        rows_of_pairs = rows[(rows["metric"] == metric) & rows["pair"].isin(pairs) & rows["value"].notna()]
        for pair, value in zip(rows_of_pairs["pair"], rows_of_pairs["value"], strict=True):
            values.setdefault(int(pair), []).append(float(value))
    return {pair: max(of_pair) - min(of_pair) for pair, of_pair in values.items()}


def _by_rank(group: BoardGroup, entries: Sequence[Entry]) -> list[Entry]:
    """The entries of a group in the order of its lines, yardsticks last."""
    order = [line.key for line in sorted(group.lines, key=lambda line: line.yardstick)]
    members = [entry for entry in entries if entry.info.name in order]
    return sorted(members, key=lambda entry: order.index(entry.info.name))
