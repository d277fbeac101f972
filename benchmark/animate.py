"""`bench animate`: moves one face image by one driving video and writes a playable video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench.benchmark.environment import choose_device, memory_advice
from talkbench.benchmark.evaluation.motions import check_motion, implied_settings, motions
from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.poses import choose_landmarks, closest
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.videos.mp4 import write_video
from talkbench.benchmark.videos.sound import sound_of
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import atomic_path
from talkbench.core.images import FITS, read_image, resize, squared, to_tensor, to_uint8, write_png
from talkbench.datasets.clips import open_clip
from talkbench.datasets.interface import Clip, Timeline
from talkbench.datasets.videos import VideoClip
from talkbench.methods.cards import Weights, find_weights

if TYPE_CHECKING:
    from av import AudioFrame

    from talkbench.methods.interface import Method
    from talkbench.metrics import Extractor

DEFAULT_SIZE = 256  # for methods that work at any size: the field's resolution
PREFERRED_MOTION = "relative-first"
FRAME_FOLDER_RATE = Fraction(25)  # frames per second of the field's data sets


@dataclass(frozen=True)
class AnimateOptions:
    """What the user asks for; see ``bench animate --help`` for each."""

    method: str | Method
    source: Path | np.ndarray
    driving: Path | Clip
    out: Path
    checkpoint: Path | None = None
    motion: str | None = None
    frames: Path | None = None
    batch_size: int = 8
    device: str = "auto"
    sound: bool = True
    keep_damaged: bool = False
    fit: str = "crop"
    settings: dict[str, object] = field(default_factory=dict)


def animate(options: AnimateOptions, progress: Progress | None = None) -> tuple[int, int]:
    """Write the video, and the frames if the options name a folder; returns their number and their side in pixels.

    A source or driver that is not square is made so as the options' ``fit`` says (`squared`), and the user is told;
    then both are resized to the method's resolution (docs/specs/fomm.md 4.1). The video has the time stamps of the
    driving one, and its sound.

    Raises:
        TalkbenchError: an input cannot be read, or the output cannot be written; no half video is left.
    """
    progress = progress or Progress()
    _check(options)
    device = choose_device(options.device)
    motion = chosen_motion(options.method, options.motion)
    weights = find_weights(options.method, options.checkpoint) if isinstance(options.method, str) else None
    driving = open_clip(options.driving) if isinstance(options.driving, Path) else options.driving
    source = read_image(options.source) if isinstance(options.source, Path) else options.source
    numbers = _numbers(driving, options.keep_damaged, progress)
    with memory_advice(options.batch_size):
        method = _method(options, weights, motion).to(device)
        if weights and weights.note:
            progress.say(weights.note)
        size = method.resolution or DEFAULT_SIZE
        face = to_tensor(resize(squared(source, options.fit), size)[None], device)
        driver = Driver(driving, numbers, options.batch_size, options.fit)
        reference = {"relative-first": numbers[0]}.get(motion)
        if motion == "relative-best":
            reference = best_frame(face, driver, progress)
        say_how_it_fits("source", source, options.fit, progress)
        say_how_it_fits("driver", _read(driving, numbers[0]), options.fit, progress)
        progress.start(0, len(numbers))
        frames = _generate(method, face, driver, reference, options, progress)
        timeline = _timeline(driving, numbers)
        sound = _sound(driving, timeline, progress) if options.sound else iter(())
        with atomic_path(options.out) as temporary:
            write_video(temporary, frames, timeline, sound)
    return len(numbers), size


def chosen_motion(method: str | Method, motion: str | None) -> str:
    """The `motion`; where none is asked for, relative to the first frame if the method has that.

    Raises:
        TalkbenchError: the motion is unknown, or the method lacks it.
    """
    choices = motions(method)
    motion = motion or (PREFERRED_MOTION if PREFERRED_MOTION in choices else choices[0])
    check_motion(method, motion)
    return motion


def _check(options: AnimateOptions) -> None:
    if options.out.suffix.lower() != ".mp4":
        raise TalkbenchError(f"--out {options.out} is not a .mp4 file; the video is H.264 in MP4")
    if options.fit not in FITS:
        raise TalkbenchError(f"--fit {options.fit}: give {', '.join(FITS[:-1])} or {FITS[-1]}")
    inputs = [path.resolve() for path in (options.driving, options.source) if isinstance(path, Path)]
    if options.out.resolve() in inputs:
        raise TalkbenchError(f"--out {options.out} would overwrite an input; choose another name")


@dataclass(frozen=True)
class Driver:
    """The frames `numbers` of a clip, `batch_size` at a time, made square by `fit` (`squared`)."""

    clip: Clip
    numbers: Sequence[int]
    batch_size: int
    fit: str = "crop"

    def batches(self, face: torch.Tensor) -> Iterator[tuple[Sequence[int], torch.Tensor]]:
        """The frames in batches: their numbers, and images (B, 3, H, W) of the face's size and on its device."""
        for start in range(0, len(self.numbers), self.batch_size):
            numbers = self.numbers[start : start + self.batch_size]
            yield numbers, self.images(numbers, face)

    def images(self, numbers: Sequence[int], face: torch.Tensor) -> torch.Tensor:
        """Some of the frames, as `batches` gives them."""
        frames = [resize(squared(_read(self.clip, number), self.fit), face.shape[-1]) for number in numbers]
        return to_tensor(np.stack(frames), face.device)


