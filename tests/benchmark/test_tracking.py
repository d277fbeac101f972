"""Runs in MLflow, read back through its own client, and stores that are not there."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from talkbench.benchmark import tracking
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.runner import run
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.tracking import Tracker, tracking_uri
from talkbench.results import Row, RunStore, summarise

PATIENCE = 40
"""Seconds that a store which is down may cost a run, MLflow's own start included."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module", autouse=True)
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """A real server, which starts while the tests that do not need it run."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [str(Path(sys.executable).parent / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder / "log"
    with log.open("w") as output:
        environment = {**os.environ, **settings}
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, cwd=folder, start_new_session=True
        )
    yield f"http://127.0.0.1:{port}", process, log
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def server(starting) -> str:
    """The address of the server once it answers."""
    uri, process, log = starting
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=5)  # noqa: S310
            return uri
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


def only_run(client: MlflowClient, experiment: str = "tiny/same-identity"):
    found = client.get_experiment_by_name(experiment)
    (run,) = client.search_runs([found.experiment_id])
    return run


def check(client: MlflowClient, result) -> None:
    """Everything that MLflow should know of a finished run of the plugin's method."""
    tracked, record = only_run(client), result.record
    assert tracked.info.run_name == "blend"
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["method"] == "blend"
    assert tracked.data.params["method.noise"] == "0.0"
    assert tracked.data.params["pairs_sha256"] == record.dataset.pairs_sha256
    assert tracked.data.tags["talkbench.run_id"] == record.run_id
    assert tracked.data.tags["data_id"] == record.dataset.data_id != ""
    assert tracked.data.tags["protocol.l1"] == record.protocol_ids["l1"]
    assert tracked.data.metrics["l1"] == result.summary.metric("l1").mean
    means = {name.removesuffix(".video_mean") for name in tracked.data.metrics if "/" not in name}
    assert means == {spec.name.replace("@", ".") for spec in record.metrics}, "of every pair there is a value"
    history = client.get_metric_history(tracked.info.run_id, "pair/psnr")
    assert {entry.step: entry.value for entry in history} == result.values("psnr")
    assert len(history) == 16
    (used,) = tracked.inputs.dataset_inputs
    assert used.dataset.name == "tiny/same-identity"
    assert record.dataset.pairs_sha256.startswith(used.dataset.digest)
    assert tracked.data.metrics["system/process_memory_usage_megabytes"] > 0
    assert str(result.store.folder.resolve()) in tracked.data.tags["mlflow.note.content"]
    files = {file.path for file in client.list_artifacts(tracked.info.run_id)}
    assert files == {"index.html", "pictures", "run.json", "summary.json", "table.md", "videos"}
    pictures, videos = (client.list_artifacts(tracked.info.run_id, folder) for folder in ("pictures", "videos"))
    assert len(pictures) == len(list((result.store.folder / "pictures").iterdir()))
    assert {Path(file.path).suffix for file in videos} == {".mp4", ".jpg", ".json"}


