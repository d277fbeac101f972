"""Stores of MLflow that are awkward: made by several runs at once, slow without end, oddly named, half deleted."""

import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import forked
import pytest
from mlflow import MlflowClient
from mlflow_user import track

from talkbench.benchmark import tracking
from talkbench.benchmark.tracking import tracking_uri

ODD = ("quest?ion", "per%20cent", "ha#sh", "a blank", "Grüße", "50% of 100?")


@pytest.fixture
def trickling() -> Iterator[str]:
    """The address of a server that answers each request with a byte now and then, and never to the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def drip(connection: socket.socket) -> None:
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
                )
                while not stop.wait(0.05):
                    connection.sendall(b" ")

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stop.set()


def test_a_server_that_answers_byte_by_byte(trickling, score, monkeypatch):
    monkeypatch.setattr(tracking, "CALL", 0.5)
    result = score("--tracking-uri", trickling)
    assert result.code == 0, result.err
    (warning,) = (line for line in result.err.splitlines() if line.startswith("warning"))
    assert warning == (f"warning: MLflow at {trickling} failed, the run goes on without it (no answer within 0.5 s)")


def test_a_server_that_hangs_later_does_not_hold_up_the_end_of_the_process(trickling, clips, place):
    """The process has ended although its call has not."""
    script = (
        "import sys; from talkbench.benchmark import tracking; from talkbench.benchmark.cli import main\n"
        "tracking.CALL = 0.5; sys.argv[0] = 'bench'; main.main()"
    )
    command = ["run", "--method", "blend", "--dataset", "tiny", "--metrics", "l1", "--root", str(clips), "--limit", "2"]
    ended = subprocess.run(
        [sys.executable, "-P", "-c", script, *command, "--tracking-uri", trickling],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("failed, the run goes on without it") == 1


def test_three_first_runs_at_once_are_all_tracked(score, place, monkeypatch):
    """Each of them comes upon a store that is not there. Threads do not live through a fork of this
    process."""
    scored = score("--limit", 2, "--out", "scored").store
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    names = ["one", "two", "three"]
    context = forked.context()
    address = tracking_uri(None, Path("runs"))
    processes = [context.Process(target=track, args=(scored, name, address)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    client = MlflowClient(f"sqlite:///{place}/runs/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'tiny/same-identity'")
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert {run.data.tags["talkbench.run_id"] for run in runs} == {*names}


@pytest.mark.parametrize("name", ODD)
def test_the_store_lies_in_the_working_folder_whatever_its_name(empty_store, score, place, monkeypatch, name):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (place / name / "runs").mkdir(parents=True)
    shutil.copy(empty_store, place / name / "runs" / "mlflow.db")
    monkeypatch.chdir(place / name)
    before = {path.name for path in place.iterdir()}
    result = score("--limit", 1)
    assert result.code == 0, result.err
    assert "warning" not in result.err
    assert {path.name for path in place.iterdir()} == before
    with sqlite3.connect(place / name / "runs" / "mlflow.db") as database:
        ((status, artifacts),) = database.execute("SELECT status, artifact_uri FROM runs").fetchall()
    assert status == "FINISHED"
    (files,) = (place / name / "runs" / "mlartifacts").iterdir()
    assert artifacts.startswith((place / name / "runs" / "mlartifacts").as_uri())
    assert (files / "artifacts" / "index.html").is_file()


def test_a_deleted_experiment_is_named_with_what_brings_it_back(store, score):
    score("--limit", 1)
    experiment = store.get_experiment_by_name("tiny/same-identity")
    store.delete_experiment(experiment.experiment_id)
    result = score("--limit", 2)
    (warning,) = (line for line in result.err.splitlines() if line.startswith("warning"))
    assert warning.endswith(
        f"(its experiment tiny/same-identity was deleted: mlflow experiments restore -x {experiment.experiment_id}, or "
        "mlflow gc for good; after that, the same command with --resume tracks the run)"
    )
    store.restore_experiment(experiment.experiment_id)
    assert "warning" not in score("--limit", 2, "--resume").err
    assert len(store.search_runs([experiment.experiment_id])) == 2


def test_runs_of_one_second_are_two_runs_in_mlflow(store, score):
    names = {score("--limit", 1).record.run_id for _ in range(2)}
    assert len(names) == 2
    experiment = store.get_experiment_by_name("tiny/same-identity")
    assert {run.data.tags["talkbench.run_id"] for run in store.search_runs([experiment.experiment_id])} == names
