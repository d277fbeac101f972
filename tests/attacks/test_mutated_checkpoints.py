"""A sample of `mutated_checkpoints`, small enough for every run of the tests."""

from pathlib import Path

import pytest
from attacks.mutated_checkpoints import attack


@pytest.mark.filterwarnings("ignore")
def test_spoiled_checkpoints_are_taken_or_refused_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tally = attack(20, 1, tmp_path)
    assert tally.tried == 40
    assert tally.taken
    assert tally.bad == []
