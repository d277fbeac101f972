"""`bench data prepare`, `verify` and `manifest`: from downloaded videos to clips that are known to be sound."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets import Dataset, Split
    from talkbench.datasets.preparation.cut import Outcome
    from talkbench.datasets.preparation.metadata import Cut
    from talkbench.datasets.preparation.verification import Verdict

SHOWN = 3  # examples of each kind of fault
WORKERS = click.option("--workers", type=POSITIVE, help="How many at once.  [default: one for each processor]")
ROOT = click.option("--root", type=PATH, help="Folder of the data set's clips.  [default: in the cache folder]")


@click.command()
@click.argument("dataset")
@click.option("--raw", type=PATH, required=True, help="Folder of the downloaded videos; for folder also one video.")
@click.option("--out", type=PATH, required=True, help="Data root to write the clips to.")
@click.option("--metadata", type=PATH, help="List of the clips (CSV).  [default: the official one in OUT/lists]")
@click.option("--partition", type=click.Choice(("train", "test")), help="Only these clips.  [default: all]")
@click.option("--size", type=POSITIVE, help="Side of the frames in pixels.  [default: the data set's]")
@WORKERS
def prepare(
    dataset: str,
    raw: Path,
    out: Path,
    metadata: Path | None,
    partition: str | None,
    size: int | None,
    workers: int | None,
) -> None:
    """Cut the clips of a data set out of downloaded videos.

    DATASET is voxceleb1, ted-talks or hdtf, whose lists say which stretch and window of which video makes a clip; or
    folder, for anyone's own videos, which are cut to the square around the face. Videos are named as in the list,
    <YouTube id>.mp4. Clips that are there already are left alone, so that the same command goes on after an
    interruption; one command at a time may write to OUT. What is missing or broken is in OUT/report.csv. The exit
    code is 0 if all clips are there, else 1.

    \b
    bench data prepare voxceleb1 --raw downloads --out data/voxceleb1 --partition test
    bench data prepare folder --raw video.mp4 --out data/mine
    """
    from dataclasses import replace

    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.core.registry import nearest
    from talkbench.datasets.preparation.cut import STYLES, crop_faces, cut_clips, find_videos

    if dataset not in STYLES:
        raise TalkbenchError(f"there is no recipe for preparing {dataset!r}: {nearest(dataset, STYLES)}")
    style = replace(STYLES[dataset], size=size) if size else STYLES[dataset]
    outcomes: list[Outcome] = []
    if dataset == "folder":
        if metadata or partition:
            raise click.UsageError("--metadata and --partition are for published data sets; leave them out")
        videos = find_videos(raw)
        total, batches = len(videos), crop_faces(videos, out, style, workers or _processors())
    else:
        cuts = _cuts(dataset, out, metadata, partition)
        total, batches = len(cuts), cut_clips(cuts, raw, out, style, workers or _processors())
    with RunDisplay("clips") as display:
        display.start(0, total)
        for batch in batches:
            outcomes += batch
            display.advance(len(batch))
    report = out / "report.csv"
    _write_report(outcomes, report)
    click.echo(f"report  {report}")
    if not all(outcome.good for outcome in outcomes):
        sys.exit(1)


@click.command()
@click.argument("dataset")
@ROOT
@click.option("--task", help="Of these pairs only.  [default: all tasks, or that of --list]")
@click.option("--list", "--pairs", "pairs", help="A published list by its name, or a file; see: bench data lists.")
@OPTIONS["motion"]
@click.option("--manifest", type=PATH, help="Also compare with the checksums that bench data manifest has written.")
@WORKERS
def verify(
    dataset: str,
    root: Path | None,
    task: str | None,
    pairs: str | None,
    motion: str,
    manifest: Path | None,
    workers: int | None,
) -> None:
    """Check that the frames that pairs need are there and sound.

    Every frame that DATASET lists is read: it must be there, decode, have the size of the others, and, with --manifest,
    the content that is known. Prints what is wrong and how many of the pairs can be evaluated. The exit code is 0 if
    all pairs of all tasks can, else 1.

    \b
    bench data verify hdtf --root data/hdtf
    bench data verify hdtf --root data/hdtf --list hdtf-all --manifest hdtf.sha256
    """
    from talkbench import datasets
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.datasets.preparation.verification import listed_frames, read_manifest
    from talkbench.datasets.preparation.verification import verify as check

    known = read_manifest(manifest) if manifest else None
    data = datasets.create(dataset, root)
    splits, unchecked = _splits(data, [task] if task else _tasks(data, pairs), pairs, motion)
    sound = not unchecked
    for split in splits:
        with RunDisplay("frames") as display:
            if split.note:
                display.say(split.note)
            display.start(0, len(listed_frames(split)))
            verdict = check(split, known, workers or _processors(), display.advance)
        _print_verdict(f"{dataset} {split.task}", verdict)
        sound = sound and not verdict.faults
    for name, error in unchecked.items():
        click.echo(f"{dataset} {name}: not checked, {error}")
    if not sound:
        sys.exit(1)


@click.command()
@click.argument("dataset")
@ROOT
@click.option("--out", type=PATH, required=True, help="File to write.")
@WORKERS
def manifest(dataset: str, root: Path | None, out: Path, workers: int | None) -> None:
    """Write the checksums of all images and videos of a data set.

    A line for each, as sha256sum writes them, sorted by name: bench data verify --manifest compares with it, and so
    does sha256sum -c in the data root.

    \b
    bench data manifest hdtf --root data/hdtf --out hdtf.sha256
    """
    from talkbench import datasets
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.datasets.preparation.verification import list_files, write_manifest

    folder = datasets.create(dataset, root).root
    names = list_files(folder)
    with RunDisplay("files") as display:
        display.start(0, len(names))
        write_manifest(folder, names, out, workers or _processors(), display.advance)
    click.echo(f"manifest  {out}   ({len(names)} files)")


def _processors() -> int:
    return os.cpu_count() or 1


def _cuts(dataset: str, out: Path, metadata: Path | None, partition: str | None) -> list[Cut]:
    """The clips to cut by the file `metadata`, or by the official one below `out`."""
    from talkbench import datasets
    from talkbench.datasets.external import Published, recognise
    from talkbench.datasets.preparation.metadata import columns_of, read_cuts

    if metadata is None:
        data = datasets.create(dataset, out)
        assert isinstance(data, Published)
        official = next((file for file in data.files.values() if file.task == "metadata"), None)
        if official is None:
            raise TalkbenchError(
                f"{dataset} has no official list that can be read; bring its annotation into a CSV file with the "
                f"columns {', '.join(columns_of(dataset))} (see talkbench.datasets.preparation.metadata) for --metadata"
            )
        metadata = official.find(out)
    cuts = read_cuts(dataset, metadata)
    chosen = [cut for cut in cuts if not partition or cut.clip.startswith(f"{partition}/")]
    if not chosen:
        raise TalkbenchError(f"{metadata} has no clips of partition {partition}; leave --partition out")
    official = recognise(metadata)
    about = f"the official {official.slug} of {official.dataset}" if official else "not an official one"
    click.echo(f"list    {metadata}   ({about})")
    return chosen


def _write_report(outcomes: Sequence[Outcome], path: Path) -> None:
    """Print how many clips came out how, and write those that failed to a table."""
    import csv
    import io

    from talkbench.core.files import write_atomic
    from talkbench.datasets.preparation.cut import shown

    failed = sorted((outcome for outcome in outcomes if not outcome.good), key=lambda outcome: outcome.clip)
    counts = Counter(outcome.status for outcome in outcomes)
    for status in ("made", "there"):
        click.echo(f"{status:<8}{counts[status]} of {len(outcomes)} clips")
    _print_faults([(outcome.status, f"{outcome.clip}: {shown(outcome.detail)}") for outcome in failed], "clips")
    text = io.StringIO()
    rows = [(outcome.clip, outcome.video, outcome.status, shown(outcome.detail)) for outcome in failed]
    csv.writer(text, lineterminator="\n").writerows([("clip", "video", "status", "detail"), *rows])
    write_atomic(path, text.getvalue())


def _tasks(data: Dataset, pairs: str | None) -> Sequence[str]:
    """All tasks, or that which the list `pairs` is for."""
    from talkbench.datasets.external import Published

    if pairs is None:
        return data.tasks
    if isinstance(data, Published) and pairs in data.lists:
        return [data.lists[pairs].task]
    raise click.UsageError("name the --task of a list of your own")


def _splits(
    data: Dataset, tasks: Sequence[str], pairs: str | None, motion: str
) -> tuple[list[Split], dict[str, TalkbenchError]]:
    """The splits of `tasks`, and why others cannot be had; that none can is raised."""
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


def _print_verdict(what: str, verdict: Verdict) -> None:
    from talkbench.datasets.preparation.cut import shown

    height, width = verdict.size or (0, 0)
    sound = verdict.frames - len(verdict.faults)
    share = 100 * verdict.usable / verdict.pairs
    click.echo(f"{what}: {verdict.usable} of {verdict.pairs} pairs ({share:.1f} %) can be evaluated")
    click.echo(f"  {sound} of {verdict.frames} frames are sound" + (f", {width} x {height}" if verdict.size else ""))
    _print_faults([(fault.reason, shown(str(fault))) for fault in verdict.faults.values()], "frames")


def _print_faults(faults: Sequence[tuple[str, str]], unit: str) -> None:
    """How many of each kind, and the first messages."""
    for kind, count in Counter(kind for kind, _ in faults).most_common():
        click.echo(f"  {kind}: {count} {unit}")
        messages = list(dict.fromkeys(message for other, message in faults if other == kind))
        for message in messages[:SHOWN]:
            click.echo(f"    {message}")
        if len(messages) > SHOWN:
            click.echo(f"    … and {len(messages) - SHOWN} more")
