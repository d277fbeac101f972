"""A stored run on the terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from talkbench.benchmark.cli.print.console import console, print_entries

if TYPE_CHECKING:
    from talkbench.benchmark.tracking import Tracked

SERVER = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` serves its pages unless it is told otherwise."""


def print_tracked(tracked: Tracked | None) -> None:
    """Where the table of the runs is in MLflow, and the command that serves it where the store is no server."""
    if tracked is None:
        return
    if tracked.store.startswith("http"):
        click.echo(f"MLflow  {tracked.page(tracked.store)}")
        return
    command = [_beside_python("mlflow"), "ui", "--backend-store-uri", tracked.store]
    click.echo(f"MLflow  {shlex.join(command)}")
    click.echo(f"        {tracked.page(SERVER)}")


def _beside_python(program: str) -> str:
    """The word to call a program of this environment by: its name, or its path if the environment is not active."""
    return program if shutil.which(program) else os.path.relpath(Path(sys.executable).parent / program)


def print_run(folder: Path) -> None:
    """The numbers of a run, as at its end, and how far models agree that measure one thing.

    Raises:
        TalkbenchError: files of the run are damaged.
    """
    from talkbench.reports.runs import Run
    from talkbench.reports.statistics.agreement import READING, agreements
    from talkbench.reports.tables.terminal import print_terminal
    from talkbench.results import RunStore

    run = Run.load(RunStore(folder))
    print_terminal(run.record, run.summary)
    if lines := agreements(run.record.metrics, run.pair_rows()):
        headings = ("how models agree", "pairs", "Spearman", "Pearson", "remarks")
        entries = [(f"{line.first} and {line.second}", *line.cells, line.problem) for line in lines]
        print_entries(headings, entries, headings[1:4])
        console().print(Text(READING, style="dim"), soft_wrap=True)
    if (folder / "index.html").is_file():
        console().print(Text(f"page    {folder / 'index.html'}"), soft_wrap=True)
