"""`bench run --engine processes` gives the run that `local` gives, whatever happens to its workers."""

from pathlib import Path

import forked
import pytest

from talkbench.benchmark.engines import processes

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