def _numbers(driving: Clip, keep_damaged: bool, progress: Progress) -> Sequence[int]:
    """The numbers of the driver's frames, or of those that can be read; warns of damage."""
    if driving.damage:
        progress.warn(f"{driving.damage}; the result ends there")
    if not keep_damaged:
        return driving.numbers
    numbers = driving.sound_numbers()
    if len(numbers) < len(driving):
        progress.warn(
            f"{len(numbers)} of the {len(driving)} frames of {driving.path} can be read; the others are left out"
        )
    if not numbers:
        raise TalkbenchError(f"no frame of {driving.path} can be read; give another driver")
    return numbers


def _read(driving: Clip, number: int) -> np.ndarray:
    try:
        return driving.read(number)
    except PairError as error:
        remedy = "--keep-damaged goes on with the frames that can be read"
        raise TalkbenchError(f"{error}; {remedy}") from error


def _sound(driving: Clip, timeline: Timeline, progress: Progress) -> Iterator[AudioFrame]:
    """The driver's sound; where it cannot be read, the rest stays silent, which is said."""
    try:
        if isinstance(driving, VideoClip):
            yield from sound_of(driving.path, timeline)
    except TalkbenchError as error:
        progress.warn(f"the sound of the driver is lost: {error}")


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


def _timeline(driving: Clip, numbers: Sequence[int]) -> Timeline:
    """When the frames `numbers` are shown: as in the driver, the first at once, and each until the next one."""
    whole = driving.timeline or Timeline(range(len(driving) + 1), 1 / FRAME_FOLDER_RATE)
    if len(numbers) == len(driving):
        return whole
    first, end = whole.ticks[numbers[0]], whole.ticks[numbers[-1] + 1]
    ticks = [whole.ticks[number] - first for number in numbers]
    return Timeline([*ticks, end - first], whole.tick, whole.start + first * whole.tick)


def _method(options: AnimateOptions, weights: Weights | None, motion: str) -> Method:
    """The method with its weights and with the settings that the motion needs; a method object of the caller's as it
    is."""
    if not isinstance(options.method, str):
        return options.method
    assert weights is not None
    implied = implied_settings(weights.method, motion, same_clip=False)
    return create_method(weights, {**implied, **options.settings})


def best_frame(face: torch.Tensor, driver: Driver, progress: Progress) -> int:
    """The number of the driving frame whose pose is most like that of `face` (1, 3, H, W), the first of equal ones.

    Poses are compared by the landmarks of `choose_landmarks`; frames without a face do not count.

    Raises:
        TalkbenchError: no extractor of landmarks can run here, or the source or every driving frame shows no face.
    """
    extractor, remark = choose_landmarks(str(face.device))
    target = extractor.extract(face)[0]
    if target is None:
        raise TalkbenchError("--motion relative-best: no face is found in the source; use relative-first")
    if remark:
        progress.warn(remark)
    best = closest(extractor, target, driver_landmarks(extractor, driver, face, progress))
    progress.say(f"best frame {best} of {len(driver.numbers)}, by the landmarks {extractor.name}")
    return best


def driver_landmarks(
    extractor: Extractor, driver: Driver, face: torch.Tensor, progress: Progress
) -> dict[int, np.ndarray]:
    """The landmarks of the driving frames that show a face, by number; frames get the size and device of `face`.

    Raises:
        TalkbenchError: none does.
    """
    progress.start(0, len(driver.numbers))
    candidates: dict[int, np.ndarray] = {}
    for numbers, images in driver.batches(face):
        landmarks = zip(numbers, extractor.extract(images), strict=True)
        candidates |= {number: points for number, points in landmarks if points is not None}
        progress.advance(len(numbers))
    if not candidates:
        raise TalkbenchError("--motion relative-best: no face is found in any driving frame; use relative-first")
    return candidates


@torch.inference_mode()
def _generate(
    method: Method, face: torch.Tensor, driver: Driver, first: int | None, options: AnimateOptions, progress: Progress
) -> Iterator[np.ndarray]:
    """The frames in order; motion is relative to the driving frame `first`, or absolute if that is None."""
    source = method.encode_source(face)
    reference = None if first is None else method.encode_motion(driver.images([first], face))
    for numbers, images in driver.batches(face):
        sources = source.expand(len(numbers))
        against = None if reference is None else reference.expand(len(numbers))
        moved = method.transfer(sources, method.encode_motion(images), against)
        for number, frame in zip(numbers, to_uint8(method.render(sources, moved)), strict=True):
            if options.frames:
                write_png(options.frames / f"{number:07d}.png", frame)
            yield frame
        progress.advance(len(numbers))
