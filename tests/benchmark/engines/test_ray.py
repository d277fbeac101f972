"""`bench run --engine ray` on a cluster of two nodes gives the run that `local` gives, even if one of them leaves."""

import os
import signal
import socket
import threading
import time
from importlib import util
from pathlib import Path

import pytest

from talkbench.benchmark.engines import ray as engine
from talkbench.benchmark.engines.choice import check_engine, create_engine
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError

SMALL = 100 * 2**20
"""Bytes of a node's store of objects."""


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with a processor each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        from ray.cluster_utils import Cluster

        options, before = {"num_cpus": 1, "object_store_memory": SMALL}, signal.getsignal(signal.SIGTERM)
        cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
        cluster.add_node(**options)
        signal.signal(signal.SIGTERM, before)  # later tests of this process are told by it
        yield cluster
        cluster.shutdown()


def test_a_cluster_without_gpus_or_memory_is_told(cluster, monkeypatch):
    with pytest.raises(TalkbenchError, match=r"Ray cluster of 2 nodes has no GPUs; leave --device cuda out"):
        create_engine(f"ray:{cluster.address}", "cuda", Progress())
    monkeypatch.setattr(engine, "worker_memory", lambda: 2**50)
    with pytest.raises(TalkbenchError, match=r"has room for a worker: a worker may take 1048576.0 GiB"):
        create_engine(f"ray:{cluster.address}", "cpu", Progress())


def test_the_same_run(score, cluster):
    """A video with a metric that looks back and a failure, whose first worker is killed, too."""
    options = ("--task", "reconstruction", "--batch-size", 2, "--set", "fault=pair", "--videos", 1,
               "--metrics", "l1,flicker,missing-face-rate")  # fmt: skip
    local = score(*options, "--out", "local")
    Path("deaths").mkdir()
    spread = score(*options, "--set", "deaths=1", "--out", "spread", "--engine", f"ray:{cluster.address}")
    assert spread.code == 0, spread.err
    (line,) = (line for line in spread.err.splitlines() if line.startswith("warning"))
    assert "has died, or its node has; another does its work again" in line
    assert spread.rows.equals(local.rows)
    assert spread.summary == local.summary
    assert (spread.record.engine, spread.record.engine_workers) == ("ray", 2)
    assert "ready on cpu" in (spread.store.folder / "logs" / "worker-0.log").read_text()


def test_a_node_that_leaves_is_survived(score, cluster):
    options = ("--batch-size", 1, "--set", "noise=0.3")
    local = score(*options, "--out", "local")
    (node,) = cluster.worker_nodes

    def leave() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any("chunk" in log.read_text() for log in Path("spread").glob("logs/worker-*.log")):
                break
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=leave)
    thread.start()
    spread = score(*options, "--set", "sleep=0.3", "--out", "spread", "--engine", f"ray:{cluster.address}")
    thread.join()
    assert spread.code == 0, spread.err
    assert spread.rows.equals(local.rows)


def test_ray_does_not_take_the_signal_that_ends_the_command(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("ray.init", lambda **_: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    assert engine._begin({"address": "local"}) is None
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_ray(monkeypatch, score):
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == "ray" else util.find_spec(name))
    assert (
        score("--engine", "ray").complaint() == "bench: engine ray needs the package ray: pip install 'talkbench[ray]'"
    )


def test_an_address_that_does_not_answer(score):
    began = time.monotonic()
    line = score("--engine", "ray:127.0.0.1:1").complaint()
    assert line.startswith("bench: no Ray cluster answers at 127.0.0.1:1 (")
    assert time.monotonic() - began < engine.START
    assert "write host:6379, or auto" in score("--engine", "ray:nowhere").complaint()
    assert "give the cluster's own address" in score("--engine", "ray:ray://host:10001").complaint()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"HTTP/1.1 505 no\r\n"), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        line = score("--engine", f"ray:{address}").complaint()
    assert line == f"bench: what answers at {address} is no Ray cluster; check the address"
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rays", "did you mean ray"),
        ("local:2", "write local, processes, processes:4, ray or ray:ADDRESS"),
        ("processes:0", "write how many processes"),
        ("processes:", "write local"),
    ],
)
def test_an_unknown_engine(text, message):
    with pytest.raises(TalkbenchError, match=message):
        check_engine(text)
    assert os.environ.get("RAY_ADDRESS") is None
