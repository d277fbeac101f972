"""`bench data pack`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH


@click.command()
@click.argument("dataset")
@OPTIONS["clips_root"]
@click.option("--out", type=PATH, required=True, help="Folder to write the packed data set to.")
@OPTIONS["processes"]
@OPTIONS["wait"]
def command(dataset: str, root: Path | None, out: Path, workers: int, wait: bool) -> None:
    """Pack the frames of each clip into one file.

    For data sets of so many small files that the file system is slow, and for videos, of which single frames are
    slow to read. OUT is a data set as ROOT is: its frames are the same to the last bit, its clips have the same names,
    and all commands take it as --root. The clip train/ann/1.mp4 is the file train/ann/1.mp4.frames.zip there, an
    uncompressed zip that any program opens. Image files go in as they are; frames of videos are stored as WebP without
    loss, which takes far more space than the video. Every frame has a checksum, which is compared when it is read.

    Clips that are packed already are kept, so the same command goes on after an interruption. OUT/report.csv names the
    clips that could not be packed. The exit code is 0 if all clips are packed, else 1.

    \b
    bench data pack voxceleb1 --root data/voxceleb1 --out packed/voxceleb1
    bench data verify voxceleb1 --root packed/voxceleb1
    bench train --method mcnet --dataset voxceleb1 --root packed/voxceleb1
    """
    from talkbench import datasets
    from talkbench.benchmark.cli.print.clips import all_outcomes, name_first, report_outcomes
    from talkbench.benchmark.cli.progress import say
    from talkbench.core.locks import FOREVER, locked
    from talkbench.core.text import printable
    from talkbench.datasets.packs import PACK
    from talkbench.datasets.preparation.packing import check_folders, clips_to_pack, pack_clips

    data = datasets.create(dataset, root)
    clips, others = clips_to_pack(data)
    check_folders(data.root, out)
    name_first("not packed, as they are no clips", others)
    with locked(out, "is packing clips into", FOREVER if wait else 0.0, say):
        outcomes = all_outcomes(pack_clips(data, clips, out, workers), len(clips))
        report_outcomes(outcomes, out / "report.csv")
        packs = sorted(path for path in out.rglob(f"*{PACK}") if path.name[0] != ".")
    paths = {f"{clip}{PACK}" for clip in clips}
    older = [name for path in packs if (name := path.relative_to(out).as_posix()) not in paths]
    name_first(f"also there, of clips that are not in {printable(str(data.root))}", older)
    size = sum(path.stat().st_size for path in packs)
    click.echo(f"packs   {len(packs)} files, {size / 1e6:.1f} MB   --dataset {dataset} --root {shlex.quote(str(out))}")
    if not all(outcome.good for outcome in outcomes):
        sys.exit(1)
