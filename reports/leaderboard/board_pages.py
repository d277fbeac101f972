"""The first page and the pages of the boards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import check_regular
from talkbench.reports.leaderboard.board import Board, BoardGroup, SharedPair
from talkbench.reports.leaderboard.plot import plot_of
from talkbench.reports.leaderboard.site import Site
from talkbench.results.entries import Entry

MAX_OUTPUTS = 6
"""Systems whose output is shown at the top of a board."""

CONTEST, STILL = "contest.webp", "contest-still.webp"
"""Beside the entries: a moving picture of their methods, and one of its moments for those who want no motion."""


@dataclass(frozen=True)
class Opening:
    """The moving picture of the first page: its path in the site, that of the still one, their width and height."""

    moving: str
    still: str
    size: tuple[int, int]


def add_boards(site: Site, boards: Sequence[Board], folder: Path | None = None) -> None:
    """Add the first page and one page per board.

    Args:
        folder: of the entries; the first page opens with the moving picture in it, if there is one.
    """
    pairs = [shown_pair(site, board) for board in boards]
    metrics = [
        list(dict.fromkeys(column.title for group in board.groups for column in group.columns)) for board in boards
    ]
    opening = opening_of(site, folder) if folder else None
    site.add("index.html", "index.html", boards=list(zip(boards, pairs, metrics, strict=True)), opening=opening)
    for board, pair in zip(boards, pairs, strict=True):
        plots = [plot_of(group) if group.kind == "measured" else None for group in board.groups]
        name = board.card.title.split(",")[0] or board.dataset
        site.add(board.path, "board.html", scripts=("pictures.js",), board=board, name=name, pair=pair, plots=plots)


def opening_of(site: Site, folder: Path) -> Opening | None:
    """Add the pictures `CONTEST` and `STILL` of a folder of entries to the site; None unless both are there.

    Raises:
        TalkbenchError: one of them is no WebP picture.
    """
    from PIL import Image

    paths = [folder / name for name in (CONTEST, STILL)]
    if not all(path.exists() for path in paths):
        return None
    for path in paths:
        check_regular(path)
        try:
            with Image.open(path, formats=["WEBP"]) as picture:
                size = picture.size
        except OSError as error:
            raise TalkbenchError(f"{path} is no WebP picture; make it anew with bench figure --video") from error
    moving, still = (site.asset(path.name, path.read_bytes()) for path in paths)
    return Opening(moving, still, size)


def shown_pair(site: Site, board: Board) -> SharedPair | None:
    """The pair at the top of a board, with the outputs of the systems that rank first; None if there are no pictures.

    The pair is one of those that most entries of the first group have pictures of: the one on which these entries
    differ most by the metric that the group is sorted by.
    """
    groups = board.of("measured")
    if not groups:
        return None
    entries = _by_rank(groups[0], board.entries)
    entries = [entry for entry in entries if entry.record.dataset.data_id == entries[0].record.dataset.data_id]
    counts = Counter(item.pair for entry in entries for item in entry.info.thumbnails)
    if not counts:
        return None
    common = sorted(pair for pair, count in counts.items() if count == max(counts.values()))
    column = None if groups[0].main is None else groups[0].columns[groups[0].main]
    spread = _spread(entries, column.name, common) if column else {}
    pair = max(common, key=lambda number: (spread.get(number, 0.0), -number))
    pictured = [(entry, item) for entry in entries for item in entry.info.thumbnails if item.pair == pair][:MAX_OUTPUTS]
    entry, item = pictured[0]
    return SharedPair(
        pair,
        site.file(entry, item.source),
        site.file(entry, item.driving),
        column.title if column and spread.get(pair) else "",
        tuple((entry.info.label, site.file(entry, item.generated)) for entry, item in pictured),
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
