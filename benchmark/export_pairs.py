"""`bench data export-pairs`: a task's pairs and their images, for a program that talkbench does not run."""

from __future__ import annotations

import csv
import io
import shlex
from dataclasses import dataclass
from pathlib import Path

from talkbench import datasets
from talkbench.benchmark.evaluation.given_frames import frame_name, stretches
from talkbench.benchmark.evaluation.plan import check_readable, image_size
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError
from talkbench.core.files import atomic_folder, write_atomic
from talkbench.core.images import resize, write_png
from talkbench.core.paths import inside
from talkbench.datasets import Frame, Split

COLUMNS = ("number", "source", "driving", "reference", "result", "video", "video_frame")

README = """\
Pairs of the data set {dataset}, task {task}, motion {motion}: {pairs} pairs, images of {size}x{size} pixels.

pairs.csv has a line per pair:

  number       of the pair
  source       the face to animate
  driving      the frame whose motion the face takes over
  reference    the frame from which that motion is measured; empty for absolute motion
  result       name of the frame that your program makes of the pair
  video        name, without its suffix, of a video or folder that may hold the results of all lines with the same
               entry here, in the order of the lines, instead of one file for each
  video_frame  place of the result in that video or folder, from 0

The images are 8-bit RGB, as talkbench feeds them to the methods that it runs. Write the results into a folder of
their own, as 8-bit RGB PNG of the same size; nothing is resized. JPEG (000012.jpg) and videos (000000.mp4) are taken
too, but compression changes their pixels, and the record says so. A video, or a folder of frames (000000/), has as
many frames as there are lines with its name. A pair without a result counts as failed. So does a pair whose source,
driving or reference frame cannot be read, whatever its result; its line has no entry for that frame.

Then score the folder, under the name of your method:

  {command}
"""


@dataclass(frozen=True)
class ExportPairsOptions:
    """What the user asks for; see ``bench data export-pairs --help`` for each."""

    dataset: str
    out: Path
    task: str = "same-identity"
    motion: str = "absolute"
    pairs: Path | None = None
    root: Path | None = None
    limit: int | None = None
    image_size: int | None = None


@dataclass(frozen=True)
class Exported:
    """How many pairs and images were written, and the command that scores the results."""

    pairs: int
    images: int
    command: str


def export_pairs(options: ExportPairsOptions, progress: Progress | None = None) -> Exported:
    """Write ``pairs.csv``, ``images/`` and ``README.txt`` into ``options.out``.

    Each frame is written once, with the pixels that a method gets from ``bench run``. A frame that cannot be read is
    left out, and the user is warned.

    Raises:
        TalkbenchError: the data set, task or motion is unknown, the list is faulty, or the folder is not empty or
            cannot be written. Nothing is left behind.
    """
    progress = progress or Progress()
    data = datasets.create(options.dataset, root=options.root)
    with atomic_folder(options.out) as folder:
        split = data.split(options.task, pairs=options.pairs, motion=options.motion)
        if options.limit is not None:
            split = split.head(options.limit)
        check_readable(split)
        size = image_size(options.image_size, None, split)
        images = write_images(split, size, folder, progress)
        write_atomic(folder / "pairs.csv", pairs_table(split, images))
        command = _command(options, size)
        about = {
            "dataset": split.dataset,
            "task": split.task,
            "motion": split.motion,
            "pairs": len(split),
            "size": size,
        }
        write_atomic(folder / "README.txt", README.format(**about, command=command))
    return Exported(len(split), len(images), command)


def write_images(split: Split, size: int, folder: Path, progress: Progress) -> dict[Frame, str]:
    """Write every frame of the pairs; returns their paths below `folder`, without those that cannot be read."""
    frames = {frame for pair in split for frame in (pair.source, pair.driving, pair.reference) if frame}
    written: dict[Frame, str] = {}
    faults: list[PairError] = []
    progress.start(0, len(frames))
    for frame in sorted(frames):  # in order, so that a video is decoded once
        path = inside(folder, f"images/{frame.clip}/{frame.index:07d}.png")
        try:
            write_png(path, resize(split.read(frame), size))
            written[frame] = path.relative_to(folder.resolve()).as_posix()
        except PairError as error:
            faults.append(error)
        progress.advance(1)
    if faults:
        progress.warn(f"{len(faults)} frames cannot be read, so that their pairs will count as failed: {faults[0]} …")
    return written


def pairs_table(split: Split, images: dict[Frame, str]) -> str:
    """The text of ``pairs.csv``, for images at these paths."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for stretch in stretches(split.pairs):
        for number in stretch:
            pair = split[number]
            files = [images.get(frame, "") if frame else "" for frame in (pair.source, pair.driving, pair.reference)]
            video = Path(frame_name(stretch.start)).stem
            writer.writerow([number, *files, frame_name(number), video, number - stretch.start])
    return text.getvalue()


def _command(options: ExportPairsOptions, size: int) -> str:
    """The command that scores the results on the same pairs that were exported."""
    chosen = {
        "dataset": options.dataset,
        "task": options.task,
        "motion": options.motion,
        "pairs": options.pairs,
        "root": options.root,
        "limit": options.limit,
        "image-size": size,
    }
    parts = [text for key, value in chosen.items() if value is not None for text in (f"--{key}", str(value))]
    return shlex.join(["bench", "run", "--frames", "FOLDER", "--name", "NAME", *parts])
