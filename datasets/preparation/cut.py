"""Making clips, folders of square frames, out of downloaded videos: in parallel, resumable, each clip all or nothing.

The window of a list is scaled to the video, cut, and resized with smoothing; all frames of a stretch of time are kept
at the video's own rate (docs/specs/evaluation.md 6.2, 6.5, 6.6).
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import PARTIAL, atomic_folder
from talkbench.core.images import resize, stored_size
from talkbench.core.text import printable
from talkbench.datasets.clip_store import files_by_kind
from talkbench.datasets.clips import image_files
from talkbench.datasets.interface import Clip
from talkbench.datasets.preparation.metadata import Cut
from talkbench.datasets.videos import VideoClip

KEEP = "--keep-damaged makes the clip of the frames that decode"
JPEG_QUALITY = 95  # of OpenCV's writer unless told otherwise; HDTF's frames come from it (docs/specs/evaluation.md 6.5)
SLACK = Fraction(1, 25)  # seconds that a video may be short of its last clip's end: one frame of the list
PARTIAL_DOWNLOADS = (".part", ".crdownload", ".download", ".ytdl")
SHAPE_TOLERANCE = 0.01  # how far a video's aspect ratio may be from the list's: sizes on the web are rounded to even


@dataclass(frozen=True)
class Style:
    """How frames are written: `size` pixels square, named by `digits`, ``.png`` or ``.jpg`` (quality 95); and whether
    of a damaged video the frames that decode are kept, under their numbers, or no clip is made."""

    size: int
    digits: int = 7
    suffix: str = ".png"
    keep_damaged: bool = False


STYLES = {
    "folder": Style(256),
    "hdtf": Style(512, 6, ".jpg"),
    "ted-talks": Style(384),
    "voxceleb1": Style(256),
}


@dataclass(frozen=True)
class CutOutcome:
    """The result for a clip: `status` is "made", "there" (made before) or a slug of a fault, told in `detail`; where
    the clip was made all the same, `detail` tells what is missing in it, and `choice` how it was cut, where there was
    a choice: a few words and the whole story."""

    clip: str
    video: str
    status: str
    detail: str = ""
    choice: tuple[str, str] | None = None

    @property
    def good(self) -> bool:
        return self.status in ("made", "there")


Window = tuple[int, int, int, int]  # left, top, right, bottom
# A job makes the clips of one video; it runs in a worker process, so it is a partial of a function of this module.
Job = Callable[[], list[CutOutcome]]

Workers = int | Callable[[list[Job]], Iterator[list[CutOutcome]]]
"""How many processes work, or what does the jobs in their place and gives the outcomes of each."""


def cut_clips(cuts: Sequence[Cut], raw: Path, out: Path, style: Style, workers: Workers) -> Iterator[list[CutOutcome]]:
    """Cut `cuts` out of the videos in `raw` to folders below `out`.

    Args:
        raw: folder of videos, each named as the list names it, whatever its ending.
        workers: processes at once, 1 works in this one; or what does the jobs.

    Yields:
        The outcomes of some clips at a time, as they are done; first those made before and those without a video.

    Raises:
        TalkbenchError: `raw` is not a folder, `out` cannot be written, or a worker has died.
    """
    if not raw.is_dir():
        raise TalkbenchError(f"{raw} is not a folder; name the folder of the downloaded videos")
    videos, _ = list_videos(raw)
    sweep({out, *((out / cut.clip).parent for cut in cuts)})
    jobs: list[Job] = []
    for name, cuts_of_video in _by_video(cuts).items():
        files = videos.get(name, [])
        earlier = [outcome for cut in cuts_of_video if (outcome := earlier_outcome(cut.clip, name, out, style))]
        yield earlier
        done = {outcome.clip for outcome in earlier}
        todo = [cut for cut in cuts_of_video if cut.clip not in done]
        if not todo:
            continue
        if len(files) == 1:
            jobs.append(partial(_cut_video, files[0], todo, out, style))
        elif files:
            yield [CutOutcome(cut.clip, name, "same-name", several_files(files)) for cut in todo]
        else:
            yield [CutOutcome(cut.clip, name, "missing-video", f"no {name}.mp4 in {raw}") for cut in todo]
    yield from run_jobs(jobs, workers)


def find_videos(raw: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """As `list_videos`, also for a single video.

    Raises:
        TalkbenchError: there is no video.
    """
    if not raw.exists():
        raise TalkbenchError(f"there is no {raw}; give a video or a folder of videos")
    videos, others = list_videos(raw) if raw.is_dir() else ({raw.stem: [raw]}, [])
    if not videos:
        raise TalkbenchError(f"{raw} holds no video")
    return videos, others


def list_videos(raw: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The videos in the folder `raw` by file name without ending; and the names of other files, lists (CSV) and hidden
    ones left out. Videos are told by content; what ends as one and is broken counts too."""
    images, names, others = files_by_kind(raw, [file.name for file in raw.iterdir() if file.is_file()])
    videos = defaultdict(list)
    for name in names:
        if not name.endswith(PARTIAL_DOWNLOADS):
            videos[Path(name).stem].append(raw / name)
    return videos, sorted([*images, *others, *(name for name in names if name.endswith(PARTIAL_DOWNLOADS))])


