"""The `bench` command. Everything heavy is imported inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from talkbench.benchmark.cli.cache import cache
from talkbench.benchmark.cli.check import check
from talkbench.benchmark.cli.compare import compare
from talkbench.benchmark.cli.data import data
from talkbench.benchmark.cli.figure import figure
from talkbench.benchmark.cli.inspect import inspect
from talkbench.benchmark.cli.leaderboard import leaderboard
from talkbench.benchmark.cli.options import CONTEXT, EXISTING, OPTIONS, PATH, POSITIVE, NearestGroup, names, typed
from talkbench.benchmark.cli.perf import perf
from talkbench.benchmark.cli.results import results
from talkbench.benchmark.cli.train import train
from talkbench.benchmark.cli.verify import verify
from talkbench.benchmark.cli.weights import weights
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talkbench.benchmark.evaluation.grid import Cell
    from talkbench.benchmark.evaluation.runner import Finished


def main() -> None:
    """Entry point: errors of the user's making end with one line and exit code 2."""
    try:
        bench.main(prog_name="bench", standalone_mode=False)
    except TalkbenchError as error:
        _stop(str(error), 2)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "bench"
        _stop(f"{error.format_message().rstrip('.')}; see {where} --help", 2)
    except OSError as error:  # of reading, mostly; what was computed before is kept
        _stop(str(error), 2)
    except (click.Abort, KeyboardInterrupt):
        _stop("stopped; the same command goes on with a training or several runs, and with --resume with one run", 130)


def _stop(message: str, code: int) -> None:
    click.echo(f"bench: {' '.join(message.splitlines())}", err=True)
    sys.exit(code)


