"""The `bench` command itself: help, lists, tables and messages."""

import csv
import io
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from talkbench import datasets, metrics
from talkbench.benchmark.cli import progress
from talkbench.benchmark.cli.main import bench as group

COMMANDS = sorted(group.commands)


def test_help_is_quick():
    """Half a second of processor time, so that other programs do not spoil the measurement."""
    command = [str(Path(sys.executable).parent / "bench"), "--help"]
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.5


def test_help_names_every_command_with_a_whole_sentence(bench):
    result = bench("--help")
    assert result.code == 0
    assert COMMANDS == [
        "animate",
        "cache",
        "check",
        "compare",
        "data",
        "figure",
        "inspect",
        "leaderboard",
        "list",
        "perf",
        "results",
        "run",
        "show",
        "tables",
        "train",
        "verify",
        "weights",
    ]
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*[^.]\.$", result.out, re.MULTILINE)
    assert bench().out == bench("-h").out == result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(bench, command):
    result = bench(command, "--help")
    assert result.code == 0
    if command != "list":
        assert f"bench {command}" in result.out.partition("\n")[2], "an example"
    for parameter in group.commands[command].params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name
            assert parameter.opts[0] in result.out


def test_version(bench):
    result = bench("--version")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"bench, version \d+\.\d+\.\d+\S*\n", result.out)


def listed(result) -> dict[str, str]:
    """By name, the rest of the line."""
    assert result.code == 0, result.err
    return {line.split()[0]: line.partition(" ")[2].strip() for line in result.out.splitlines()[1:]}


def test_methods_are_listed_on_a_line_each(bench):
    found = listed(bench("list", "methods"))
    assert {"blend", "copy-source", "mcnet", "mcnet@demo", "oracle"} <= set(found)
    assert found["copy-source"] == "No motion at all: the source image for every driving frame"
    assert found["mcnet"].startswith("2023 ")
    assert found["blend"] == "The mean of source and driving frame"


def test_metrics_are_listed_with_what_they_need(bench, monkeypatch):
    from talkbench.metrics.extractors.mtcnn import Mtcnn5

    found = listed(bench("list", "metrics"))
    assert set(found) == {metrics.create(name).variant for name in metrics.registry.names()}
    assert found["psnr"].startswith("higher  dB")
    monkeypatch.setattr(Mtcnn5, "problem", lambda self: "needs a file")
    assert "(not available here: needs a file)" in listed(bench("list", "metrics"))["akd@mtcnn5"]


def test_datasets_are_listed_with_their_tasks(bench):
    found = listed(bench("list", "datasets"))
    assert set(found) == {*datasets.registry.names(), "tiny"}
    assert found["tiny"].startswith("same-identity, cross-identity, reconstruction")


def test_a_broken_plugin_does_not_hide_the_others(bench, place, monkeypatch):
    """One without its card, and one that cannot be imported."""
    plugin = place / "broken"
    (plugin / "broken-1.0.dist-info").mkdir(parents=True)
    (plugin / "broken-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (plugin / "broken-1.0.dist-info" / "entry_points.txt").write_text(
        "[talkbench.datasets]\ncardless = cardless:Cardless\nabsent = no_such_module:Data\n"
    )
    (plugin / "cardless.py").write_text(
        "from talkbench.datasets import Dataset\n"
        "class Cardless(Dataset):\n    name = 'cardless'\n    def prepare(self): ...\n"
    )
    monkeypatch.syspath_prepend(str(plugin))
    found = listed(bench("list", "datasets"))
    assert found["cardless"].startswith("broken: ")
    assert "card.yaml" in found["cardless"]
    assert "cannot be imported" in found["absent"]
    assert "two drawn clips" in found["tiny"]


def test_tables_without_runs_are_the_published_ones(bench):
    result = bench("tables")
    assert result.code == 0, result.err
    assert "| FOMM" in result.out
    assert "*Measured*" not in result.out
    assert bench("tables", "--measured").complaint().startswith("bench: no runs to tabulate")


