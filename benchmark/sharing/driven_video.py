"""`bench figure --sources --video`: faces of a folder, moved by one clip, methods side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from talkbench.benchmark.animation.animate import chosen_motion, create
from talkbench.benchmark.animation.driver import heard, say_how_it_fits
from talkbench.benchmark.environment import choose_device, memory_advice
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.sharing.driven_faces import (
    DrivenFaces,
    DrivenFigureOptions,
    Face,
    chosen_weights,
    driving_clip,
    faces_in,
    starts,
    with_best_frames,
)
from talkbench.benchmark.sharing.moving_figure import MovingFigure, MovingFile
from talkbench.benchmark.videos.timing import span, timeline_at
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import squared
from talkbench.datasets.interface import Clip, Timeline


def write_driven_video(options: DrivenFigureOptions, progress: Progress | None = None) -> tuple[list[str], MovingFile]:
    """Draw a row for each source: the source, the driver, and what each method makes of the two, in the driver's time
    and with its sound. Returns the names of the sources and what was written.

    Images that cannot be read are named and left out; driving frames that cannot be read are grey. Sources and driver
    are made square as `squared` says.

    Raises:
        TalkbenchError: no source, no such clip, or a method that cannot run here.
    """
    progress = progress or Progress()
    device = choose_device(options.device)
    weights = chosen_weights(options, progress)
    motions = [chosen_motion(one.method, options.motion) for one in weights]
    clip, rate = driving_clip(options.driving, options.root, progress)
    numbers, timeline = _beginning(clip, rate, options.seconds, progress)
    faces = faces_in(options, progress)
    first = _first_sound(clip, numbers)
    say_how_it_fits("driver", clip.read(first), options.fit, progress)
    for note in filter(None, (one.note for one in weights)):
        progress.say(note)
    if "relative-best" in motions:
        sound_numbers = [number for number in numbers if _read(clip, number, options.fit) is not None]
        faces = with_best_frames(faces, clip, sound_numbers, options, device, progress)
    with memory_advice(options.batch_size):
        driven = {}
        for one, motion in zip(weights, motions, strict=True):
            method = create(one, motion, options.settings).to(device)
            start = starts(faces, clip, first, motion, options.fit)
            driven[one.method] = DrivenFaces(method, faces, start, device, progress)
        side = max(each.side for each in driven.values())
        labels = [name if each.side == side else f"{name} ({each.side} px)" for name, each in driven.items()]
        names = [face.name for face in faces]
        figure = MovingFigure(options.out, ["source", "driving", *labels], names, side, options.width, progress)
        progress.start(0, len(numbers))
        frames = _frames(figure, faces, clip, numbers, list(driven.values()), options, progress)
        return names, figure.write(frames, timeline, heard(clip, timeline, progress))


def _beginning(clip: Clip, rate: Fraction, seconds: float, progress: Progress) -> tuple[Sequence[int], Timeline]:
    """The frames of the first `seconds` of a clip, and when they are shown."""
    if clip.damage:
        progress.warn(f"{clip.damage}; the result ends there")
    start = span(clip, clip.numbers[0], rate)[0]
    spans = [span(clip, number, rate) for number in clip.numbers]
    moments = [begin - start for begin, _ in spans if begin - start < seconds] or [Fraction(0)]
    if len(moments) < len(spans):
        whole = float(spans[-1][1] - start)
        progress.say(f"the driver lasts {whole:.4g} s; its first {seconds:g} s are shown (--seconds)")
    end = spans[len(moments) - 1][1] - start
    sound_start = clip.timeline.start if clip.timeline else Fraction(0)
    return clip.numbers[: len(moments)], timeline_at(moments, end, sound_start)


def _read(clip: Clip, number: int, fit: str) -> np.ndarray | None:
    """A frame of the driver, square; None if it cannot be read."""
    try:
        return squared(clip.read(number), fit)
    except PairError:
        return None


def _first_sound(clip: Clip, numbers: Sequence[int]) -> int:
    """The first of the frames that can be read."""
    number = next((number for number in numbers if _read(clip, number, "crop") is not None), None)
    if number is None:
        raise TalkbenchError(f"no frame of {clip.path} can be read; give another driver")
    return number


def _frames(
    figure: MovingFigure,
    faces: Sequence[Face],
    clip: Clip,
    numbers: Sequence[int],
    methods: Sequence[DrivenFaces],
    options: DrivenFigureOptions,
    progress: Progress,
) -> Iterator[np.ndarray]:
    """The figure at each of the driving frames, of which a batch at a time is in memory."""
    damaged: list[int] = []
    sources = [figure.scaled(face.image) for face in faces]
    for start in range(0, len(numbers), options.batch_size):
        batch = numbers[start : start + options.batch_size]
        images = [_read(clip, number, options.fit) for number in batch]
        damaged += [number for number, image in zip(batch, images, strict=True) if image is None]
        sound = [image for image in images if image is not None]
        results = [[iter(row) for row in method.moved_by(sound)] if sound else [] for method in methods]
        for image in images:
            driving = None if image is None else figure.scaled(image)
            for row, source in enumerate(sources):
                generated = [None if image is None else next(of_method[row]) for of_method in results]
                figure.show(row, [source, driving, *generated])
            yield figure.pixels()
            progress.advance(1)
    if damaged:
        progress.warn(
            f"{len(damaged)} of the {len(numbers)} frames of {clip.path} cannot be read and are grey, the first: "
            f"{damaged[0]}"
        )
