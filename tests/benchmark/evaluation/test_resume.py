"""A run that dies is continued by the same command and gives the very same numbers."""

import os
import shutil
import time
from pathlib import Path

import forked
import numpy as np
import pytest

from talkbench.core.files import write_atomic
from talkbench.core.locks import locked
from talkbench.results import RunStore

BATCHES = 16
SLEEP = 0.15


def parts(folder: Path) -> int:
    return len(list(folder.glob("rows/part-*.parquet")))


def kill_after(command: list[str], folder: Path, done: int, pause: float) -> None:
    """Start `command` and kill it `pause` seconds after there are `done` parts."""
    process, printed = forked.start(forked.impatient_bench, *command)
    printed.close()
    deadline = time.monotonic() + 60
    while parts(folder) < done:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(pause)
    process.kill()
    process.join()


def test_killed_at_three_random_moments(score, bench, clips):
    settings = ("--batch-size", 1, "--set", "noise=0.3")
    whole = score(*settings, "--out", "whole", "--save-frames")
    folder = whole.cwd / "killed"
    command = ["run", "--method", "blend", "--dataset", "tiny", "--metrics", "l1,psnr", "--root", clips, *settings]
    command += ["--out", folder, "--save-frames", "--resume"]
    rng = np.random.default_rng()
    moments = [(int(rng.integers(first, first + 2)), float(rng.uniform(0, SLEEP))) for first in (0, 2, 4)]
    print("killed after parts and seconds:", moments)  # shown if the test fails
    for moment in moments:
        kill_after([*map(str, command), "--set", f"sleep={SLEEP}"], folder, *moment)
        assert moment[0] <= parts(folder)
        assert len(RunStore(folder).done()) < BATCHES
    again = bench(*command)
    assert again.code == 0, again.err
    assert "continuing" in again.err
    assert again.store.folder == folder
    assert again.rows.equals(whole.rows)
    for name in ("summary.json", "table.md", "pictures", "frames"):
        assert contents(folder / name) == contents(whole.store.folder / name)
    assert (whole.store.folder / "index.html").is_file()


def contents(path: Path) -> list[tuple[str, bytes]]:
    files = sorted(path.rglob("*.png")) if path.is_dir() else [path]
    return [(file.name, file.read_bytes()) for file in files]


def test_an_interrupt_keeps_what_is_done(score, monkeypatch):
    """Ctrl-C in the fourth batch."""
    written = []

    def append(store, rows, original=RunStore.append):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(rows)
        original(store, rows)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", append)
        stopped = score("--batch-size", 3)
    assert stopped.code == 130
    assert stopped.err.splitlines()[-1].startswith("bench: stopped; ")
    assert "--resume" in stopped.err
    assert len(stopped.store.done()) == 9
    resumed = score("--batch-size", 3, "--resume")
    assert resumed.store.folder == stopped.store.folder
    assert "9/16" in resumed.err or "16/16" in resumed.err
    assert resumed.rows.equals(score("--batch-size", 3).rows)


def test_a_run_made_otherwise_is_not_continued(score):
    first = score("--out", "mine", "--batch-size", 4)
    rows = first.rows
    for options, difference in [
        (("--set", "noise=0.5", "--batch-size", 4), "method.settings.noise: 0.0 / 0.5"),
        (("--limit", 3, "--batch-size", 4), "dataset.pairs: 16 / 3"),
        (("--motion", "relative-first", "--batch-size", 4), "dataset.motion: absolute / relative-first"),
        (("--metrics", "l1", "--batch-size", 4), "metrics.psnr"),
    ]:
        complaint = score("--out", "mine", "--resume", *options).complaint()
        assert complaint.startswith(f"bench: mine was made otherwise ({difference}")
        assert complaint.endswith("choose another --out")
    assert RunStore(first.store.folder).rows().equals(rows)


def test_a_run_is_not_overwritten(score):
    summary = score("--out", "mine", "--limit", 2).summary
    complaint = score("--out", "mine", "--limit", 2).complaint()
    assert complaint == "bench: mine holds a run; continue it with --resume or choose another --out"
    assert RunStore("mine").read_summary() == summary
    (RunStore("mine").folder / "run.json").unlink()
    assert "rows of a run without its run.json" in score("--out", "mine", "--limit", 2).complaint()


@pytest.mark.parametrize("damage", ["empty", "text", "newer"])
def test_a_damaged_record_is_named(score, place, damage):
    content = {"empty": "", "text": "not JSON", "newer": '{"schema_version": 99}'}[damage]
    write_atomic(place / "mine" / "run.json", content)
    assert "mine/run.json" in score("--out", "mine", "--resume").complaint()


@pytest.mark.usefixtures("parted")
def test_a_damaged_part_is_named(score):
    store = score("--out", "mine", "--batch-size", 8).store
    part = store.folder / "rows" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    refused = score("--out", "mine", "--batch-size", 8, "--resume")
    assert refused.code == 2
    assert "part-00001.parquet is damaged" in refused.err.splitlines()[-1]
    part.unlink()
    assert len(score("--out", "mine", "--batch-size", 8, "--resume").rows) == 32


@pytest.mark.usefixtures("parted")
def test_a_full_disk_loses_nothing(score, monkeypatch):
    """The disk is full when the third part is written, and has room again later."""
    import pyarrow.parquet as pq

    written = []

    def write_table(writer, table, original=pq.ParquetWriter.write_table):
        if len(written) == 2:
            raise OSError(28, os.strerror(28))
        written.extend([writer] if "metric" in table.column_names else [])
        original(writer, table)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", write_table)
        full = score("--batch-size", 4)
    assert full.code == 2
    last = full.err.splitlines()[-1]
    assert last.startswith("bench: cannot write runs/")
    assert last.endswith("No space left on device; free some space")
    assert parts(full.store.folder) == 2
    resumed = score("--batch-size", 4, "--resume")
    assert resumed.rows.equals(score("--batch-size", 4).rows)
    assert len(list(Path("runs").glob("*/"))) == 2


def test_a_run_that_moved_is_continued_where_it_is(score):
    first = score("--batch-size", 8)
    next((first.store.folder / "rows").iterdir()).unlink()
    shutil.move(first.store.folder, "elsewhere")
    assert len(score("--batch-size", 8, "--out", "elsewhere", "--resume").rows) == 32


@pytest.mark.parametrize("begun", [False, True], ids=["a new run", "one to continue"])
def test_two_processes_do_not_write_one_run(score, place, begun):
    folder, options = place / "mine", ("--out", "mine", "--limit", 2)
    if begun:
        score(*options)
    options += ("--resume",) if begun else ()
    before = {path for path in folder.rglob("*.*") if path.name != ".lock"}
    with locked(folder, "is here"):
        line = score(*options).complaint()
        assert {path for path in folder.rglob("*.*") if path.name != ".lock"} == before
    assert " is writing to mine; wait until it has finished" in line
    assert score(*options).code == 0
