"""`bench run --engine processes` gives the run that `local` gives, whatever happens to its workers."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import forked
import pytest

import talkbench as tb
from talkbench import datasets
from talkbench.benchmark.engines import processes
from talkbench.benchmark.engines.choice import create_engine
from talkbench.benchmark.engines.interface import Place
from talkbench.benchmark.engines.memory import GIB
from talkbench.benchmark.engines.pair_work import PairWork
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home
from talkbench.methods.baselines import CopySource
from talkbench.methods.cards import Weights

VIDEO = ("--task", "reconstruction", "--videos", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that need not import everything anew."""
    monkeypatch.setattr(processes, "get_context", lambda _: forked.context())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


@pytest.mark.parametrize(
    "options",
    [
        ("--batch-size", 3, "--set", "noise=0.3", "--save-frames"),
        ("--batch-size", 2, "--set", "fault=pair", "--metrics", "l1,flicker,missing-face-rate", *VIDEO),
    ],
    ids=["pairs", "a video with a failure"],
)
def test_the_same_run(score, options):
    local = score(*options, "--out", "local")
    assert local.code == 0, local.err
    several = score(*options, "--out", "several", "--engine", "processes:2")
    assert several.code == 0, several.err
    assert several.rows.equals(local.rows)
    assert several.summary == local.summary
    assert contents(several.store.folder) == contents(local.store.folder)
    assert several.record.differences(local.record) == []
    assert several.record.random == local.record.random
    assert (several.record.engine, several.record.engine_workers) == ("processes", 2)


def test_frames_of_another_program(score, bench, clips):
    score("--out", "made", "--save-frames", "--batch-size", 3)
    given = (
        "run",
        "--frames",
        "made/frames",
        "--name",
        "mine",
        "--dataset",
        "tiny",
        "--root",
        clips,
        "--metrics",
        "l1",
    )
    local = bench(*given, "--batch-size", 2, "--limit", 12, "--out", "local")
    several = bench(*given, "--batch-size", 2, "--limit", 12, "--out", "several", "--engine", "processes:2")
    assert several.code == 0, several.err
    assert several.rows.equals(local.rows)


def test_a_worker_that_is_killed_costs_its_chunk_alone(score, place):
    """The third one ends the run in one line, and --resume goes on from what was written."""
    options = ("--batch-size", 1, "--engine", "processes:2")
    deaths = place / "deaths"
    deaths.mkdir()
    whole = score("--batch-size", 1, "--out", "whole")
    survived = score(*options, "--set", "deaths=1", "--out", "survived")
    assert survived.code == 0, survived.err
    (line,) = (line for line in survived.err.splitlines() if line.startswith("warning"))
    assert "has died, killed by SIGKILL" in line
    assert survived.rows.equals(whole.rows)
    stopped = score(*options, "--set", "deaths=9", "--out", "stopped")
    assert stopped.code == 2
    assert stopped.err.splitlines()[-1].startswith("bench: 3 workers have died at the same pairs, the last killed by ")
    resumed = score("--batch-size", 1, "--out", "stopped", "--resume")
    assert resumed.code == 0, resumed.err
    assert resumed.rows.equals(whole.rows)


def test_an_interrupt_ends_all_workers(place, clips):
    """Ctrl-C, as the terminal sends it: to the command and its workers."""
    command = ["run", "--method", "blend", "--dataset", "tiny", "--metrics", "l1", "--videos", "0", "--root", clips]
    command += ["--engine", "processes:2", "--batch-size", "1", "--set", "sleep=0.3", "--out", place / "mine"]
    process, printed = forked.start(forked.bench, *map(str, command))
    deadline = time.monotonic() + 60
    while not any("chunk" in log.read_text() for log in (place / "mine").glob("logs/*.log")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    psutil = pytest.importorskip("psutil")
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(process.pid, signal.SIGINT)
    process.join(30)
    assert process.exitcode == 130
    printed.close()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in alive if "resource_tracker" not in " ".join(worker.cmdline())]


def test_a_machine_that_differs_is_named(score, clips):
    """As the node of a cluster checks it before it begins."""
    store = score("--out", "mine", "--limit", 2).store
    record = store.read_record()
    options = RunOptions("blend", "tiny", root=clips, metrics=("l1", "psnr"), limit=2)
    split = datasets.create("tiny", root=clips).split("same-identity").head(2)

    def opened(**changes):
        work = PairWork(options, record, split, None, Weights("blend", None, ""), frozenset(), 0, Path.cwd(), home())
        with replace(work, **changes).open(Place()):
            pass

    opened()
    other = record.model_copy(update={"libraries": {**record.libraries, "torch": "0.1"}})
    with pytest.raises(TalkbenchError, match=r"^on .*: .*\(libraries.torch: 0.1 / .*\)"):
        opened(record=other)
    with pytest.raises(TalkbenchError, match=r"^on .*: there is no folder /nowhere here"):
        opened(folder=Path("/nowhere"))
    missing = datasets.Split("tiny", "same-identity", "absolute", Path("/gone"), split.pairs)
    with pytest.raises(TalkbenchError, match=r"^on .*: no driving frame can be read; the first: .*/gone"):
        opened(split=missing)


def test_where_memory_is_short_the_number_that_fits_is_told(monkeypatch):
    told = []

    class Listener(Progress):
        def warn(self, line):
            told.append(line)

    monkeypatch.setattr(processes, "worker_memory", lambda: 2 * GIB)
    monkeypatch.setattr(processes, "free_memory", lambda: 5 * GIB)
    assert create_engine("processes:2", "cpu", Listener()).workers == 2
    assert told == []
    assert create_engine("processes:3", "cpu", Listener()).workers == 3
    assert told == ["3 workers may take 2.0 GiB each, and 5.0 GiB are free; processes:2 fits"]


def test_a_method_of_ones_own(clips):
    """An object that can be sent is, with all that it holds."""
    common = {"root": clips, "metrics": ["l1"], "image_size": 48, "batch_size": 3, "progress": False}
    local, several = (
        tb.evaluate(CopySource(), "tiny", engine=engine, **common).rows for engine in ("local", "processes:2")
    )
    assert several.equals(local)


def test_a_method_that_cannot_be_sent_is_told(clips):
    class Local(CopySource):
        """Of a function, so that no other process can import it."""

    with pytest.raises(TalkbenchError, match="the work cannot be sent to another process"):
        tb.evaluate(Local(), "tiny", root=clips, metrics=["l1"], engine="processes:2", image_size=48, progress=False)
