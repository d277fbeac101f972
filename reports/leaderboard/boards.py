"""All boards of a leaderboard, from entries and the published tables."""

from __future__ import annotations

from collections.abc import Sequence

from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import Board, Clusters
from talkbench.reports.leaderboard.measured_board import measured_groups
from talkbench.reports.leaderboard.printed_board import printed_groups, printed_tests
from talkbench.results.entries import Entry


def boards(entries: Sequence[Entry], cards: Cards, clusters: Clusters | None = None) -> list[Board]:
    """One board per data set and task of which there are numbers, those with measured ones first.

    Args:
        clusters: by data set, what is resampled for a driving clip (the person); the clip itself where there is none.
    """
    tests = {(entry.record.dataset.name, entry.record.dataset.task) for entry in entries} | printed_tests()
    all_boards = []
    for dataset, task in sorted(tests):
        of_test = tuple(e for e in entries if (e.record.dataset.name, e.record.dataset.task) == (dataset, task))
        groups = (*measured_groups(of_test, cards, clusters or {}), *printed_groups(dataset, task, cards))
        all_boards.append(Board(dataset, task, cards.dataset(dataset), groups, of_test))
    return sorted(all_boards, key=lambda board: not board.entries)
