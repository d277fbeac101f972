"""A second build takes ranks and intervals from the first, and only where nothing has changed that they follow from."""

from pathlib import Path

import pytest
import site_entries

from talkbench.reports.leaderboard import kept_statistics, measured_board
from talkbench.reports.leaderboard.build import build_site
from talkbench.results.entries import load_entries


def rendered(root: Path) -> dict[str, bytes]:
    return build_site(load_entries(root), site_entries.CARDS).render()


def test_a_second_build_is_the_same_and_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    root, kept = tmp_path / "entries", tmp_path / "home" / "leaderboard"
    for level, name in enumerate(("good", "bad")):
        site_entries.write(root, name, method=f"{name}-method", metrics=("l1", "psnr"), level=level / 2)
    first = rendered(root)
    assert len(list(kept.iterdir())) == 2
    computed = []

    def ranks(*arguments, original=measured_board.rank_intervals):
        computed.append(arguments[1])
        return original(*arguments)

    monkeypatch.setattr(measured_board, "rank_intervals", ranks)
    assert rendered(root) == first
    assert computed == []
    damaged, other = kept.iterdir()
    damaged.write_bytes(damaged.read_bytes()[:-3])
    other.write_text('{"ranks": {}, "intervals": [[1, 2]]}')
    assert rendered(root) == first
    assert sorted(computed) == ["l1", "psnr"]
    site_entries.write(root, "another", method="another-method", metrics=("l1",), level=0.2)
    assert rendered(root) != first
    assert computed[2:] == ["l1"], "the other column is as it was"
    monkeypatch.setattr(kept_statistics, "BOUND", 1)
    kept_statistics.keep("new", {}, [])
    assert list(kept.iterdir()) == []
    monkeypatch.setenv("TALKBENCH_HOME", str(root / "good" / "entry.json"))  # no folder can be made there
    assert rendered(root) != first
