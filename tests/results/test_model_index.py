"""What model cards say of evaluations."""

from pathlib import Path

import pytest

from talkbench.results.entries import Entry
from talkbench.results.loading import read_results
from talkbench.results.model_index import model_index


def test_metadata_of_a_model_card(sound: Entry, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    (tmp_path / "README.md").write_text(model_index(read_results(sound.folder)) + "# Mine\n")
    eval_results = hub.ModelCard.load(tmp_path / "README.md").data.eval_results
    assert {result.metric_name for result in eval_results} == {spec.name for spec in sound.record.metrics}
    ssim = next(result for result in eval_results if result.metric_type == "ssim")
    assert ssim.metric_value == 100 * sound.summary.metric("ssim@gauss11-valid").mean
    assert (ssim.dataset_type, ssim.dataset_split, ssim.task_type) == ("demo", "same-identity", "image-to-video")
    assert ssim.metric_args["protocol_id"] == sound.record.protocol_id("ssim@gauss11-valid")
