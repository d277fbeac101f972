"""`bench data prepare`: cuts clips out of downloaded videos."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE
from talkbench.benchmark.cli.print.faults import print_faults
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets.preparation.cut import CutOutcome
    from talkbench.datasets.preparation.metadata import Cut


@click.command()
@click.argument("dataset")
@click.option(
    "--raw", type=PATH, required=True, help="Folder of the downloaded videos. With DATASET folder also a single video."
)
@click.option("--out", type=PATH, required=True, help="Folder to write the data set to.")
@click.option("--metadata", type=PATH, help="List of the clips (CSV).  [default: the official one in OUT/lists]")
@click.option(
    "--partition", type=click.Choice(("train", "test")), help="Cut the clips of this part only.  [default: all clips]"
)
@click.option("--size", type=POSITIVE, help="Side of the frames in pixels.  [default: the data set's]")
@OPTIONS["processes"]
@OPTIONS["wait"]
def command(
    dataset: str,
    raw: Path,
    out: Path,
    metadata: Path | None,
    partition: str | None,
    size: int | None,
    workers: int,
    wait: bool,
) -> None:
    """Cut the clips of a data set out of downloaded videos.

    DATASET is voxceleb1, ted-talks or hdtf: their lists say which stretch and window of which video each clip is, and
    the videos must be named <YouTube id>.mp4. Or it is folder, for videos of your own: each is cut to the square
    around the face. Clips that are there already are kept, so the same command goes on after an interruption. Only
    one command at a time writes to OUT. OUT/report.csv lists the clips that are missing or broken. The exit code
    is 0 if all clips are there, else 1.

    \b
    bench data prepare voxceleb1 --raw downloads --out data/voxceleb1 --partition test
    bench data prepare folder --raw video.mp4 --out data/mine
    """
    from dataclasses import replace

    from talkbench.benchmark.cli.progress import RunDisplay, say
    from talkbench.core.locks import FOREVER, locked
    from talkbench.core.registry import nearest
    from talkbench.datasets.preparation.cut import STYLES, crop_faces, cut_clips, find_videos

    if dataset not in STYLES:
        raise TalkbenchError(f"there is no recipe for preparing {dataset!r}: {nearest(dataset, STYLES)}")
    style = replace(STYLES[dataset], size=size) if size else STYLES[dataset]
    outcomes: list[CutOutcome] = []
    if dataset == "folder":
        if metadata or partition:
            raise click.UsageError("--metadata and --partition are for published data sets; leave them out")
        videos = find_videos(raw)
        total, batches = len(videos), crop_faces(videos, out, style, workers)
    else:
        cuts = _cuts(dataset, out, metadata, partition)
        total, batches = len(cuts), cut_clips(cuts, raw, out, style, workers)
    report = out / "report.csv"
    with locked(out, "is preparing clips in", FOREVER if wait else 0.0, say):
        with RunDisplay("clips") as display:
            display.start(0, total)
            for batch in batches:
                outcomes += batch
                display.advance(len(batch))
        _write_report(outcomes, report)
    click.echo(f"report  {report}")
    if not all(outcome.good for outcome in outcomes):
        sys.exit(1)


def _cuts(dataset: str, out: Path, metadata: Path | None, partition: str | None) -> list[Cut]:
    """The clips to cut, as listed in the file `metadata`, or in the official list below `out`."""
    from talkbench import datasets
    from talkbench.datasets.external import ExternalDataset
    from talkbench.datasets.official_lists import recognise
    from talkbench.datasets.preparation.metadata import columns_of, read_cuts

    data = datasets.create(dataset, out)
    assert isinstance(data, ExternalDataset)
    if metadata is None:
        official = next((file for file in data.files.values() if file.task == "metadata"), None)
        if official is None:
            raise TalkbenchError(
                f"{dataset} has no official list that can be read; write its annotation as a CSV file with the "
                f"columns {', '.join(columns_of(dataset))} (see talkbench.datasets.preparation.metadata) for --metadata"
            )
        metadata = official.find(out)
    cuts = read_cuts(data.card, metadata)
    chosen = [cut for cut in cuts if not partition or cut.clip.startswith(f"{partition}/")]
    if not chosen:
        raise TalkbenchError(f"{metadata} has no clips of partition {partition}; leave --partition out")
    official = recognise(metadata)
    about = f"the official {official.slug} of {official.dataset}" if official else "not an official one"
    click.echo(f"list    {metadata}   ({about})")
    return chosen


def _write_report(outcomes: Sequence[CutOutcome], path: Path) -> None:
    """Print how many clips were made, were there and failed, and write those that failed to a table."""
    import csv
    import io

    from talkbench.core.files import write_atomic
    from talkbench.datasets.preparation.cut import printable

    failed = sorted((outcome for outcome in outcomes if not outcome.good), key=lambda outcome: outcome.clip)
    counts = Counter(outcome.status for outcome in outcomes)
    for status in ("made", "there"):
        click.echo(f"{status:<8}{counts[status]} of {len(outcomes)} clips")
    print_faults([(outcome.status, f"{outcome.clip}: {printable(outcome.detail)}") for outcome in failed], "clips")
    text = io.StringIO()
    rows = [(outcome.clip, outcome.video, outcome.status, printable(outcome.detail)) for outcome in failed]
    csv.writer(text, lineterminator="\n").writerows([("clip", "video", "status", "detail"), *rows])
    write_atomic(path, text.getvalue())
