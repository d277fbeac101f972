"""`bench merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH
from talkbench.benchmark.cli.output import json_option


@click.command()
@click.argument("shards", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=PATH, help="Folder of the whole run.  [default: runs/<method>-<dataset>-<task>-<time>]")
@OPTIONS["root"]
@OPTIONS["pairs"]
@click.option(
    "--videos", type=click.IntRange(min=0), default=8, show_default=True,
    help="Of runs of consecutive frames, for how many clips to leave a side-by-side video; 0: none.",
)  # fmt: skip
@click.option("--tracking-uri", help="MLflow store; off for none.  [default: MLFLOW_TRACKING_URI, else runs/mlflow.db]")
@json_option("runs, as bench run has it, and mlflow")
def command(shards: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Put the shards of a run together, those of bench run --shard.

    The run that comes of it has the rows, the summary and the page of a run without --shard. The shards must be of one
    command, all there, each once and finished, and of the same data; they are left as they are. The data set is needed
    for videos alone: --root and --pairs say where it is, as for the shards.

    \b
    bench run --method mcnet --dataset hdtf --shard 1/2 --out shards/1
    bench run --method mcnet --dataset hdtf --shard 2/2 --out shards/2
    bench merge shards/1 shards/2 --out runs/mcnet-hdtf
    """
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.benchmark.cli.run import report

    with RunDisplay() as display:
        from talkbench.benchmark.sharing.merge import MergeOptions, merge

        finished = merge(MergeOptions(shards, **options), display)
    report(finished, as_json)
