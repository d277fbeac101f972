"""Boards of few people, and what does nothing."""

import pytest
from site_entries import write

from talkbench.core.cards import MethodCard
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import Podium
from talkbench.reports.leaderboard.boards import boards
from talkbench.results.entries import load_entries

CARDS = Cards(methods={"copy-source": MethodCard(name="copy-source", yardstick=True)})
STILL = {"l1": [0.4, 0.2, 0.1] * 4}


@pytest.fixture
def group(tmp_path):
    """The measured group of a board of entries with the given L1 of pairs, three people in turn."""

    def group_of(values, clips=3, cards=CARDS, **more):
        for method, numbers in values.items():
            write(
                tmp_path, method.replace("@", "."), method=method, pairs=12, clips=clips, metrics=["l1"],
                values={"l1": numbers}, pictured=(), details={"label": method}, **more,
            )  # fmt: skip
        return boards(load_entries(tmp_path), cards)[0].groups[0]

    return group_of


def test_of_few_people_each_has_a_gap_and_none_an_interval(group):
    board = group({"a@x": [0.1, 0.2, 0.3] * 4, "b@x": [0.2, 0.3, 0.25] * 4})
    (gaps,) = board.gaps
    assert (gaps.leader, gaps.people) == ("a@x", (("clip-0.mp4", 4), ("clip-1.mp4", 4), ("clip-2.mp4", 4)))
    assert [(line.label, line.cells) for line in gaps.lines] == [
        ("b@x", (("+0.10000", False), ("+0.10000", False), ("−0.05000", True)))
    ]
    assert not any(cell.interval for line in board.lines for cell in line.cells)
    assert board.few


def test_five_people_have_intervals(group):
    board = group({"a@x": [0.1 + place / 100 for place in range(12)], "b@x": [0.2] * 12}, clips=5)
    assert board.gaps == ()
    assert board.lines[0].cells[0].interval


def test_crossed_people_have_a_table_for_each_role(group):
    board = group({"a@x": [0.1] * 12, "b@x": [0.2] * 12}, sources=2, data={"task": "cross-identity"})
    assert [(gaps.role, len(gaps.people)) for gaps in board.gaps] == [("source", 2), ("driving", 3)]


def test_what_does_nothing_is_never_the_best(group):
    board = group({"copy-source": [0.1] * 12, "a@x": [0.2] * 12, "b@x": [0.3] * 12})
    assert [(line.label, line.baseline, line.cells[0].leads) for line in board.lines] == [
        ("copy-source", True, False), ("a@x", False, True), ("b@x", False, False),
    ]  # fmt: skip
    assert board.podium == Podium(board.columns[0], ("a@x", "0.2000"), ("b@x", "0.3000"), 0, "0.1000")
    assert board.gaps[0].leader == "a@x"
    assert [line.label for line in board.gaps[0].lines] == ["copy-source", "b@x"]


def test_what_does_nothing_alone_leads_nothing(group):
    assert group({"copy-source": [0.1] * 12}).podium is None


def test_one_system_has_no_runner_up(group):
    podium = group({"copy-source": [0.1] * 12, "a@x": [0.2] * 12}).podium
    assert (podium.leader, podium.runner_up, podium.gap) == (("a@x", "0.2000"), None, "")


def test_who_hardly_moves_is_named(group):
    board = group({"copy-source": [0.2] * 12, "a@x": [0.149] * 12, "b@x": [0.16] * 12, "c@x": [0.25] * 12})
    than = "closer to the driving frames than the source itself is: its L1 is"
    assert board.remarks == (
        f"b@x is hardly {than} 0.80 times that of copy-source.",
        f"c@x is no {than} 1.25 times that of copy-source.",
    )


def test_boards_are_sorted_by_what_tells_systems_apart(tmp_path):
    """A column in which all but the baseline lost pairs is not the main one."""
    lost = [0.5, "no-face-generated"] * 6
    for method, first in (("copy-source", [0.5] * 12), ("a@x", lost), ("b@x", lost)):
        write(
            tmp_path, method.replace("@", "."), method=method, pairs=12, metrics=["akd@mtcnn5", "l1"],
            values={"akd@mtcnn5": first, "l1": [0.1] * 12}, pictured=(),
        )  # fmt: skip
    group = boards(load_entries(tmp_path), CARDS)[0].groups[0]
    assert group.columns[group.main or 0].name == "l1"
