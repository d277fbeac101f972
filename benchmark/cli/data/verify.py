"""`bench data verify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH
from talkbench.benchmark.cli.output import answer, json_option, plain
from talkbench.benchmark.cli.print.faults import print_faults
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets import Dataset, Split
    from talkbench.datasets.preparation.verification import SplitVerdict


@click.command()
@click.argument("dataset")
@OPTIONS["clips_root"]
@click.option("--task", help="Check the pairs of this task only.  [default: of all tasks, or of the task of --list]")
@click.option(
    "--list",
    "--pairs",
    "pairs",
    help="Pair list to check: a file, or the name of a published list; see: bench data lists.",
)
@OPTIONS["motion"]
@click.option(
    "--manifest", type=PATH, help="Also compare with the checksums in this file, which bench data manifest has written."
)
@OPTIONS["processes"]
@json_option("tasks, of each pairs, usable, frames, size, faults and gaps; unchecked")
def command(
    dataset: str,
    root: Path | None,
    task: str | None,
    pairs: str | None,
    motion: str,
    manifest: Path | None,
    workers: int,
    as_json: bool,
) -> None:
    """Check the frames of a data set's pairs.

    The command reads every frame of the pairs. A frame must be there, decode and have the size of the others; with
    --manifest its file must also have the right checksum. It prints what is wrong, and how many pairs can be
    evaluated. The exit code is 0 if all pairs of all tasks can, else 1. Clips with gaps, numbers without a frame, are
    named even if no pair needs these frames.

    \b
    bench data verify hdtf --root data/hdtf
    bench data verify hdtf --root data/hdtf --list hdtf-all --manifest hdtf.sha256
    """
    from talkbench import datasets
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.datasets.preparation.verification import listed_frames, read_manifest, verify

    checksums = read_manifest(manifest) if manifest else None
    data = datasets.create(dataset, root)
    splits, unchecked = _splits(data, [task] if task else _tasks(data, pairs), pairs, motion)
    sound = not unchecked
    verdicts: list[dict[str, object]] = []
    for split in splits:
        with RunDisplay("frames") as display:
            if split.note:
                display.say(split.note)
            display.start(0, len(listed_frames(split)))
            verdict = verify(split, checksums, workers, display.advance)
        verdicts.append(_documented(split.task, verdict))
        if not as_json:
            _print_verdict(f"{dataset} {split.task}", verdict)
        sound = sound and not verdict.faults
    if as_json:
        answer(dataset=dataset, tasks=verdicts, unchecked=unchecked)
    else:
        for name, error in unchecked.items():
            click.echo(f"{dataset} {name}: not checked, {error}")
    if not sound:
        sys.exit(1)


def _tasks(data: Dataset, pairs: str | None) -> Sequence[str]:
    """All tasks of the data set, or the task of the list `pairs`."""
    from talkbench.datasets.external import ExternalDataset

    if pairs is None:
        return data.tasks
    if isinstance(data, ExternalDataset) and pairs in data.lists:
        return [data.lists[pairs].task]
    raise click.UsageError("the task of a list of your own is not known; name it with --task")


def _splits(
    data: Dataset, tasks: Sequence[str], pairs: str | None, motion: str
) -> tuple[list[Split], dict[str, TalkbenchError]]:
    """The splits of the `tasks`, and by task the errors of those that cannot be loaded; if none can, the first error is
    raised."""
    splits: list[Split] = []
    problems: dict[str, TalkbenchError] = {}
    for task in tasks:
        try:
            splits.append(data.split(task, pairs, motion))
        except TalkbenchError as error:
            problems[task] = error
    if not splits:
        raise problems[tasks[0]]
    return splits, problems


def _documented(task: str, verdict: SplitVerdict) -> dict[str, object]:
    """A verdict in the document of ``--json``."""
    faults = [
        {"clip": frame.clip, "index": frame.index, "reason": fault.reason, "message": str(fault)}
        for frame, fault in verdict.faults.items()
    ]
    return {"task": task, **plain(verdict), "faults": faults, "gaps": {c: str(gap) for c, gap in verdict.gaps.items()}}


def _print_verdict(what: str, verdict: SplitVerdict) -> None:
    from talkbench.core.text import printable

    height, width = verdict.size or (0, 0)
    sound = verdict.frames - len(verdict.faults)
    share = 100 * verdict.usable / verdict.pairs
    click.echo(f"{what}: {verdict.usable} of {verdict.pairs} pairs ({share:.1f} %) can be evaluated")
    click.echo(f"  {sound} of {verdict.frames} frames are sound" + (f", {width} x {height}" if verdict.size else ""))
    print_faults([(fault.reason, printable(str(fault))) for fault in verdict.faults.values()], "frames")
    print_faults([("gap", f"{printable(clip)}: {gap}") for clip, gap in verdict.gaps.items()], "clips")