def _cut_video(path: Path, cuts: Sequence[Cut], out: Path, style: Style) -> list[CutOutcome]:
    """Cut all clips of one video, in order of time, so that it is decoded once where they do not overlap."""
    try:
        video = VideoClip(path)
    except TalkbenchError as error:
        return [CutOutcome(cut.clip, cut.video, "broken-video", str(error)) for cut in cuts]
    sound = set(video.sound_numbers()) if style.keep_damaged else None
    outcomes = []
    for cut in sorted(cuts, key=lambda cut: cut.start):
        try:
            loss = write_frames(video, _frames(cut, video), partial(_window, cut), out / cut.clip, style, sound)
            outcomes.append(CutOutcome(cut.clip, cut.video, "made", loss))
        except PairError as error:
            outcomes.append(CutOutcome(cut.clip, cut.video, error.reason, error.message))
    return outcomes


def write_frames(
    video: Clip,
    frames: range,
    window: Callable[[int, int], Window],
    folder: Path,
    style: Style,
    sound: Collection[int] | None,
) -> str:
    """Write `frames` of `video`, numbered from 0, all or none.

    Args:
        window: the window for an image's height and width; may raise PairError.
        sound: the frames of `video` that can be read, the others are left out; None: all must be.

    Returns:
        How many frames were left out, in words; "" for none.

    Raises:
        PairError: a frame does not decode, or none of them does.
    """
    from PIL import Image

    missing = [index for index in frames if sound is not None and index not in sound]
    if len(missing) == len(frames):
        raise PairError("undecodable-frame", f"{video.path}: frames {frames.start} to {frames[-1]} do not decode")
    options: dict[str, Any] = {"compress_level": 3} if style.suffix == ".png" else {"quality": JPEG_QUALITY}
    with atomic_folder(folder) as temporary:
        for number, index in enumerate(frames):
            if index in missing:
                continue
            image = _read(video, index)
            left, top, right, bottom = window(*image.shape[:2])
            square = resize(image[top:bottom, left:right], style.size)
            Image.fromarray(square).save(temporary / f"{number:0{style.digits}d}{style.suffix}", **options)
    if not missing:
        return ""
    return f"{len(missing)} of {len(frames)} frames cannot be decoded and are left out, the first is {missing[0]}"


def _read(video: Clip, index: int) -> np.ndarray:
    try:
        return video.read(index)
    except PairError as error:
        raise PairError(error.reason, f"{error.message}; {KEEP}") from error


