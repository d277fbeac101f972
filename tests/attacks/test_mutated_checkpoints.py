"""A sample of `mutated_checkpoints`, small enough for every run of the tests."""

from pathlib import Path

import pytest
from attacks.mutated_checkpoints import METHOD, attack

from talkbench.methods import cards


@pytest.mark.filterwarnings("ignore")
def test_spoiled_checkpoints_are_taken_or_refused_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cards, "known_names", lambda: [METHOD, "fomm@demo"])  # to build all methods takes seconds
    monkeypatch.chdir(tmp_path)
    tally = attack(16, 1, tmp_path)
    assert tally.tried == 32
    assert tally.taken
    assert tally.bad == []
