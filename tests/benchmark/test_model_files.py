"""Who needs which of the metrics' model files, and which of them a name stands for."""

from importlib.metadata import EntryPoint

import pytest

from talkbench import metrics
from talkbench.benchmark.model_files import named, users
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import weights
from talkbench.metrics.extractors import registry as extractors


def test_every_file_is_needed() -> None:
    known = users()
    assert [name for name, needed in known.items() if not needed] == []
    assert set(known) == set(weights.files())
    assert [known.pop(name) for name in ("vgg19", "hopenet")] == [["bench train"], ["bench train"]]
    for name, needed in known.items():
        assert all(name in (named(metric) or ()) for metric in needed)


def test_a_metric_needs_its_own_files_its_extractor_s_and_what_that_one_uses() -> None:
    assert named("lpips@vgg") == ["vgg16"]
    assert named("aed") == named("aed@openface-nn4") == named("openface-nn4") == ["openface-nn4"]
    assert named("ssim") == []
    assert named("akd") == ["s3fd", "fan-2d"]
    for name in extractors.names():
        extractor = metrics.create_extractor(name)
        found = named(name)
        assert found is not None
        assert set(extractor.weights) <= set(found)
        assert extractor.uses is None or set(named(extractor.uses) or ()) <= set(found)
    assert named("mcnet") is None
    with pytest.raises(TalkbenchError, match=r"unknown metric 'aed@opnface': did you mean"):
        named("aed@opnface")


def test_what_a_broken_plugin_needs_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_library:Broken", metrics.registry.group)
    assert "broken" not in metrics.registry.names()
    monkeypatch.setitem(metrics.registry._plugins, "broken", broken)
    monkeypatch.setattr(metrics.registry, "_broken", {})
    assert "lpips@vgg" in users()["vgg16"]
    assert named("broken") is None