def _frames(cut: Cut, video: VideoClip) -> range:
    """The frames of `cut`.

    Raises:
        PairError: ``short-video``, the video ends more than `SLACK` before the clip does.
    """
    if cut.rate is None:
        frames = needed = range(int(cut.start), int(cut.end))
    else:
        start, end = Fraction(cut.start) / cut.rate, Fraction(cut.end) / cut.rate
        frames, needed = (video.frames_between(start, last) for last in (end, end - SLACK))
    if needed.stop > len(video) or frames.start >= len(video):
        raise PairError(
            "short-video",
            f"{video.path} has {len(video)} frames, but the clip goes to frame {frames.stop - 1}"
            + (f"; {video.damage}" if video.damage else ""),
        )
    return range(frames.start, min(frames.stop, len(video)))


def _window(cut: Cut, height: int, width: int) -> Window:
    """The box of `cut` in pixels of a video of `height` x `width`, cut to whole ones and to the frame.

    Raises:
        PairError: ``other-shape``, the list describes a video of another aspect ratio; or ``empty-window``.
    """
    listed = Fraction(cut.width) if cut.width else Fraction(width * cut.height, height)
    if abs(width * cut.height / (height * listed) - 1) > SHAPE_TOLERANCE:
        raise PairError(
            "other-shape",
            f"{cut.video} is {width} x {height}, but the list places the window in {cut.width} x {cut.height}",
        )
    if cut.width is None and cut.box[2] > listed * (1 + SHAPE_TOLERANCE):
        raise PairError("other-shape", f"{cut.video} is {width} x {height}, too narrow for the window of {cut.clip}")
    left, right = (int(min(x * width // listed, width)) for x in cut.box[::2])
    top, bottom = (min(y * height // cut.height, height) for y in cut.box[1::2])
    if left == right or top == bottom:
        raise PairError("empty-window", f"in {cut.video}, {width} x {height}, the window is less than a pixel")
    return left, top, right, bottom


def run_jobs(jobs: list[Job], workers: Workers) -> Iterator[list[CutOutcome]]:
    if not isinstance(workers, int):
        yield from workers(jobs)
        return
    if workers == 1 or len(jobs) < 2:
        yield from (job() for job in jobs)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_settle)
    try:
        for done in as_completed([pool.submit(job) for job in jobs]):
            yield done.result()
    except BrokenProcessPool as error:
        remedy = "the same command goes on with what is left; try fewer --workers if memory is short"
        raise TalkbenchError(f"a worker process died; {remedy}") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _settle() -> None:
    """Set up a worker process: one thread (torch reads that when it is imported), no traceback after an interrupt, and
    an end as soon as its parent process is gone."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def sweep(folders: Iterable[Path]) -> None:
    """Delete what killed processes left in `folders`."""
    for folder in folders:
        for leftover in folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)


def earlier_outcome(clip: str, video: str, out: Path, style: Style) -> CutOutcome | None:
    """The outcome for a clip that is in `out` already; None if it is not."""
    path = out / clip
    if path.is_file():
        return CutOutcome(clip, video, "there")
    content = list(path.iterdir()) if path.is_dir() else []
    if not content:
        return None
    first = next(iter(image_files(path)), content[0])
    try:
        size = stored_size(first)
    except PairError:
        return CutOutcome(clip, video, "undecodable-frame", f"{first} is no image; delete the folder")
    if size != (style.size, style.size):
        return CutOutcome(clip, video, "other-size", f"{path} is there with {size[0]} x {size[1]} pixels; delete it")
    return CutOutcome(clip, video, "there")


def is_text(name: str) -> bool:
    return printable(name) == name


def several_files(files: list[Path]) -> str:
    return f"{' and '.join(file.name for file in files)} have one name; keep one of them"


def _by_video(cuts: Iterable[Cut]) -> dict[str, list[Cut]]:
    cuts_of = defaultdict(list)
    for cut in cuts:
        cuts_of[cut.video].append(cut)
    return cuts_of
