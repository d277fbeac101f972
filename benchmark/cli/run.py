"""`bench run`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE, names, typed
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talkbench.benchmark.evaluation.grid import GridCell
    from talkbench.benchmark.evaluation.runner import Finished


@click.command()
@click.option("--method", help="Method to run, several with commas between, or all; see: bench list methods.")
@click.option("--frames", type=PATH, help="In place of --method: frames that another program made, to be scored.")
@click.option("--name", help="With --frames: what to call that program.")
@click.option(
    "--dataset", required=True, help="Data set, several with commas between, or all; see: bench list datasets."
)
@click.option(
    "--task", help="same-identity, cross-identity, reconstruction …, several, or all.  [default: the protocol's]"
)
@OPTIONS["motion"]
@OPTIONS["checkpoint"]
@OPTIONS["pairs"]
@OPTIONS["root"]
@click.option(
    "--metrics", callback=names,
    help="In place of the protocol's: comma-separated; see: bench list metrics.",
)  # fmt: skip
@click.option(
    "--protocol", default="talkbench-1", show_default=True,
    help="What is computed, and how; see: bench list protocols. Also a .yaml of your own.",
)  # fmt: skip
@click.option("--jpeg-quality", type=click.IntRange(1, 95), help="Send all images through JPEG files before scoring.")
@OPTIONS["limit"]
@OPTIONS["batch_size"]
@OPTIONS["workers"]
@click.option("--image-size", type=POSITIVE, help="For frames, and methods of any size.  [default: as stored]")
@OPTIONS["device"]
@click.option("--out", type=PATH, help="Folder of the run.  [default: runs/<method>-<dataset>-<task>-<time>]")
@click.option("--resume", is_flag=True, help="Continue the latest run of this very command (or the one in --out).")
@click.option("--strict", is_flag=True, help="A metric that cannot be computed here is an error.")
@click.option("--save-frames", is_flag=True, help="Keep every generated frame as PNG in the run's folder.")
@click.option("--tracking-uri", help="MLflow store; off for none.  [default: MLFLOW_TRACKING_URI, else runs/mlflow.db]")
@OPTIONS["set"]
def command(**options: Any) -> None:
    """Score a method or given frames on a data set.

    Ends with a table, a page with pictures and a record of how every number was made. What was
    computed is written as it goes: after an interruption the same command with --resume does the rest.

    Several methods, data sets or tasks are one run for each combination that the data and weights here allow; the
    others are named with the reason. Such a command always goes on with what it finds done, in runs/ or the folder
    of --out, and --root holds a folder for each of several data sets. all means every task, every data set, and every
    method but the yardsticks that see the true image.

    \b
    bench run --method mcnet --dataset demo
    bench run --method all --dataset all --task all
    bench run --method mcnet --dataset demo --task cross-identity --motion relative-first
    bench run --method mcnet --dataset demo --protocol fomm-video
    bench run --method copy-source --dataset demo --image-size 128 --metrics l1,psnr
    bench run --frames results --name mymethod --dataset demo
    """
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.benchmark.evaluation.grid import is_grid, run_grid
    from talkbench.benchmark.evaluation.options import RunOptions
    from talkbench.benchmark.evaluation.runner import run

    chosen = RunOptions(**options, command=typed())
    if is_grid(chosen):
        _report_grid(run_grid(chosen, RunDisplay))
        return
    with RunDisplay() as display:
        finished = run(chosen, display)
    _report(finished)


def _report_grid(cells: Sequence[GridCell]) -> None:
    from talkbench.benchmark.cli.print.lists import print_grid

    print_grid(cells)
    failed = sum(cell.state == "failed" for cell in cells)
    if failed:
        raise TalkbenchError(f"{failed} of the runs failed; the same command tries them again")


def _report(finished: Finished) -> None:
    from talkbench.reports.tables.terminal import print_terminal

    print_terminal(finished.record, finished.summary)
    click.echo(f"record  {finished.store.folder}")
    click.echo(f"page    {finished.page}   (open it in a browser)")
    if finished.tracked:
        shown = [finished.tracked]
        if not finished.tracked.startswith("http"):
            shown = [_beside_python("mlflow"), "ui", "--backend-store-uri", finished.tracked]
        click.echo(f"MLflow  {shlex.join(shown)}")


def _beside_python(program: str) -> str:
    """How to call a program of this environment: by its name, or by its path where the environment is not active."""
    return program if shutil.which(program) else os.path.relpath(Path(sys.executable).parent / program)
