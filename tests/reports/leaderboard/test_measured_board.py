"""Groups of entries of unlike tests."""

from site_entries import write

from talkbench.core.dataset_cards import DatasetCard, ListCard
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.boards import boards
from talkbench.results.entries import load_entries


def test_an_older_list_has_a_group_of_its_own_that_says_so(tmp_path):
    for name, sha256 in (("before", "b" * 64), ("now", "c" * 64)):
        write(
            tmp_path, name, metrics=["l1"], pairs=2, pictured=(), data={"list_sha256": sha256, "pairs_sha256": sha256}
        )
    old = ListCard(task="same-identity", sha256="b" * 64, older="list of version 1")
    (board, *_) = boards(load_entries(tmp_path), Cards(datasets={"demo": DatasetCard(name="demo", lists={"old": old})}))
    groups = {group.title: group for group in board.groups}
    assert set(groups) == {"Absolute motion, 2 pairs", "Absolute motion, 2 pairs, list of version 1"}
    assert "list of version 1" in groups["Absolute motion, 2 pairs, list of version 1"].facts
    assert [line.key for line in groups["Absolute motion, 2 pairs"].lines] == ["now"]
