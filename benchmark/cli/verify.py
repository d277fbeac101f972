"""`bench verify`."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH
from talkbench.benchmark.cli.output import answer, json_option, verbose
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.verify.figures import Figure

SCHEMA_VERSION = 1


@click.command()
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--frames", type=PATH, help="The generated frames.  [default: frames/ in the folder of a run]")
@click.option("--checkpoint", type=PATH, help="The weights of the method.  [default: where bench run finds them]")
@OPTIONS["pairs"]
@OPTIONS["root"]
@OPTIONS["device"]
@verbose("Show every figure, not only those that differ; of an error where it comes from.")
@json_option("results, of each counts and figures; tolerance")
def command(
    results: tuple[Path, ...],
    frames: Path | None,
    checkpoint: Path | None,
    pairs: Path | None,
    root: Path | None,
    device: str,
    verbose: bool,
    as_json: bool,
) -> None:
    """Compute the figures of runs or entries again.

    RESULTS are runs, entries of the leaderboard, or folders of these. As far as this machine can, the command computes
    the hashes of an entry's files, of the pair list and of the weights, the protocol ids, the summary from the rows,
    and the metrics from the generated frames, which a run has if it was made with --save-frames. It prints a line
    for each result and the figures that differ; with -v every figure as equal, different, or not checkable and why.

    Two numbers are equal if they differ by at most 1e-6 of their size. Numbers from frames are also equal if they
    differ by at most half a unit of the last printed digit; the report says so.

    The exit code is 0 if nothing is different, 1 if something is, 2 if a result cannot be read.

    \b
    bench verify runs/mcnet-demo-same-identity-20260101-120000
    bench verify results/entries --json > figures.json
    bench verify results/entries/mine --frames frames --root data/hdtf
    """
    from talkbench.benchmark.cli.print.figures import print_figures
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay():  # which moves while the libraries are loaded
        from talkbench.benchmark.verify.figures import VerifyOptions, results_in, verify
        from talkbench.benchmark.verify.rescore import Place

    folders = [folder for path in results for folder in results_in(path)]
    own = {"--frames": frames, "--checkpoint": checkpoint, "--pairs": pairs}
    named = next((name for name, value in own.items() if value), None)
    if named and len(folders) > 1:
        raise TalkbenchError(f"{named} is for a single result; verify the {len(folders)} results one by one")
    figures = {}
    for folder in folders:
        with RunDisplay() as display:
            options = VerifyOptions(folder, frames, checkpoint, Place(root, pairs, device))
            figures[folder] = verify(options, display)
        if not as_json:
            print_figures(str(folder), figures[folder], verbose)
    if as_json:
        answer(**_documented(figures))
    if any(figure.state == "different" for figure in chain.from_iterable(figures.values())):
        sys.exit(1)


def _documented(figures: dict[Path, list[Figure]]) -> dict[str, object]:
    from talkbench.benchmark.cli.print.figures import STATES
    from talkbench.benchmark.verify.rescore import TOLERANCE

    results = [
        {
            "result": str(folder),
            "counts": {state: sum(figure.state == state for figure in own) for state in STATES},
            "figures": own,
        }
        for folder, own in figures.items()
    ]
    return {"schema_version": SCHEMA_VERSION, "tolerance": TOLERANCE, "results": results}
