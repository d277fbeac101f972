"""`bench data fetch`."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH
from talkbench.core.errors import TalkbenchError
from talkbench.core.text import visible

if TYPE_CHECKING:
    from talkbench.datasets.fetched import FetchedDataset
    from talkbench.datasets.preparation.cut import CutOutcome


@click.command()
@click.argument("dataset")
@OPTIONS["clips_root"]
@click.option(
    "--from", "folder", type=PATH,
    help="Take the videos from this folder and those below it, whatever they are called, and download nothing.",
)  # fmt: skip
@OPTIONS["processes"]
@OPTIONS["wait"]
def command(dataset: str, root: Path | None, folder: Path | None, workers: int, wait: bool) -> None:
    """Download the videos of a data set and cut its clips.

    DATASET is liveportrait-samples, 17 people (19 MB). The videos come from one commit of their repository and are
    checked by size and sha256; then each is prepared as bench data prepare folder does. What is there already is kept,
    so the same command goes on after an interruption. If a video cannot be had, the clips of the others are made, and
    the exit code is 2; it is 1 if a clip cannot be made of its video.

    \b
    bench data fetch liveportrait-samples
    bench data fetch liveportrait-samples --from LivePortrait/assets
    """
    from talkbench import datasets
    from talkbench.benchmark.cli.print.clips import all_outcomes, report_outcomes
    from talkbench.benchmark.cli.progress import say
    from talkbench.core.files import sweep
    from talkbench.core.locks import FOREVER, locked
    from talkbench.datasets.fetched import FetchedDataset
    from talkbench.datasets.preparation.cut import STYLES
    from talkbench.datasets.preparation.face_clips import crop_faces

    data = datasets.create(dataset, root)
    if not isinstance(data, FetchedDataset):
        about = data.card.obtain or data.card.short
        raise TalkbenchError(f"{data.name} is not among what bench data fetch downloads; {about}")
    with locked(data.root, "is fetching clips to", FOREVER if wait else 0.0, say):
        sweep(data.videos)
        wanting = data.wanting()
        lacking = _take(data, wanting, folder) if folder else _download(data, wanting)
        missing = data.wanting()
        if len(missing) == len(data.card.videos):
            raise TalkbenchError(lacking[0])
        click.echo(f"videos  {len(wanting) - len(missing)} of {len(data.card.videos)} fetched   ({data.videos})")
        click.echo(f"licence {data.card.licence}")
        videos = {clip: [data.video(clip)] for clip in data.card.videos if clip not in missing}
        outcomes = all_outcomes(crop_faces(videos, data.root, STYLES["folder"], workers), len(videos))
        report_outcomes(outcomes, data.root / "report.csv")
        _print_choices(outcomes)
    for line in lacking:
        click.echo(f"bench: {visible(line)}", err=True)
    if lacking:
        sys.exit(2)
    if not all(outcome.good for outcome in outcomes):
        sys.exit(1)


def _download(data: FetchedDataset, clips: Sequence[str]) -> list[str]:
    """Download the videos of `clips`; returns a line for each that cannot be had. Without a connection, the first of
    them stands for all."""
    import requests

    from talkbench.benchmark.cli.progress import DownloadBar

    lines: list[str] = []
    for number, clip in enumerate(clips):
        try:
            with DownloadBar(f"{data.file(clip).name} ({number + 1} of {len(clips)})") as bar:
                data.fetch(clip, bar)
        except TalkbenchError as error:
            offline = isinstance(error.__cause__, requests.ConnectionError)
            left = len(clips) - number - 1 if offline else 0
            lines.append(f"{error}; not tried: {left} more" if left else str(error))
            if offline:
                break
    return lines


def _take(data: FetchedDataset, clips: Sequence[str], folder: Path) -> list[str]:
    """Copy the videos of `clips` from `folder`; returns a line on those that it lacks."""
    lacks = data.take(clips, folder)
    if not lacks:
        return []
    count = f"{len(lacks)} of the {len(data.card.videos)} videos"
    return [f"{folder} lacks {count}: {'; '.join(lacks)}; {data.command} without --from downloads them"]


def _print_choices(outcomes: Sequence[CutOutcome]) -> None:
    """Which clips were cut in which way."""
    clips = defaultdict(list)
    for outcome in outcomes:
        if outcome.status == "made":
            clips[outcome.choice[0] if outcome.choice else "cut to the square around the face"].append(outcome.clip)
    for choice, names in clips.items():
        click.echo(f"  {choice}: {', '.join(sorted(names))}")
