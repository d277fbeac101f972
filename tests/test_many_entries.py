"""The script that makes many entries makes sound ones."""

from pathlib import Path

import many_entries

from talkbench.results.entries import load_entries
from talkbench.results.validation import faults


def test_many_entries(tmp_path: Path) -> None:
    many_entries.make(tmp_path, entries=3, clusters=5, pairs=20, cross=True, lost=True)
    entries = load_entries(tmp_path)
    assert [entry.record.method.name for entry in entries] == ["system-000", "system-001", "system-002"]
    assert len({entry.summary.metric("l1").mean for entry in entries}) == 3
    assert faults(tmp_path / "system-002") == []
