"""Results as data frames."""

from pathlib import Path

import pytest

from talkbench import results
from talkbench.core.errors import TalkbenchError
from talkbench.results.entries import Entry
from talkbench.results.loading import load_pairs
from talkbench.results.run_store import RunStore


def test_results_as_a_data_frame(sound: Entry, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs" / "one")
    store.write_record(sound.record)
    with pytest.raises(TalkbenchError, match="there is no finished run in"):
        results.load(tmp_path / "runs")
    store.write_summary(sound.summary)
    store.append([results.Row.model_validate(row) for row in sound.rows().to_dict("records")])
    frame = results.load(tmp_path / "runs", sound.folder)
    assert list(frame["run"]) == ["one"] * 4 + ["mine"] * 4
    assert frame[frame["run"] == "one"].iloc[:, 1:].equals(frame[frame["run"] == "mine"].reset_index().iloc[:, 2:])
    ssim = frame[frame["metric"] == "ssim@gauss11-valid"].iloc[0]
    assert ssim["value"] == 100 * sound.summary.metric("ssim@gauss11-valid").mean
    assert (ssim["unit"], ssim["direction"], ssim["pairs"]) == ("percent", "higher", 8)
    assert ssim["protocol_id"] == sound.record.protocol_id("ssim@gauss11-valid")
    pairs = load_pairs(sound.folder.parent)
    assert pairs[pairs["metric"] == "ssim@gauss11-valid"]["value"].mean() == pytest.approx(ssim["value"], rel=1e-12)
    assert list(pairs["pair"]) == list(sound.rows()["pair"])


def test_many_entries_are_loaded_without_their_rows(sound: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "rows", lambda entry: pytest.fail("all rows together fill the memory"))
    assert len(results.load(sound.folder)) == 4