def test_tables_hold_the_runs(bench, score):
    score("--out", "mine", "--limit", 2)
    score("--limit", 3)
    assert "| blend (n = 3) |" in bench("tables").out
    assert "n = 2" not in bench("tables").out
    both = bench("tables", "mine", *Path("runs").iterdir()).out
    assert "| FOMM<sup>" in both
    assert both.count("| blend, run blend-tiny-same-identity-") == 2
    assert "blend" in bench("tables", "mine", "--format", "terminal").out


def test_what_is_no_run_is_passed_over_aloud(bench, score, place):
    score("--limit", 2)
    (place / "runs" / "mlflow.db").write_text("")
    result = bench("tables", *sorted(Path("runs").iterdir()))
    assert "blend (n = 2)" in result.out
    assert result.err == "passed over, as it is not the folder of a run: runs/mlflow.db\n"
    refused = bench("tables", "runs/mlflow.db")
    assert refused.code == 2
    assert refused.err.endswith("bench: no run to tabulate; give the folder of at least one\n")


def test_tables_of_what_was_measured(bench, score):
    score("--limit", 2, "--metrics", "ssim@uniform7-dr2")
    markdown = bench("tables", "--measured").out
    assert "ssim@uniform7-dr2" in markdown
    assert "FOMM" not in markdown


@pytest.mark.parametrize(
    ("form", "sign"), [("markdown", "| :--"), ("latex", r"\toprule"), ("csv", "block,system,"), ("html", "<table")]
)
def test_tables_in_every_format_on_the_terminal_or_in_a_file(bench, score, form, sign):
    store = score("--limit", 2).store
    shown = bench("tables", store.folder, "--format", form)
    assert shown.code == 0, shown.err
    assert sign.lower() in shown.out.lower()
    written = bench("tables", store.folder, "--format", form, "--out", "sub/table")
    assert written.out == ""
    assert Path("sub/table").read_text() == shown.out
    if form == "csv":
        lines = list(csv.DictReader(io.StringIO(shown.out)))
        assert lines[-1]["system"] == "blend (n = 2)"
        assert float(lines[-1]["L1 ↓"]) > 0


def test_tables_that_cannot_be_written(bench, place):
    (place / "file").write_text("in the way")
    assert "cannot write file/table" in bench("tables", "--out", "file/table").complaint()


def test_a_run_that_lost_its_rows_is_incomplete(bench, score):
    store = score("--limit", 2).store
    shutil.rmtree(store.folder / "rows")
    assert "blend (incomplete, n = 0 of 2)" in bench("tables", store.folder).out


def test_messages_are_one_line_where_nobody_watches(capsys):
    long = "a message of many words " * 20
    display = progress.RunDisplay()
    display.say(long)
    display.warn(long)
    assert capsys.readouterr().err.splitlines() == [long, f"warning: {long}"]


def test_the_bar_shows_speed_and_time_left(monkeypatch):
    """On a terminal, after two of eight batches that took a second each."""
    screen = io.StringIO()
    monkeypatch.setattr(progress, "STDERR", Console(file=screen, force_terminal=True, width=100, color_system=None))
    clock = iter(range(10_000))
    display = progress.RunDisplay()
    monkeypatch.setattr(display._progress, "get_time", lambda: float(next(clock)) / 2)
    with display:
        display.start(8, 40)
        for _ in range(3):
            display.advance(4)
        display._progress.refresh()
    shown = screen.getvalue()
    assert "20/40" in shown
    assert re.search(r"\d+\.\d pairs/s", shown)
    assert re.search(r"0:00:\d\d", shown)


def test_a_pipe_that_closes_early_is_no_traceback(shell, place):
    bench = Path(sys.executable).parent / "bench"
    command = f"{bench} tables | head -n 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=os.environ)
    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 1


def test_run_in_a_process_of_its_own(shell, clips):
    """The script that is installed, from the command line to the exit code."""
    result = shell("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--metrics", "l1,ssim")
    assert result.code == 0, result.err
    assert result.summary.metric("l1").pairs == 16
    assert "Traceback" not in result.err
