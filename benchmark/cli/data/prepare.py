"""`bench data prepare`: cuts clips out of downloaded videos."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE, optional_engine
from talkbench.benchmark.cli.print.faults import print_faults
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets.preparation.metadata import CutList


def _checked_face(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value not in (None, "largest", "first") and not re.fullmatch("[1-9][0-9]?", value):
        raise click.BadParameter(f"{value!r} is neither largest nor first nor a number from 1")
    return value


@click.command()
@click.argument("dataset")
@click.option(
    "--raw", type=PATH, required=True, help="Folder of the downloaded videos. With DATASET folder also a single video."
)
@click.option("--out", type=PATH, required=True, help="Folder to write the data set to.")
@click.option(
    "--metadata",
    type=PATH,
    help="List of the clips (CSV), for hdtf the folder of its text files.  [default: the official ones in OUT/lists]",
)
@click.option(
    "--partition", type=click.Choice(("train", "test")), help="Cut the clips of this part only.  [default: all clips]"
)
@click.option("--size", type=POSITIVE, help="Side of the frames in pixels.  [default: the data set's]")
@click.option(
    "--keep-damaged",
    is_flag=True,
    help="Make clips of damaged videos too, of the frames that decode.  [default: such a clip fails]",
)
@click.option(
    "--crop",
    type=click.Choice(("auto", "face", "none")),
    help="With DATASET folder: face cuts to the square around the face; none takes the largest square in the middle; "
    "auto does that with videos that are cut to a head already, and cuts the others.  [default: auto]",
)
@click.option(
    "--face",
    callback=_checked_face,
    help="With DATASET folder: which of several faces the clip holds. largest; first, the one that is seen first; or a "
    "number, 1 for the first from the left.  [default: largest]",
)
@OPTIONS["processes"]
@click.option(
    "--engine", callback=optional_engine, metavar="ENGINE",
    help="In place of --workers: who works, as in bench run; ray:ADDRESS, a Ray cluster whose nodes see --raw and "
    "--out under the same paths.",
)  # fmt: skip
@OPTIONS["wait"]
def command(
    dataset: str,
    raw: Path,
    out: Path,
    metadata: Path | None,
    partition: str | None,
    size: int | None,
    keep_damaged: bool,
    crop: str | None,
    face: str | None,
    workers: int,
    engine: str | None,
    wait: bool,
) -> None:
    """Cut the clips of a data set out of downloaded videos.

    DATASET is voxceleb1, ted-talks or hdtf: their lists say which stretch and window of which video each clip is, and
    the videos must be named <YouTube id>.mp4; those of hdtf may also be named RD_Radio1.mp4 or Radio1.mp4, as its lists
    do. Or it is folder, for videos of your own: each is cut to the square around one face, which is held through the
    video. Clips that are there already are kept, so the same command goes on after an interruption. Only one command at
    a time writes to OUT. OUT/report.csv names every clip that is missing, broken, or made of a damaged video, and its
    video. The exit code is 0 if all clips are there, else 1.

    Where two rows of a list contradict each other, the test part comes first, then the earlier row, and nobody who is
    tested is trained on. The command says how many rows that concerns.

    \b
    bench data prepare voxceleb1 --raw downloads --out data/voxceleb1 --partition test
    bench data prepare folder --raw video.mp4 --out data/mine
    """
    from dataclasses import replace
    from functools import partial

    from talkbench.benchmark.cli.print.clips import all_outcomes, name_first, report_outcomes
    from talkbench.benchmark.cli.progress import RunDisplay, say
    from talkbench.benchmark.engines.calls import call_all
    from talkbench.core.locks import FOREVER, locked
    from talkbench.datasets.preparation.cut import (
        STYLES,
        CutOutcome,
        Workers,
        cut_clips,
        find_videos,
        list_videos,
    )
    from talkbench.datasets.preparation.face_clips import Cropping, crop_faces

    if dataset not in STYLES:
        raise _no_recipe(dataset, STYLES)
    style = replace(STYLES[dataset], size=size or STYLES[dataset].size, keep_damaged=keep_damaged)
    chosen: Workers = partial(call_all, engine=engine, device="cpu", progress=RunDisplay()) if engine else workers
    outcomes: list[CutOutcome] = []
    if dataset == "folder":
        if metadata or partition:
            raise click.UsageError("--metadata and --partition are for published data sets; leave them out")
        videos, others = find_videos(raw)
        total, batches = (
            len(videos),
            crop_faces(videos, out, style, chosen, Cropping(crop or "auto", face or "largest")),
        )
    else:
        if crop or face:
            raise click.UsageError("--crop and --face are for DATASET folder; lists of clips say what to cut")
        videos, others = list_videos(raw) if raw.is_dir() else ({}, [])
        listed = _cut_list(dataset, raw, set(videos), out, metadata, partition)
        outcomes = [CutOutcome(clip.clip, clip.video, clip.status, clip.detail) for clip in listed.unusable]
        total, batches = len(listed.cuts), cut_clips(listed.cuts, raw, out, style, chosen)
    name_first("passed over, as they hold no video", others)
    report = out / "report.csv"
    with locked(out, "is preparing clips in", FOREVER if wait else 0.0, say):
        outcomes += all_outcomes(batches, total)
        report_outcomes(outcomes, report)
        choices = [
            (outcome.choice[0], f"{outcome.clip}: {outcome.choice[1]}") for outcome in outcomes if outcome.choice
        ]
        print_faults(choices, "clips")
    click.echo(f"report  {report}")
    if not all(outcome.good for outcome in outcomes):
        sys.exit(1)


def _cut_list(
    dataset: str, raw: Path, videos: set[str], out: Path, metadata: Path | None, partition: str | None
) -> CutList:
    """The clips of a data set, as listed in `metadata`, or in the official lists below `out`; says which and what they
    have. `videos` are the names of those in `raw`.

    Raises:
        TalkbenchError: the lists are missing, faulty, or those of another data set; there is no folder `raw`.
    """
    from dataclasses import replace

    from talkbench import datasets
    from talkbench.datasets.external import ExternalDataset
    from talkbench.datasets.preparation.hdtf import read_hdtf
    from talkbench.datasets.preparation.metadata import read_cuts

    data = datasets.create(dataset, out)
    assert isinstance(data, ExternalDataset)
    files = [file for file in data.files.values() if file.task == "metadata"]
    if metadata is None:
        paths = [file.find(out) for file in files]
        metadata = paths[0].parent if len(paths) > 1 else paths[0]
    if len(files) > 1:
        listed = read_hdtf(metadata)
        official = all((metadata / file.file).is_file() and file.matches(metadata / file.file) for file in files)
        about = f"the official ones of {dataset}" if official else "not all of them official"
    else:
        about = _about(dataset, metadata)
        listed = read_cuts(data.card, metadata)
    if not raw.is_dir():
        raise TalkbenchError(f"{raw} is not a folder; name the folder of the downloaded videos")
    chosen = [cut for cut in listed.cuts if not partition or cut.clip.startswith(f"{partition}/")]
    if not chosen:
        raise TalkbenchError(f"{metadata} has no clips of partition {partition}; leave --partition out")
    click.echo(f"list    {metadata}   ({about})")
    click.echo(f"        {listed.note}")
    stretched = sum(abs((cut.box[2] - cut.box[0]) / (cut.box[3] - cut.box[1]) - 1) > 0.02 for cut in chosen)
    if stretched:
        click.echo(f"        {stretched} of {len(chosen)} windows are not square; stretched, as the list's authors do")
    return replace(listed, cuts=[cut.named_as(videos) for cut in chosen])


def _about(dataset: str, metadata: Path) -> str:
    """Whether the list `metadata` is the official one of `dataset`, in words.

    Raises:
        TalkbenchError: it is an official one of another kind.
    """
    from talkbench.datasets.official_lists import recognise

    official = recognise(metadata) if metadata.is_file() else None
    if official is None:
        return "not an official one"
    if official.dataset != dataset or official.task != "metadata":
        what = "the list of clips" if official.task == "metadata" else f"a list of {official.task} pairs"
        raise TalkbenchError(
            f"{metadata} is {what} {official.slug} of {official.dataset}, not the list of clips of {dataset}; leave "
            "--metadata out or name another file"
        )
    return f"the official {official.slug} of {official.dataset}"


def _no_recipe(dataset: str, recipes: Collection[str]) -> TalkbenchError:
    """The error for a data set that is not cut here; of a known one it says where its clips come from."""
    from talkbench import datasets
    from talkbench.core.registry import nearest

    card = datasets.cards().get(dataset)
    return TalkbenchError(
        f"{dataset} is not cut by bench data prepare; {card.obtain}"
        if card and card.obtain
        else f"there is no recipe for preparing {dataset!r}: {nearest(dataset, recipes)}"
    )