def test_where_runs_are_tracked(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert tracking_uri(None, tmp_path) == "http://server"
    assert tracking_uri("off", tmp_path) == "off"


def test_the_default_store_is_beside_the_run(store, score):
    result = score("--videos", 8)
    assert result.code == 0, result.err
    assert "warning" not in result.err
    page = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
    assert (
        f"MLflow  mlflow ui --backend-store-uri sqlite:///{result.cwd}/runs/mlflow.db\n        {page}\n" in result.out
    )
    check(store, result)
    score("--limit", 2)
    experiment = store.get_experiment_by_name("tiny/same-identity")
    assert len(store.search_runs([experiment.experiment_id])) == 2
    assert experiment.artifact_location == (result.cwd / "runs" / "mlartifacts").as_uri()


def test_frames_that_were_given_are_named_by_their_hash(store, score, bench, clips):
    folder = score("--limit", 2, "--save-frames", "--tracking-uri", "off").store.folder / "frames"
    given = bench("run", "--frames", folder, "--name", "mine", "--dataset", "tiny", "--root", clips, "--limit", 2)
    params = only_run(store).data.params
    assert (params["method"], params["checkpoint_sha256"]) == ("mine", "None")
    assert params["frames_sha256"] == given.record.method.frames.sha256


def test_a_store_of_ones_own_choice(empty_store, score, place):
    """In a folder whose name needs quotes."""
    (place / "my store").mkdir()
    uri = f"sqlite:///{shutil.copy(empty_store, place / 'my store')}"
    result = score("--tracking-uri", uri, "--task", "reconstruction")
    assert only_run(MlflowClient(uri), "tiny/reconstruction").info.status == "FINISHED"
    assert f"MLflow  mlflow ui --backend-store-uri '{uri}'" in result.out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_dies_and_is_continued_is_one_run_in_mlflow(store, score, monkeypatch, number, code):
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", lambda *_: signal.raise_signal(number))
        stopped = score()
    assert stopped.code == code
    assert stopped.err.splitlines()[-1].endswith(f"; to go on: {shlex.join(sys.argv)} --resume")
    assert only_run(store).info.status == "KILLED"
    for _ in range(2):
        result = score("--videos", 8, "--resume")
        check(store, result)


def test_a_run_that_fails_is_marked_as_failed(store, score):
    assert score("--set", "fault=memory").code == 2
    assert only_run(store).info.status == "FAILED"


class Telling(Progress):
    """Tells when the first pairs are computed, and fails then if it is to."""

    def __init__(self, error: type[BaseException] | None = None) -> None:
        self.computed, self.error = threading.Event(), error

    def advance(self, count: int) -> None:
        self.computed.set()
        if self.error:
            raise self.error


def opening_waits_for(event: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(tracker, *facts, original=Tracker._open):
        assert event.wait(30)
        return original(tracker, *facts)

    monkeypatch.setattr(Tracker, "_open", opened)


def test_a_run_computes_while_its_store_opens(store, clips, monkeypatch):
    progress = Telling()
    opening_waits_for(progress.computed, monkeypatch)
    assert run(RunOptions("blend", "tiny", root=clips, metrics=("l1",), videos=0), progress).tracked
    assert only_run(store).info.status == "FINISHED"


def test_a_run_that_is_stopped_does_not_wait_long_for_its_store(store, clips, monkeypatch):
    opening_waits_for(never := threading.Event(), monkeypatch)
    monkeypatch.setattr(tracking, "LEAVING", 0.1)
    with pytest.raises(KeyboardInterrupt):
        run(RunOptions("blend", "tiny", root=clips, metrics=("l1",), videos=0), Telling(KeyboardInterrupt))
    never.set()


def test_infinite_values_are_counted_and_more_than_a_batch_is_logged(store, score):
    record = score("--limit", 1).record.model_copy(update={"run_id": "many"})
    frames = {"source_clip": "a", "source_index": 0, "driving_clip": "a", "driving_index": 1}
    many = RunStore("many")
    many.append([Row(pair=n, metric="psnr", value=float("inf") if n < 3 else 30.0 + n, **frames) for n in range(1500)])
    many.append([Row(pair=n, metric="l1", value=None, reason="no-face-target", **frames) for n in range(1500)])
    warnings: list[str] = []
    tracker = Tracker(tracking_uri(None, Path("runs")), warnings.append)
    tracker.start(record, Path("runs"))
    tracker.finish(record, many.rows(), summarise(many.rows(), record.metrics), [Path("not-there")])
    assert warnings == []
    experiment = store.get_experiment_by_name("tiny/same-identity")
    (tracked,) = store.search_runs([experiment.experiment_id], "tags.`talkbench.run_id` = 'many'")
    assert tracked.data.metrics["psnr.infinite"] == 3
    assert tracked.data.metrics["l1.failures"] == 1500
    assert "l1" not in tracked.data.metrics
    history = store.get_metric_history(tracked.info.run_id, "pair/psnr")
    assert sorted(entry.step for entry in history) == list(range(3, 1500))


def one_warning(result) -> str:
    assert result.code == 0, result.err
    (warning,) = [
        line for line in result.err.splitlines() if not line.lstrip().startswith(("pairs", "continuing")) and line
    ]
    assert "MLflow" not in result.out
    assert result.summary.metric("l1").pairs == 16
    return warning


def test_a_server_that_was_never_there(score):
    began = time.monotonic()
    warning = one_warning(score("--tracking-uri", f"http://me:secret@127.0.0.1:{free_port()}"))
    assert time.monotonic() - began < PATIENCE
    assert warning.startswith("warning: MLflow at http://127.0.0.1:")
    assert "failed, the run goes on without it" in warning
    assert "secret" not in warning


def test_a_password_is_not_recorded(score, capsys):
    result = score("--tracking-uri", "ftp://me:secret@host/x")
    assert "secret" not in one_warning(result)
    assert "secret" not in (result.store.folder / "run.json").read_text()
    assert "ftp://host/x" in result.record.command


def test_without_mlflow(score, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    warning = one_warning(score("--tracking-uri", "sqlite:///x.db"))
    assert warning == "warning: MLflow is not installed, so the run is not tracked: pip install 'talkbench[full]'"


def test_a_store_that_cannot_be_written(score, place):
    (place / "file").write_text("in the way")
    warning = one_warning(score("--tracking-uri", f"sqlite:///{place}/file/mlflow.db"))
    assert "failed, the run goes on without it" in warning


def test_a_server_has_it_all(server, score, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    result = score("--videos", 8)
    assert "warning" not in result.err
    experiment = MlflowClient(server).get_experiment_by_name("tiny/same-identity")
    page = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    assert f"MLflow  {server}/{page}\n" in result.out
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "View run" not in result.out
    check(MlflowClient(server), result)


class Stopping(Progress):
    """Sends a signal to the server when the first batch is done."""

    def __init__(self, process: subprocess.Popen[bytes], sent: signal.Signals) -> None:
        self.process, self.sent = process, sent
        self.warnings: list[str] = []

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def advance(self, count: int) -> None:
        os.killpg(self.process.pid, self.sent)


@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_is_stopped_midway(server, starting, clips, monkeypatch, capsys, sent):
    """It hangs, or it is gone: one warning, and the run is whole."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2" if sent is signal.SIGSTOP else "10")
    progress = Stopping(starting[1], sent)
    options = RunOptions("blend", "tiny", root=clips, metrics=("l1",), tracking_uri=server)
    began = time.monotonic()
    finished = run(options, progress)
    assert time.monotonic() - began < PATIENCE
    os.killpg(starting[1].pid, signal.SIGCONT)
    (warning,) = progress.warnings
    assert warning.startswith(f"MLflow at {server} failed, the run goes on without it (")
    assert capsys.readouterr() == ("", "")
    assert finished.summary.metric("l1").pairs == 16
    assert finished.tracked is None
    assert finished.page.is_file()
