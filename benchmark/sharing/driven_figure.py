"""`bench figure --sources`: faces of a folder, paintings and cartoons too, driven by one clip, methods side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from talkbench.benchmark.animation.animate import chosen_motion, create
from talkbench.benchmark.animation.driver import DEFAULT_SIZE, say_how_it_fits
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
from talkbench.benchmark.sharing.moving_figure import GREY
from talkbench.core.errors import TalkbenchError
from talkbench.core.figure import Grid, draw, to_png
from talkbench.core.files import write_atomic
from talkbench.core.images import resize, squared
from talkbench.datasets.interface import Clip

Rows = list[list[np.ndarray | None]]
"""By face and driving frame what a method makes of them, uint8 RGB; None where it fails."""


def write_driven_figure(options: DrivenFigureOptions, progress: Progress | None = None) -> tuple[list[str], list[int]]:
    """Draw a row for each source: the source, then for each chosen driving frame that frame and what each method makes
    of the two. Returns the names of the sources and the numbers of the frames.

    Images that cannot be read are named and left out. Sources and driver are made square as `squared` says.

    Raises:
        TalkbenchError: no source, no such clip, or a method that cannot run here.
    """
    progress = progress or Progress()
    device = choose_device(options.device)
    weights = chosen_weights(options, progress)
    motions = [chosen_motion(one.method, options.motion) for one in weights]
    clip, _ = driving_clip(options.driving, options.root, progress)
    numbers = _even(clip, options.frames)
    driving = {number: squared(clip.read(number), options.fit) for number in numbers}
    faces = faces_in(options, progress)
    say_how_it_fits("driver", clip.read(numbers[0]), options.fit, progress)
    for note in filter(None, (one.note for one in weights)):  # after the errors that keep the figure from being drawn
        progress.say(note)
    if "relative-best" in motions:
        faces = with_best_frames(faces, clip, clip.sound_numbers(), options, device, progress)
    images, count = list(driving.values()), options.batch_size
    progress.start(0, len(weights) * len(images))
    rows: dict[str, Rows] = {}
    for one, motion in zip(weights, motions, strict=True):
        with memory_advice(count):
            method = create(one, motion, options.settings).to(device)
            first = starts(faces, clip, clip.numbers[0], motion, options.fit)
            driven = DrivenFaces(method, faces, first, device, progress)
            rows[one.method] = [[] for _ in faces]
            for batch in (images[start : start + count] for start in range(0, len(images), count)):
                for row, results in zip(rows[one.method], driven.moved_by(batch), strict=True):
                    row += results
                progress.advance(len(batch))
    write_atomic(options.out, to_png(draw(_grid(faces, driving, rows)), options.dpi))
    return [face.name for face in faces], numbers


def _even(clip: Clip, count: int) -> list[int]:
    """The middle frames of `count` equal parts of the clip."""
    numbers = clip.numbers
    if count > len(numbers):
        raise TalkbenchError(f"--frames {count}: {clip.path} has {len(numbers)}; ask for fewer")
    return [numbers[(2 * part + 1) * len(numbers) // (2 * count)] for part in range(count)]


def _grid(faces: Sequence[Face], driving: dict[int, np.ndarray], rows_of: dict[str, Rows]) -> Grid:
    sizes = {
        name: max((len(image) for row in rows for image in row if image is not None), default=0)
        for name, rows in rows_of.items()
    }
    size = max(sizes.values()) or DEFAULT_SIZE
    blank = np.full((size, size, 3), GREY, np.uint8)
    labels = [name if sizes[name] in (0, size) else f"{name} ({sizes[name]} px)" for name in rows_of]
    columns = ["source"]
    for number in driving:
        columns += [f"frame {number}", *labels]
    rows = []
    for place, face in enumerate(faces):
        panels = [resize(face.image, size)]
        for turn, frame in enumerate(driving.values()):
            results = [of_method[place][turn] for of_method in rows_of.values()]
            panels += [resize(frame, size), *(blank if image is None else resize(image, size) for image in results)]
        rows.append((face.name, panels))
    return Grid(columns, rows)
