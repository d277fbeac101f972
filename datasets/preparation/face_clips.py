"""Making clips out of anyone's videos: square frames around one face, or videos that are cut to a head already."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.text import printable
from talkbench.datasets.interface import Clip
from talkbench.datasets.preparation.crops import (
    find_faces,
    follow_faces,
    is_head_crop,
    middle_crop,
    position_of,
    square_crop,
)
from talkbench.datasets.preparation.cut import (
    KEEP,
    CutOutcome,
    Job,
    Style,
    Window,
    Workers,
    earlier_outcome,
    is_text,
    run_jobs,
    several_files,
    sweep,
    write_frames,
)
from talkbench.datasets.videos import VideoClip

SELDOM = 0.5  # a face that is seen in a smaller share of the frames that are looked at is worth a word


@dataclass(frozen=True)
class Cropping:
    """How the square is chosen.

    Attributes:
        crop: ``face`` cuts around the face; ``none`` takes the largest square in the middle; ``auto`` takes that of a
            video that is cut to a head already (`is_head_crop`), else the face's.
        face: which face of several, see `position_of`.
    """

    crop: str = "auto"
    face: str = "largest"


def crop_faces(
    videos: dict[str, list[Path]], out: Path, style: Style, workers: Workers, cropping: Cropping | None = None
) -> Iterator[list[CutOutcome]]:
    """Make a clip of every video, cut to a square, named as its file without ending.

    Args:
        videos: by name, see `talkbench.datasets.preparation.cut.find_videos`.
        cropping: what the user has chosen; None: there is no choice, and `Cropping` has its defaults.
        out, workers, and what is yielded and raised: as for `talkbench.datasets.preparation.cut.cut_clips`.
    """
    other_way = ", or give --crop none" if cropping else ""
    cropping = cropping or Cropping()
    if cropping.crop != "none" and importlib.util.find_spec("facenet_pytorch") is None:
        raise TalkbenchError(f"finding faces needs facenet-pytorch; pip install 'talkbench[full]'{other_way}")
    sweep({out})
    jobs: list[Job] = []
    for name, files in videos.items():
        earlier = earlier_outcome(name, name, out, style) if is_text(name) else None
        if not is_text(name):
            yield [CutOutcome(printable(name), printable(name), "name-not-utf8", "rename the file")]
        elif len(files) > 1:
            yield [CutOutcome(name, name, "same-name", several_files(files))]
        elif earlier:
            yield [earlier]
        else:
            jobs.append(partial(_crop_face, files[0], out / name, style, cropping))
    yield from run_jobs(jobs, workers)


def _crop_face(path: Path, folder: Path, style: Style, cropping: Cropping) -> list[CutOutcome]:
    def failed(error: TalkbenchError, status: str) -> list[CutOutcome]:
        return [CutOutcome(folder.name, path.stem, getattr(error, "reason", status), str(error))]

    try:
        video = VideoClip(path)
    except TalkbenchError as error:
        return failed(error, "broken-video")
    if video.damage and not style.keep_damaged:
        return failed(TalkbenchError(f"{video.damage}; {KEEP}"), "damaged-video")
    sound = video.sound_numbers() if style.keep_damaged else None
    try:
        window, choice = _window(video if sound is None else _Selection(video, sound), cropping)
    except PairError as error:
        return failed(PairError(error.reason, f"{error}; {KEEP}"), error.reason)
    except TalkbenchError as error:
        return failed(error, "no-face")
    try:
        loss = write_frames(video, range(len(video)), window, folder, style, sound)
    except PairError as error:
        return failed(error, error.reason)
    detail = "; ".join(filter(None, (video.damage, loss)))
    return [CutOutcome(folder.name, path.stem, "made", detail, choice)]


def _window(video: Clip, cropping: Cropping) -> tuple[Callable[[int, int], Window], tuple[str, str] | None]:
    """The window by an image's height and width; and what was chosen, if there was a choice.

    Raises:
        TalkbenchError: no frame shows a face, or not as many as the user's number asks for.
    """
    height, width = video.read(0).shape[:2]
    if cropping.crop == "none":
        cut = f"{width}x{height}: the largest square in the middle is taken"
        return _square(middle_crop), None if height == width else ("not square, cut to the middle", cut)
    looks = find_faces(video)
    tracks = follow_faces(looks)
    place = position_of(tracks, cropping.face)
    boxes = np.stack(list(tracks[place].values()))
    if cropping.crop == "auto" and is_head_crop(boxes, height, width):
        return _square(middle_crop), ("a head crop already, left as it is", f"{width}x{height}; --crop face cuts it")
    seen = f"{len(boxes)} of {len(looks)} frames that were looked at"
    choice = None
    if len(tracks) > 1:
        story = f"{len(tracks)} faces from left to right: the clip holds number {place + 1}, seen in {seen}; --face N"
        choice = "several faces, one of them held", f"{story} takes another"
    elif len(boxes) < SELDOM * len(looks):
        choice = "the face is seldom seen", seen
    return _square(partial(square_crop, boxes)), choice


def _square(crop: Callable[[int, int], tuple[int, int, int]]) -> Callable[[int, int], Window]:
    def window(height: int, width: int) -> Window:
        left, top, side = crop(height, width)
        return left, top, left + side, top + side

    return window


class _Selection(Clip):
    """Some frames of a clip, counted from 0."""

    def __init__(self, clip: Clip, numbers: Sequence[int]) -> None:
        super().__init__(clip.path)
        self._clip, self._numbers = clip, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def _read(self, index: int) -> np.ndarray:
        return self._clip.read(self._numbers[index])
