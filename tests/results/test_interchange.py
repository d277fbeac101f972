"""Results for other programs, and the published ones as entries."""

import json
from pathlib import Path

import pytest

from talkbench import results
from talkbench.core.errors import TalkbenchError
from talkbench.results.entries import Entry
from talkbench.results.json_schema import json_schema
from talkbench.results.loading import load_pairs, read_results
from talkbench.results.model_index import model_index
from talkbench.results.published import cells
from talkbench.results.published.lines import published_entries
from talkbench.results.run_store import RunStore

ROOT = Path(__file__).parents[2]


def test_results_as_a_data_frame(sound: Entry, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs" / "one")
    store.write_record(sound.record)
    with pytest.raises(TalkbenchError, match="neither is nor holds a finished run"):
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


def test_metadata_of_a_model_card(sound: Entry, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    (tmp_path / "README.md").write_text(model_index(read_results(sound.folder)) + "# Mine\n")
    found = hub.ModelCard.load(tmp_path / "README.md").data.eval_results
    assert {result.metric_name for result in found} == {spec.name for spec in sound.record.metrics}
    ssim = next(result for result in found if result.metric_type == "ssim")
    assert ssim.metric_value == 100 * sound.summary.metric("ssim@gauss11-valid").mean
    assert (ssim.dataset_type, ssim.dataset_split, ssim.task_type) == ("demo", "same-identity", "image-to-video")
    assert ssim.metric_args["protocol_id"] == sound.record.protocol_id("ssim@gauss11-valid")


def test_the_json_schema_is_current(sound: Entry) -> None:
    path = ROOT / "docs" / "result-files.schema.json"
    assert path.read_text(encoding="utf-8") == json_schema(), f"run: bench results schema --out {path}"
    forms = json.loads(json_schema())["$defs"]
    for name, form in (("entry.json", "EntryInfo"), ("run.json", "RunRecord"), ("summary.json", "Summary")):
        content = json.loads((sound.folder / name).read_text())
        assert set(content) == set(forms[form]["properties"])
        assert forms[form]["additionalProperties"] is False


def test_published_numbers_are_entries_too() -> None:
    entries = published_entries()
    assert len({entry.name for entry in entries}) == len(entries)
    assert sum(len(entry.cells) for entry in entries) == len(cells())
    mine = next(entry for entry in entries if entry.name == "published-paper-1a--mraa--voxceleb1--same-identity")
    assert (mine.label, mine.provenance, mine.cell("SSIM").value) == ("MRAA", "published", "80.0")
    assert mine.cell("FID") is None
    assert all(cell.provenance for entry in entries for cell in entry.cells if cell.value)