@click.group(cls=NearestGroup, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(package_name="talkbench", prog_name="bench")
@click.pass_context
def bench(context: click.Context) -> None:
    """Benchmark and evaluate talking-head video generation.

    \b
    bench run --method mcnet --dataset demo      score a method on a data set
    bench list methods                           what there is
    bench tables                                 your numbers beside the published ones
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@bench.command()
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
def run(**options: Any) -> None:
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
    from talkbench.benchmark.evaluation.plan import RunOptions
    from talkbench.benchmark.evaluation.runner import run as run_benchmark

    chosen = RunOptions(**options, command=typed())
    if is_grid(chosen):
        _report_grid(run_grid(chosen, RunDisplay))
        return
    with RunDisplay() as display:
        finished = run_benchmark(chosen, display)
    _report(finished)


def _report_grid(cells: Sequence[Cell]) -> None:
    from talkbench.benchmark.cli.progress import print_grid

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


@bench.command()
@OPTIONS["method"]
@click.option("--source", type=PATH, required=True, help="Image of the face to animate, cropped to the head.")
@click.option("--driving", type=PATH, required=True, help="Video of the driver, or a folder of frames.")
@click.option("--out", type=PATH, required=True, help="The video to write (.mp4, H.264).")
@OPTIONS["checkpoint"]
@click.option(
    "--motion",
    help="relative-first or relative-best: the driver's change since the first frame, or since the one most like the "
    "source; absolute: the driver's pose itself; avd: that without the driver's shape.  [default: relative-first, "
    "absolute where the method has nothing else]",
)  # fmt: skip
@click.option("--frames", type=PATH, help="Also write every frame as PNG into this folder.")
@OPTIONS["batch_size"]
@OPTIONS["device"]
@OPTIONS["set"]
def animate(**options: Any) -> None:
    """Animate a face image with a driving video.

    \b
    bench animate --method mcnet --source face.png --driving clip.mp4 --out result.mp4
    """
    from talkbench.benchmark.animate import AnimateOptions
    from talkbench.benchmark.animate import animate as animate_video
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("frames") as display:
        count, size = animate_video(AnimateOptions(**options), display)
    click.echo(f"video   {options['out']}   ({count} frames, {size}x{size})")


for _command_elsewhere in (
    train,
    cache,
    check,
    compare,
    data,
    figure,
    inspect,
    leaderboard,
    perf,
    results,
    verify,
    weights,
):
    bench.add_command(_command_elsewhere)


@bench.command("list")
@click.argument("what", type=click.Choice(["methods", "metrics", "datasets", "protocols"]))
def list_(what: str) -> None:
    """List methods, metrics, data sets or protocols.

    Their names are what the options of the other commands take.
    """
    from talkbench.benchmark.cli.progress import print_list

    print_list(what)


@bench.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--table", "tables", callback=names, metavar="NAMES",
    help="Of the MCNet paper 1a, 1b, 2, of its supplement s1 to s7, comma-separated, or all.  [default: those that the "
    "runs touch, else 1a]",
)  # fmt: skip
@click.option("--layout", type=EXISTING, help="A table of your own, as YAML; see Tables in the README.")
@click.option(
    "--ablation", metavar="NAME",
    help="What bench train --ablation NAME --config demo made, in the paper's layout: table2, table-s1, table-s2 or "
    "table-s7.",
)  # fmt: skip
@click.option("--published", is_flag=True, help="The published numbers alone; without RUNS, of all tables.")
@click.option("--measured", is_flag=True, help="The runs alone; without --table or --layout, all of their metrics.")
@click.option("--intervals", is_flag=True, help="95 % intervals over people or clips, with pairs and coverage.")
@click.option(
    "--missing", type=click.Choice(["drop", "intersect", "worst"]),
    help="Pairs without a face in what was generated: left out of their own run, left out of all runs, or given the "
    "worst value of the metric.  [default: each run's own rule]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["terminal", "markdown", "latex", "csv", "html"]), default="markdown",
    show_default=True, help="How to write it.",
)  # fmt: skip
@click.option("--out", type=PATH, help="File to write.  [default: the terminal]")
def tables(runs: tuple[Path, ...], **options: Any) -> None:
    """Print results beside the published numbers.

    In the layouts of the ten tables of the MCNet paper and its supplement, or in your own. RUNS are folders of
    runs; without any, all below runs/.

    \b
    bench tables
    bench tables --published --format terminal
    bench tables --table 1a,1b --intervals
    bench tables --measured --missing intersect
    bench tables --ablation table2
    bench tables runs/mcnet-demo-same-identity-20260101-120000 --format latex --out table.tex
    """
    from talkbench.benchmark.cli.progress import TableOptions, write_table

    wanted = TableOptions(**options)
    if wanted.ablation:
        from talkbench.benchmark.ablation import runs as runs_of

        others = [wanted.tables, wanted.layout, wanted.published, wanted.measured]
        if any(others):
            raise click.UsageError("--ablation is a table of its own; leave the other tables out")
        runs = runs or tuple(runs_of(wanted.ablation))
    elif not runs and (wanted.measured or not wanted.published):
        runs = tuple(sorted(path.parent for path in Path("runs").glob("*/summary.json")))
    write_table(runs, wanted)


@bench.command()
@click.argument("what", nargs=-1, required=True, metavar="[dataset|protocol] NAME")
def show(what: tuple[str, ...]) -> None:
    """Show what is known of a method, a data set or a protocol.

    Of a method its paper, licences, training data, variants, weights, and the numbers that were published of it; of a
    data set where it comes from, its licence, its layout and its lists; of a protocol every choice that it makes, and
    why.

    \b
    bench show fomm
    bench show dataset hdtf
    bench show protocol mcnet-2023
    """
    from talkbench.benchmark.cli.print import cards

    *kind, name = what
    printers = {"": cards.print_card, "dataset": cards.print_dataset, "protocol": cards.print_protocol}
    if len(kind) > 1 or "".join(kind) not in printers:
        raise click.UsageError(f"show takes one name, or dataset or protocol and a name, not {' '.join(what)!r}")
    printers["".join(kind)](name)
