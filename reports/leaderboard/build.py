"""The whole site from entries and cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.audit import add_audit
from talkbench.reports.leaderboard.board import Clusters
from talkbench.reports.leaderboard.board_pages import add_boards
from talkbench.reports.leaderboard.boards import boards
from talkbench.reports.leaderboard.comparison_pages import add_comparisons
from talkbench.reports.leaderboard.method_pages import add_methods
from talkbench.reports.leaderboard.metric_pages import add_metrics
from talkbench.reports.leaderboard.site import Site
from talkbench.results.entries import Entry


def build_site(
    entries: Sequence[Entry],
    cards: Cards,
    clusters: Clusters | None = None,
    folder: Path | None = None,
    manual: str = "",
) -> Site:
    """All pages: the boards, the comparisons, and what the cards say of methods and metrics. Data sets that are for
    evaluation only are not shown.

    Args:
        clusters: by data set, what the statistics resample for a driving clip; the clip itself where there is none.
        folder: of the entries; a moving picture in it (`board_pages.CONTEST`) opens the site.
        manual: see `Site`.

    Raises:
        TalkbenchError: damaged rows.
    """
    entries = [_without_pictures(entry) if cards.dataset(entry.record.dataset.name).evaluation_only else entry
               for entry in entries]  # fmt: skip
    site, all_boards = Site(manual), boards(entries, cards, clusters)
    add_boards(site, all_boards, folder)
    add_comparisons(site, all_boards)
    add_methods(site, all_boards, cards)
    add_metrics(site, all_boards, cards)
    add_audit(site, entries, cards, clusters)
    return site


def _without_pictures(entry: Entry) -> Entry:
    return replace(entry, info=entry.info.model_copy(update={"thumbnails": (), "clips": ()}))
