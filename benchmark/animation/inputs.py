"""Opening the inputs: a picture, or one frame of a video, as source; a video, frames or a picture as driver."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from talkbench.benchmark.animation.faces import can_detect, detect
from talkbench.benchmark.animation.options import AnimateOptions, background_colour
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import holds_picture, on_colour, read_pixels
from talkbench.datasets.clips import open_clip
from talkbench.datasets.interface import Clip
from talkbench.datasets.packs import is_pack
from talkbench.datasets.videos import is_video

FIRST = 200  # so many frames of a video that is a source are searched for a face
AT_ONCE = 8


class Still(Clip):
    """A picture as a clip of one frame."""

    def __init__(self, path: Path, image: np.ndarray) -> None:
        super().__init__(path)
        self._image = image

    def __len__(self) -> int:
        return 1

    def _read(self, index: int) -> np.ndarray:
        return self._image


def open_driver(options: AnimateOptions, progress: Progress) -> Clip:
    """The driving clip; a picture is one of one frame.

    Raises:
        TalkbenchError: it cannot be read.
    """
    path = options.driving
    if isinstance(path, Clip):
        return path
    try:
        return open_clip(path)
    except TalkbenchError:
        if not (path.is_file() and holds_picture(path)):
            raise
    return Still(path, _composed("driver", read_pixels(path), options.background, progress))


def read_source(options: AnimateOptions, progress: Progress) -> np.ndarray:
    """The source, uint8 RGB (H, W, 3), what is transparent laid on the background; of a video one frame. What was
    chosen is said.

    Raises:
        TalkbenchError: it cannot be read, or has no such frame.
    """
    source = options.source
    if isinstance(source, Path) and (source.is_dir() or (source.is_file() and (is_pack(source) or is_video(source)))):
        return _frame(open_clip(source), options, progress)
    if options.source_frame is not None:
        raise TalkbenchError("--source-frame chooses a frame of a video, and the source is a picture; leave it out")
    pixels = read_pixels(source) if isinstance(source, Path) else source
    return _composed("source", pixels, options.background, progress)


def _composed(what: str, pixels: np.ndarray, background: str, progress: Progress) -> np.ndarray:
    if pixels.shape[2] == 3:
        return pixels
    if pixels[..., 3].min() < 255:
        progress.say(f"the {what} is transparent in places and laid on {background}; --background takes another colour")
    return on_colour(pixels, background_colour(background))


def _frame(clip: Clip, options: AnimateOptions, progress: Progress) -> np.ndarray:
    if options.source_frame is not None:
        return clip.read(options.source_frame)
    choice, faceless = None, 0
    frames = islice(clip.sound_frames(), FIRST if can_detect() else 1)
    while chunk := list(islice(frames, AT_ONCE)):
        choice = choice or chunk[0]
        looks = detect(image for _, image in chunk) if can_detect() else []
        for frame, boxes in zip(chunk, looks, strict=False):
            if len(boxes):
                _say_frame(clip, frame[0], "the first in which a face is found", progress)
                return frame[1]
        faceless += len(looks)
    if choice is None:
        raise TalkbenchError(f"no frame of {clip.path} can be read; give another source")
    reason = f"no face is found in its first {faceless}" if faceless else "no face is looked for"
    _say_frame(clip, choice[0], reason, progress)
    return choice[1]


def _say_frame(clip: Clip, number: int, reason: str, progress: Progress) -> None:
    progress.say(f"the source is frame {number} of {clip.path}, {reason}; --source-frame takes another")
