"""`bench run`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from talkbench.benchmark.cli.options import (
    OPTIONS,
    PATH,
    POSITIVE,
    dataset_names,
    method_names,
    metric_names,
    program_name,
    protocol_name,
    shard,
    typed,
)
from talkbench.benchmark.cli.output import answer, json_option, verbose
from talkbench.benchmark.cli.run_file import CONFIG, FileCommand
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talkbench.benchmark.evaluation.grid import GridCell
    from talkbench.benchmark.evaluation.runner import Finished


@click.command("run", cls=FileCommand)
@CONFIG
@click.option(
    "--method", callback=method_names,
    help="Method to run, several with commas between, or all; see: bench list methods.",
)  # fmt: skip
@click.option(
    "--frames", type=PATH, help="In place of --method: folder of frames that another program made, to score them."
)
@click.option(
    "--program", callback=program_name, metavar="CARD",
    help="In place of --method: program in an environment of its own, by its card; a card of your own is a .yaml file. "
    "See: bench list programs. --set names the paths that it asks for: --set checkout=~/LivePortrait.",
)  # fmt: skip
@click.option(
    "--jobs",
    type=POSITIVE,
    help="With --program: how many calls run at once, on each GPU if there are any.  [default: 1]",
)
@click.option("--name", help="With --frames: name of that program.")
@click.option(
    "--dataset", required=True, callback=dataset_names,
    help="Data set, several with commas between, or all; see: bench list datasets.",
)  # fmt: skip
@click.option(
    "--task", help="same-identity, cross-identity, reconstruction …, several, or all.  [default: the protocol's]"
)
@OPTIONS["motion"]
@OPTIONS["checkpoint"]
@OPTIONS["pairs"]
@click.option(
    "--split", type=click.Choice(["held-out"]),
    help="In place of a pair list: pairs of frames that the training of the --checkpoint held out and never saw.",
)  # fmt: skip
@OPTIONS["root"]
@click.option(
    "--metrics", callback=metric_names,
    help="Metrics in place of the protocol's, comma-separated; see: bench list metrics.",
)  # fmt: skip
@click.option(
    "--protocol", default="talkbench-1", show_default=True, callback=protocol_name,
    help="Protocol, which says what is computed and how; see: bench list protocols. Or a .yaml file of your own.",
)  # fmt: skip
@click.option(
    "--jpeg-quality", type=click.IntRange(1, 95), help="Compress all images as JPEG of this quality before scoring."
)
@OPTIONS["limit"]
@OPTIONS["batch_size"]
@OPTIONS["workers"]
@OPTIONS["engine"]
@click.option(
    "--shard", metavar="I/N", callback=shard,
    help="Evaluate the I-th of N parts of the pairs, for job arrays; bench merge puts them together.",
)  # fmt: skip
@click.option(
    "--image-size",
    type=POSITIVE,
    help="Side in pixels, for --frames and for methods that work at any size.  [default: as stored]",
)
@OPTIONS["device"]
@OPTIONS["precision"]
@OPTIONS["compile"]
@click.option("--out", type=PATH, help="Folder of the run.  [default: runs/<method>-<dataset>-<task>-<time>]")
@click.option("--resume", is_flag=True, help="Continue the latest run with the same settings, or the run in --out.")
@OPTIONS["wait"]
@click.option("--strict", is_flag=True, help="Stop with an error if a metric cannot be computed here.")
@verbose("Say of each metric that cannot be computed here why, with files and URLs; of an error where it comes from.")
@click.option("--save-frames", is_flag=True, help="Keep every generated frame as PNG in the run's folder.")
@click.option(
    "--videos", type=click.IntRange(min=0), default=8, show_default=True,
    help="Of runs of consecutive frames, for how many clips to leave a side-by-side video; 0: none.",
)  # fmt: skip
@click.option("--tracking-uri", help="MLflow store; off for none.  [default: MLFLOW_TRACKING_URI, else runs/mlflow.db]")
@OPTIONS["set"]
@json_option(
    "runs, of each method, dataset, task, state, folder, reason, page, and run.json and summary.json as record "
    "and summary; of a single run also mlflow"
)
def command(as_json: bool, **options: Any) -> None:
    """Score a method, a program or given frames on a data set.

    The command ends with a table, a page with pictures and videos, and a record of how every number was made. Results
    are written batch by batch: after an interruption the same command with --resume computes the rest.

    With several methods, data sets or tasks, there is one run for each combination whose data and weights are here; the
    others are listed with the reason. Such a command always continues the runs that it finds in runs/ or in the folder
    of --out. With several data sets, --root holds a folder for each. all means every task, every data set, and every
    method except the yardsticks that see the true image. If images would differ in size, that is said first.

    \b
    bench run --method mcnet --dataset demo
    bench run --method all --dataset all --task all
    bench run --method mcnet --dataset demo --task cross-identity --motion relative-first
    bench run --method mcnet --dataset demo --protocol fomm-video
    bench run --method mcnet --dataset folder --root mine --split held-out --checkpoint state/00001000.pt
    bench run --method copy-source --dataset demo --image-size 128 --metrics l1,psnr
    bench run --frames results --name mymethod --dataset demo
    bench run --program mine.yaml --dataset demo --task reconstruction
    bench run --config run.yaml --method fomm
    bench run --method mcnet --dataset hdtf --engine processes:4
    """
    from talkbench.benchmark.cli.progress import RunDisplay

    program, jobs = options.pop("program"), options.pop("jobs")
    if jobs and not program:
        raise TalkbenchError("--jobs is for a --program; leave it out")
    with RunDisplay() as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.evaluation.grid import is_grid, run_grid
        from talkbench.benchmark.evaluation.options import RunOptions
        from talkbench.benchmark.evaluation.runner import run
        from talkbench.benchmark.programs.run import run_program

        chosen = RunOptions(**options, command=typed())
        if program:
            finished: Finished | None = run_program(chosen, program, jobs or 1, display)
        else:
            finished = None if is_grid(chosen) else run(chosen, display)
    if finished is None:
        _report_grid(run_grid(chosen, RunDisplay), as_json)
    else:
        report(finished, as_json)


def report(finished: Finished, as_json: bool) -> None:
    """Print the table of a run that has ended and where it is, or put it into the document of ``--json``."""
    if as_json:
        answer(runs=[_documented(_cell(finished))], mlflow=finished.tracked)
    else:
        _report(finished)


def _cell(finished: Finished) -> GridCell:
    """A single run as that of a grid."""
    from talkbench.benchmark.evaluation.grid import GridCell

    method, data = finished.record.method, finished.record.dataset
    state = "run" if finished.evaluated else "done before"
    return GridCell(method.name, data.name, data.task, state, finished.store.folder)  # type: ignore[arg-type]


def _documented(cell: GridCell) -> dict[str, object]:
    """A run in the document of ``--json``: what became of it, its page, and what its files hold."""
    from talkbench.results import RunStore

    facts = asdict(cell)
    if cell.folder:
        store = RunStore(cell.folder)
        record = store.read_record()
        page = {"page": cell.folder / "index.html", "summary": store.read_summary()} if not record.shard else {}
        facts |= {"record": record, **page}
    return facts


def _report_grid(cells: Sequence[GridCell], as_json: bool) -> None:
    from talkbench.benchmark.cli.print.lists import print_grid

    if as_json:
        answer(runs=[_documented(cell) for cell in cells])
    else:
        print_grid(cells)
    failed = sum(cell.state == "failed" for cell in cells)
    if failed:
        raise TalkbenchError(f"{failed} of the runs failed; repeat the command to try them again")


def _report(finished: Finished) -> None:
    from talkbench.benchmark.cli.print.runs import print_tracked
    from talkbench.reports.tables.terminal import print_terminal

    if finished.page:
        print_terminal(finished.record, finished.summary)
    click.echo(f"record  {finished.store.folder}")
    if finished.page is None:
        click.echo(
            f"shard   {finished.record.shard}, {finished.summary.pairs} of {finished.record.dataset.pairs} pairs"
        )
        click.echo("next    bench merge, with the folders of all shards")
        return
    click.echo(f"page    {finished.page}   (open it in a browser)")
    print_tracked(finished.tracked)
