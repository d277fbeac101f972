"""The face in the source and in the driver: which of several, and the square that is cut out around it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from talkbench.benchmark.animation.options import AnimateOptions
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Clip
from talkbench.datasets.preparation.crops import detect_faces, follow_faces, is_head_crop, position_of, square_crop
from talkbench.methods.cards import card

EVERY, MOST_LOOKS = 4, 400  # every fourth frame of a clip is searched for faces, fewer of a long one
MANY = 500  # frames that are read in a moment; of more, progress is shown
LINES = 720  # a larger picture is searched at a whole fraction of its size
MARGIN = 0.1  # of the box around a face in all frames, on each side (docs/specs/fomm.md 4.7)
LOOSEST, USUAL, TIGHTEST = 0.54, 0.65, 0.70  # of its square's side that the height of a picture's face takes
SELDOM = 0.5  # a face that is seen in a smaller share of the frames that are looked at is worth a word
ENLARGED = 2.0  # from which factor on it is worth a word
BODIES = ("ted", "taichi", "tai-chi")
"""The beginnings of the names of data sets that show more of people than heads."""


@dataclass(frozen=True)
class Crop:
    """The square around faces at `boxes` (N, 4), enlarged by `margin` of its side on each side (`square_crop`)."""

    boxes: np.ndarray
    margin: float = MARGIN

    def place(self, height: int, width: int) -> tuple[int, int, int]:
        """Left, top and side in a picture of that size."""
        return square_crop(self.boxes, height, width, self.margin)

    def cut(self, image: np.ndarray) -> np.ndarray:
        left, top, side = self.place(*image.shape[:2])
        return image[top : top + side, left : left + side]


@dataclass(frozen=True)
class Survey:
    """What was seen of a picture or a clip.

    Attributes:
        numbers: of the frames that can be read.
        looks: see `detect_faces`; of some of the frames, or none.
        height, width: of the first frame.
    """

    numbers: Sequence[int]
    looks: Sequence[np.ndarray]
    height: int
    width: int


def survey(clip: Clip, look: bool, progress: Progress) -> Survey:
    """Read every frame of a clip, and `look` for faces in some."""
    numbers: list[int] = []
    sizes: list[tuple[int, int]] = []
    every = max(EVERY, math.ceil(len(clip) / MOST_LOOKS))

    def images() -> Iterator[np.ndarray]:
        for place, (number, image) in enumerate(clip.sound_frames()):
            numbers.append(number)
            if long:
                progress.advance(1)
            if place == 0:
                sizes.append(image.shape[:2])
            if look and place % every == 0:
                yield image

    long = len(clip) > MANY
    if long:
        progress.start(0, len(clip))
    looks = detect(images())
    return Survey(numbers, looks, *(sizes or [(0, 0)])[0])


def detect(images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """As `detect_faces`, also of large images."""
    factors: list[int] = []

    def small() -> Iterator[np.ndarray]:
        from PIL import Image

        for image in images:
            factors.append(max(1, min(image.shape[:2]) // LINES))
            yield np.asarray(Image.fromarray(image).reduce(factors[-1])) if factors[-1] > 1 else image

    return [boxes * factor for boxes, factor in zip(detect_faces(small()), factors, strict=True)]


def is_looking(options: AnimateOptions, method: str, progress: Progress) -> bool:
    """Whether faces are looked for to crop to them; why not, is said, unless the user wants it so.

    Raises:
        TalkbenchError: the user wants it, and it cannot be done.
    """
    if options.crop is False:
        return False
    explicit = options.crop or options.source_face or options.driving_face
    if not explicit and animates_bodies(method):
        progress.say(f"{method} animates more than heads, so nothing is cropped to the face; --crop does it")
        return False
    if can_detect():
        return True
    lack = "finding faces needs facenet-pytorch; pip install 'talkbench[full]'"
    if explicit:
        raise TalkbenchError(f"{lack}, or leave out --crop and the choice of a face")
    progress.say(f"nothing is cropped to the face: {lack}")
    return False


def can_detect() -> bool:
    return importlib.util.find_spec("facenet_pytorch") is not None


def animates_bodies(method: str) -> bool:
    """Whether the method's training data shows more of people than heads, by its card or else the variant's name."""
    try:
        data = card(method).training_data
    except TalkbenchError:  # an object of the caller's
        data = ""
    return (data or method.partition("@")[2]).startswith(BODIES)


@dataclass(frozen=True)
class Held:
    """One face of a picture or a clip.

    Attributes:
        boxes: where it was seen, (N, 4).
        remark: what else the user should know, in words.
    """

    boxes: np.ndarray
    survey: Survey
    remark: str

    @property
    def is_head_crop(self) -> bool:
        return is_head_crop(self.boxes, self.survey.height, self.survey.width)

    def share(self, crop: Crop | None) -> float:
        """The share of the square's side that the face's height takes, within bounds that give a picture room."""
        size = self.survey.height, self.survey.width
        side = crop.place(*size)[2] if crop else min(size)
        return float(np.clip(np.median(self._heights) / side, LOOSEST, TIGHTEST))

    @property
    def _heights(self) -> np.ndarray:
        heights: np.ndarray = self.boxes[:, 3] - self.boxes[:, 1]
        return heights

    def crop(self, share: float | None = None) -> Crop:
        """The square around the face: over a time, with the field's margin; in a single picture, where nothing gives it
        room to move, so that its height takes `share`."""
        if len(self.survey.looks) > 1:
            return Crop(self.boxes)
        longer = float((self.boxes[:, 2:] - self.boxes[:, :2]).max())
        return Crop(self.boxes, max(MARGIN, (float(self._heights[0]) / ((share or USUAL) * longer) - 1) / 2))


def hold_face(what: str, seen: Survey, crop: bool | None, face: str | None, progress: Progress) -> Held | None:
    """The face that is meant; None where there is none, which is said.

    Args:
        what: source or driving.
        crop, face: as the options `crop` and `source_face`.

    Raises:
        TalkbenchError: there is none and the user asks for one, or there are fewer than the user's number.
    """
    option = f"--{what}-face"
    name = {"driving": "driver"}.get(what, what)
    if not any(len(boxes) for boxes in seen.looks):
        if crop or face:
            needed = "--crop" if crop else option
            raise TalkbenchError(f"no face is found in the {name}, which {needed} needs; give another {name}")
        progress.say(f"no face is found in the {name}, so it is not cropped to one")
        return None
    tracks = follow_faces(seen.looks)
    place = position_of(tracks, face or "largest", option)
    boxes = np.stack(list(tracks[place].values()))
    remarks = []
    if len(tracks) > 1:
        chosen = "" if face else ", the largest"
        remarks.append(f"number {place + 1} of {len(tracks)} faces from the left{chosen}; {option} N takes another")
    if len(boxes) < (1 if len(tracks) > 1 else SELDOM) * len(seen.looks):
        remarks.append(f"it is seen in {len(boxes)} of the {len(seen.looks)} frames that were looked at")
    return Held(boxes, seen, "; ".join(remarks))


def say_crop(what: str, held: Held, crop: Crop, size: int, progress: Progress) -> None:
    """Tell the user what is cut out and, of several faces, which one.

    Args:
        size: the method's resolution.
    """
    height, width = held.survey.height, held.survey.width
    left, top, side = crop.place(height, width)
    line = f"the {what} is {width}x{height}: cropped to the face, {side}x{side} at {left},{top}"
    if size / side >= ENLARGED:
        line += f", enlarged {size / side:.1f} times"
    progress.say("; ".join(filter(None, (f"{line} (--no-crop leaves it)", held.remark))))
