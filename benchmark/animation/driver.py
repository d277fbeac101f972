"""The frames that drive: which of them can be read, when they are shown, what is heard, how they are made square."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench.benchmark.progress import Progress
from talkbench.benchmark.videos.sound import sound_of
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize, squared, to_tensor
from talkbench.datasets.interface import USUAL_RATE, Clip, Timeline
from talkbench.datasets.videos import VideoClip

if TYPE_CHECKING:
    from av import AudioFrame

    from talkbench.benchmark.animation.faces import Crop

DEFAULT_SIZE = 256  # for methods that work at any size: the field's resolution
STILL = Fraction(1)  # seconds that one picture is shown as a video


@dataclass(frozen=True)
class Driver:
    """The frames `numbers` of a clip, `batch_size` at a time, each made square: by `crop`, or where that is None by
    `fit` (`squared`)."""

    clip: Clip
    numbers: Sequence[int]
    batch_size: int
    fit: str = "crop"
    crop: Crop | None = None

    def batches(self, face: torch.Tensor) -> Iterator[tuple[Sequence[int], torch.Tensor]]:
        """The frames in batches: their numbers, and images (B, 3, H, W) of the face's size and on its device."""
        for start in range(0, len(self.numbers), self.batch_size):
            numbers = self.numbers[start : start + self.batch_size]
            yield numbers, self.images(numbers, face)

    def images(self, numbers: Sequence[int], face: torch.Tensor) -> torch.Tensor:
        """Some of the frames, as `batches` gives them."""
        frames = [resize(self._square(self.clip.read(number)), face.shape[-1]) for number in numbers]
        return to_tensor(np.stack(frames), face.device)

    def _square(self, image: np.ndarray) -> np.ndarray:
        return self.crop.cut(image) if self.crop else squared(image, self.fit)

    @property
    def timeline(self) -> Timeline:
        """When the frames are shown: as in the clip, the first at once, and each until the next one."""
        count = len(self.clip)
        whole = self.clip.timeline or Timeline(range(count + 1), 1 / USUAL_RATE if count > 1 else STILL)
        if len(self.numbers) == count:
            return whole
        places = np.searchsorted(self.clip.numbers, self.numbers).tolist()
        first, end = whole.ticks[places[0]], whole.ticks[places[-1] + 1]
        ticks = [whole.ticks[place] - first for place in places]
        return Timeline([*ticks, end - first], whole.tick, whole.start + first * whole.tick)


def heard(clip: Clip, timeline: Timeline, progress: Progress) -> Iterator[AudioFrame]:
    """The sound of a driver while the frames of `timeline` are shown; where it cannot be read, the rest stays silent,
    which is said."""
    try:
        if isinstance(clip, VideoClip):
            yield from sound_of(clip.path, timeline)
    except TalkbenchError as error:
        progress.warn(f"the sound of the driver is lost: {error}")


def without_damage(driver: Driver, numbers: Sequence[int], strict: bool, progress: Progress) -> Driver:
    """The driver with those of its frames that can be read; what is lost is said.

    Args:
        numbers: of these frames.
        strict: nothing may be lost.

    Raises:
        TalkbenchError: `strict`, and a frame or the end is lost; or no frame can be read.
    """
    clip, remedy = driver.clip, "leave --strict out to go on without"
    lost = sorted(set(clip.numbers) - set(numbers))
    if strict and lost:
        try:
            clip.read(lost[0])
        except PairError as error:
            raise TalkbenchError(f"{error}; {remedy}") from error
    if strict and clip.damage:
        raise TalkbenchError(f"{clip.damage}; {remedy}")
    if not numbers:
        raise TalkbenchError(f"no frame of {clip.path} can be read; give another driver")
    if clip.damage:
        progress.warn(f"{clip.damage}; the result ends there")
    if lost:
        progress.warn(
            f"{len(lost)} of the {len(clip)} frames of {clip.path} cannot be read, the first is {lost[0]}: the one "
            "before is shown instead, and what is lost at the beginning or the end is left out; --strict stops there"
        )
    return replace(driver, numbers=numbers)


def say_how_it_fits(what: str, image: np.ndarray, fit: str, progress: Progress) -> None:
    """Tell the user how an image that is not square is made so."""
    height, width = image.shape[:2]
    small, large = sorted((height, width))
    how = {
        "crop": f"its middle {small}x{small} is used; crop it yourself to choose",
        "pad": f"it is padded with black to {large}x{large}",
        "squeeze": "it is squeezed to a square",
    }
    if small != large:
        progress.say(f"the {what} is {width}x{height}: {how[fit]}")
