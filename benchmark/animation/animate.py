"""`bench animate`: moves one face image by one driver and writes a video that plays, or an animated picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from talkbench.benchmark.animation.best_frame import best_frame
from talkbench.benchmark.animation.composition import PasteBack, beside
from talkbench.benchmark.animation.driver import DEFAULT_SIZE, Driver, say_how_it_fits, without_damage
from talkbench.benchmark.animation.faces import Crop, Survey, detect, hold_face, is_looking, say_crop, survey
from talkbench.benchmark.animation.inputs import open_driver, read_source
from talkbench.benchmark.animation.options import AnimateOptions
from talkbench.benchmark.animation.output import check_output, write
from talkbench.benchmark.environment import choose_device, memory_advice, reproducible
from talkbench.benchmark.evaluation.motions import check_motion, implied_settings, motions
from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.numerics import Numerics, in_numerics, suited_batch_size
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize, squared, to_tensor, to_uint8, write_png
from talkbench.datasets.preparation.crops import middle_crop
from talkbench.methods.cards import Weights, find_weights
from talkbench.methods.interface import Method

PREFERRED_MOTION = "relative-first"
LONGEST = {".mp4": 1920, ".png": 1920, ".webp": 960, ".gif": 640}
"""By ending, the pixels of the longer side of a picture that a face is pasted back into; half as many where source and
driver stand beside it."""


@dataclass(frozen=True)
class Animated:
    """What was written.

    Attributes:
        frames: their number.
        size: the side of what the method generates, in pixels.
        width, height: of a written frame.
        lost: frames of the driver that could not be read.
    """

    frames: int
    size: int
    width: int
    height: int
    lost: int = 0


@dataclass(frozen=True)
class _Source:
    """The source `picture`, uint8 RGB (H, W, 3), and what of it is animated: of the `crop`, or of its middle or the
    whole, as `fit` says (`squared`)."""

    picture: np.ndarray
    fit: str
    crop: Crop | None

    @property
    def face(self) -> np.ndarray:
        return self.crop.cut(self.picture) if self.crop else squared(self.picture, self.fit)

    @property
    def square(self) -> tuple[int, int, int] | None:
        """Left, top and side of what is animated; None if that is the whole picture."""
        height, width = self.picture.shape[:2]
        if self.crop:
            return self.crop.place(height, width)
        return middle_crop(height, width) if self.fit == "crop" and height != width else None


def animate(options: AnimateOptions, progress: Progress | None = None) -> Animated:
    """Write the result, and the generated frames if the options name a folder.

    Source and driver are cropped to a face where they are not head crops (`talkbench.benchmark.animation.faces`); what
    is not cropped and not square is made so as the options' ``fit`` says. Then both are resized to the method's
    resolution (docs/specs/fomm.md 4.1). The result has the time stamps of the driver, and a video its sound.

    Raises:
        TalkbenchError: an input cannot be read, an option asks for what cannot be, or the output cannot be written; no
            half file is left.
    """
    progress = progress or Progress()
    options.check()
    device = choose_device(options.device)
    numerics = Numerics(options.precision, options.compiled)
    numerics.check(device)  # before anything is read
    motion = chosen_motion(options.method, options.motion)
    weights = find_weights(options.method, options.checkpoint) if isinstance(options.method, str) else None
    clip = open_driver(options, progress)
    picture = read_source(options, progress)
    if len(clip) == 1 and motion == PREFERRED_MOTION:
        motion = _motion_of_one(options, progress)
    with reproducible(), memory_advice(options.batch_size):
        plain = _method(options, weights, motion)
        batch_size = suited_batch_size(options.batch_size, plain, device)
        method = in_numerics(plain, numerics, device, batch_size, progress.warn)
        size = method.resolution or DEFAULT_SIZE
        driver = Driver(clip, clip.numbers, batch_size, options.fit)
        source, driver = _cropped(options, picture, driver, size, weights.method if weights else method.name, progress)
        check_output(options, driver, progress)
        composition = _Composition(options, source, size, progress)
        if weights and weights.note:
            progress.say(weights.note)
        face = to_tensor(resize(source.face, size)[None], device)
        reference = {"relative-first": driver.numbers[0]}.get(motion)
        if motion == "relative-best":
            reference = best_frame(face, driver, progress)
        progress.start(0, len(driver.numbers))
        frames = _generate(method, face, driver, reference, options, progress)
        write(options, composition.frames(frames), driver, progress)
    width, height = composition.size
    return Animated(len(driver.numbers), size, width, height, len(clip) - len(driver.numbers))


def chosen_motion(method: str | Method, motion: str | None) -> str:
    """The `motion`; where none is asked for, relative to the first frame if the method has that.

    Raises:
        TalkbenchError: the motion is unknown, or the method lacks it.
    """
    choices = motions(method)
    motion = motion or (PREFERRED_MOTION if PREFERRED_MOTION in choices else choices[0])
    check_motion(method, motion)
    return motion


def _motion_of_one(options: AnimateOptions, progress: Progress) -> str:
    """The motion where the driver has one frame: since that frame nothing moves."""
    if options.motion is None and "absolute" in motions(options.method):
        progress.say("the driver is one frame: the face takes its pose (--motion absolute)")
        return "absolute"
    progress.warn("the driver is one frame, since which nothing moves; --motion absolute gives the face its pose")
    return PREFERRED_MOTION


def _method(options: AnimateOptions, weights: Weights | None, motion: str) -> Method:
    """The method with its weights and with the settings that the motion needs; a method object of the caller's as it
    is."""
    if not isinstance(options.method, str):
        return options.method
    assert weights is not None
    return create(weights, motion, options.settings)


def create(weights: Weights, motion: str, settings: Mapping[str, object]) -> Method:
    """The method with its weights, the settings that the motion needs, and those of the user."""
    return create_method(weights, {**implied_settings(weights.method, motion, same_clip=False), **settings})


def _cropped(
    options: AnimateOptions, picture: np.ndarray, driver: Driver, size: int, method: str, progress: Progress
) -> tuple[_Source, Driver]:
    """The source and the driver without its damage, both cropped to a face where that is to be; what is done is said.

    Where both are cropped, the face of the source is as large in its square as that of the driver is in its own.

    Raises:
        TalkbenchError: see `hold_face` and `without_damage`; or nothing was cropped, and the user wants it pasted back.
    """
    look = is_looking(options, method, progress)
    seen = survey(driver.clip, look, progress)
    driver = without_damage(driver, seen.numbers, options.strict, progress)
    share, crop = None, None
    if look and (held := hold_face("driving", seen, options.crop, options.driving_face, progress)):
        driver = replace(driver, crop=held.crop() if options.crop or not held.is_head_crop else None)
        share = held.share(driver.crop)
        if driver.crop:
            say_crop("driver", held, driver.crop, size, progress)
    if driver.crop is None:
        say_how_it_fits("driver", driver.clip.read(driver.numbers[0]), options.fit, progress)
    if look:
        seen = Survey([0], detect([picture]), *picture.shape[:2])
        held = hold_face("source", seen, options.crop, options.source_face, progress)
        if held and (options.crop or not held.is_head_crop):
            crop = held.crop(share)
            say_crop("source", held, crop, size, progress)
    if crop is None:
        say_how_it_fits("source", picture, options.fit, progress)
    return _Source(picture, options.fit, crop), driver


class _Composition:
    """How a written frame is put together.

    Attributes:
        size: width and height of one.
    """

    def __init__(self, options: AnimateOptions, source: _Source, side: int, progress: Progress) -> None:
        self._beside, self._paste = options.side_by_side, None
        self._source = resize(source.face, side)
        if options.paste_back:
            square, (height, width) = source.square, source.picture.shape[:2]
            if square is None:
                raise TalkbenchError("--paste-back: nothing was cut out of the source; leave it out, or give --crop")
            self._paste = PasteBack(source.picture, square, LONGEST[options.kind] // (2 if self._beside else 1))
            self._source = self._paste.picture
            small = "x".join(map(str, self._paste.size))
            if max(self._paste.size) + 2 < max(height, width):
                progress.say(f"the source is {width}x{height}: the face is put back into it at {small}")
        blank = np.zeros((side, side, 3), np.uint8)
        height, width = self._together(blank, blank).shape[:2]
        self.size = width, height

    def frames(self, pairs: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        """The written frames, of driving and generated ones, all uint8 RGB (H, W, 3)."""
        return (self._together(driving, generated) for driving, generated in pairs)

    def _together(self, driving: np.ndarray, generated: np.ndarray) -> np.ndarray:
        result = self._paste(generated) if self._paste else generated
        return beside([self._source, driving, result]) if self._beside else result


@torch.inference_mode()
def _generate(
    method: Method, face: torch.Tensor, driver: Driver, first: int | None, options: AnimateOptions, progress: Progress
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The driving frames in order, as the method sees them, and what it makes of them; motion is relative to the
    driving frame `first`, or absolute if that is None."""
    source = method.encode_source(face)
    reference = None if first is None else method.encode_motion(driver.images([first], face))
    for numbers, images in driver.batches(face):
        sources = source.expand(len(numbers))
        against = None if reference is None else reference.expand(len(numbers))
        moved = method.transfer(sources, method.encode_motion(images), against)
        generated = to_uint8(method.render(sources, moved))
        for number, driving, frame in zip(numbers, to_uint8(images), generated, strict=True):
            if options.frames:
                write_png(options.frames / f"{number:07d}.png", frame)
            yield driving, frame
        progress.advance(len(numbers))
