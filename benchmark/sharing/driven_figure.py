"""`bench figure --sources`: faces of a folder, paintings and cartoons too, driven by one clip, methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench import datasets
from talkbench.benchmark.animation.animate import chosen_motion
from talkbench.benchmark.animation.best_frame import driver_landmarks
from talkbench.benchmark.animation.driver import DEFAULT_SIZE, Driver, say_how_it_fits
from talkbench.benchmark.environment import choose_device, memory_advice
from talkbench.benchmark.evaluation.motions import implied_settings
from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.poses import choose_landmarks, closest
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.figure import Grid, draw, to_png
from talkbench.core.files import write_atomic
from talkbench.core.images import read_image, resize, squared, to_tensor, to_uint8
from talkbench.core.registry import nearest
from talkbench.core.text import visible
from talkbench.datasets.clips import open_clip
from talkbench.datasets.interface import Clip
from talkbench.methods.cards import Weights, find_weights, full_name, is_ranked, known_names

if TYPE_CHECKING:
    from talkbench.methods.interface import Method

ALL = "all"
Rows = list[list[np.ndarray | None]]
"""By face and driving frame what a method makes of them, uint8 RGB; None where it fails."""

GREY = 200
"""Of the panel in the place of what a method could not make."""


@dataclass(frozen=True)
class DrivenFigureOptions:
    """What the user asks for; see ``bench figure --help`` for each. `method`: names with commas between, or ``all``."""

    sources: Path
    driving: str
    method: str
    out: Path
    frames: int = 2
    checkpoint: Path | None = None
    motion: str | None = None
    fit: str = "crop"
    root: Path | None = None
    dpi: int = 300
    batch_size: int = 8
    device: str = "auto"
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Face:
    """A source: its file's name, and its square image, uint8 RGB. `reference`: the driving frame that relative motion
    is measured from; None: absolute motion, or the clip's first frame."""

    name: str
    image: np.ndarray
    reference: int | None = None


def write_driven_figure(options: DrivenFigureOptions, progress: Progress | None = None) -> tuple[list[str], list[int]]:
    """Draw a row for each source: the source, then for each chosen driving frame that frame and what each method makes
    of the two. Returns the names of the sources and the numbers of the frames.

    Images that cannot be read are named and left out. Sources and driver are made square as `squared` says.

    Raises:
        TalkbenchError: no source, no such clip, or a method that cannot run here.
    """
    progress = progress or Progress()
    device = choose_device(options.device)
    weights = _weights(options, progress)
    motions = [chosen_motion(one.method, options.motion) for one in weights]
    clip = _clip(options.driving, options.root, progress)
    numbers = _even(clip, options.frames)
    driver = _Driver(clip, {number: squared(clip.read(number), options.fit) for number in numbers}, options, device)
    faces = _faces(options, progress)
    say_how_it_fits("driver", clip.read(numbers[0]), options.fit, progress)
    for note in filter(None, (one.note for one in weights)):  # after the errors that keep the figure from being drawn
        progress.say(note)
    if "relative-best" in motions:
        faces = _with_best_frames(faces, clip, options, device, progress)
    progress.start(0, len(weights) * len(faces))
    rows: dict[str, Rows] = {}
    for one, motion in zip(weights, motions, strict=True):
        settings = {**implied_settings(one.method, motion, same_clip=False), **options.settings}
        with memory_advice(options.batch_size):
            method = create_method(one, settings).to(device)
            rows[one.method] = driver.rows(method, faces, motion, progress)
    write_atomic(options.out, to_png(draw(_grid(faces, driver.frames, rows)), options.dpi))
    return [face.name for face in faces], numbers


def _weights(options: DrivenFigureOptions, progress: Progress) -> list[Weights]:
    """The methods with their weights, each once; of ``all`` those that can run here."""
    if options.method != ALL:
        names = [name.strip() for name in options.method.split(",") if name.strip()]
        if options.checkpoint and len(names) > 1:
            raise TalkbenchError("--checkpoint is for one method; leave it out, or name one --method")
        weights = [find_weights(name, options.checkpoint) for name in names]
    elif options.checkpoint:
        raise TalkbenchError("--checkpoint is for one method; name it with --method")
    else:
        weights = [one for name in known_names() if is_ranked(name) and (one := _if_here(name, options, progress))]
    return list({one.method: one for one in weights}.values())


def _if_here(name: str, options: DrivenFigureOptions, progress: Progress) -> Weights | None:
    try:
        chosen_motion(name, options.motion)
        weights = find_weights(name)
    except TalkbenchError as error:
        progress.say(f"left out: {error}")
        return None
    return weights if weights.method == full_name(name) else None  # another size of it has a column of its own


def _clip(driving: str, root: Path | None, progress: Progress) -> Clip:
    """The clip at a path, or ``DATASET:CLIP``; says where no picture of that may be published."""
    path = Path(driving)
    name, _, clip = driving.partition(":")
    if path.exists() or not clip or name not in datasets.registry:
        if root is not None:
            raise TalkbenchError("--root is the folder of a data set; name the driver as DATASET:CLIP, or leave it out")
        return open_clip(path)
    data = datasets.create(name, root=root)
    data.prepare_clips([clip])
    if not data.card.may_show(clip):
        progress.warn(f"no picture of {clip} is published; the figure shows it, so keep it to yourself")
    try:
        return data.store.open(clip)
    except PairError as error:
        if error.reason != "missing-clip":
            raise
        names = dict.fromkeys([*data.card.clips, *data.store.names()])
        raise TalkbenchError(f"{name} has no clip {clip!r}: {nearest(clip, list(names))}") from error


def _even(clip: Clip, count: int) -> list[int]:
    """The middle frames of `count` equal parts of the clip."""
    numbers = clip.numbers
    if count > len(numbers):
        raise TalkbenchError(f"--frames {count}: {clip.path} has {len(numbers)}; ask for fewer")
    return [numbers[(2 * part + 1) * len(numbers) // (2 * count)] for part in range(count)]


def _faces(options: DrivenFigureOptions, progress: Progress) -> list[Face]:
    folder = options.sources
    if not folder.is_dir():
        raise TalkbenchError(f"--sources {folder} is not a folder; give the one that holds the images")
    faces = []
    for path in sorted(path for path in folder.iterdir() if path.name[0] != "."):
        if path.is_dir():
            progress.say(f"left out: {path} is a folder")
            continue
        try:
            image = read_image(path)
        except PairError as error:
            progress.warn(f"left out: {error}")
            continue
        if path.resolve() == options.out.resolve():
            raise TalkbenchError(f"--out {options.out} would overwrite a source; choose another name")
        say_how_it_fits(f"source {path.name}", image, options.fit, progress)
        faces.append(Face(visible(path.name), squared(image, options.fit)))
    if not faces:
        raise TalkbenchError(f"{folder} holds no image that can be read; add PNG, JPEG or the like")
    return faces


def _with_best_frames(
    faces: Sequence[Face], clip: Clip, options: DrivenFigureOptions, device: torch.device, progress: Progress
) -> list[Face]:
    """The faces with their best driving frames; those without a face to be found are named and left out."""
    extractor, remark = choose_landmarks(str(device))
    if remark:
        progress.warn(remark)
    shown = []
    for face in faces:
        tensor = to_tensor(resize(face.image, DEFAULT_SIZE)[None], device)
        points = extractor.extract(tensor)[0]
        if points is None:
            progress.warn(f"left out: no face is found in {face.name}, which --motion relative-best needs")
        else:
            shown.append((face, points))
    if not shown:
        raise TalkbenchError("--motion relative-best: no face is found in any source; use relative-first")
    driver = Driver(clip, clip.sound_numbers(), options.batch_size, options.fit)
    candidates = driver_landmarks(extractor, driver, tensor, progress)
    return [Face(face.name, face.image, closest(extractor, points, candidates)) for face, points in shown]


@dataclass(frozen=True)
class _Driver:
    """What drives all faces: chosen frames of a clip, square.

    Attributes:
        frames: by number, uint8 RGB.
    """

    clip: Clip
    frames: dict[int, np.ndarray]
    options: DrivenFigureOptions
    device: torch.device

    @torch.inference_mode()
    def rows(self, method: Method, faces: Sequence[Face], motion: str, progress: Progress) -> Rows:
        """What the method makes of the faces. A face on which it fails has no images, and the failure is said."""
        size, count = method.resolution or DEFAULT_SIZE, self.options.batch_size
        images = list(self.frames.values())
        batches = [images[start : start + count] for start in range(0, len(images), count)]
        motions = [(len(batch), method.encode_motion(self._tensor(batch, size))) for batch in batches]
        rows: Rows = []
        for face in faces:
            try:
                source = method.encode_source(self._tensor([face.image], size))
                start = None
                if motion.startswith("relative"):
                    start = method.encode_motion(self._tensor([self._reference(face)], size))
                row: list[np.ndarray | None] = []
                for length, driving in motions:
                    sources, against = source.expand(length), None if start is None else start.expand(length)
                    row += list(to_uint8(method.render(sources, method.transfer(sources, driving, against))))
            except PairError as error:
                progress.warn(f"{method.name} fails on {face.name}: {error}")
                row = [None] * len(images)
            rows.append(row)
            progress.advance(1)
        return rows

    def _reference(self, face: Face) -> np.ndarray:
        number = self.clip.numbers[0] if face.reference is None else face.reference
        return squared(self.clip.read(number), self.options.fit)

    def _tensor(self, images: Sequence[np.ndarray], size: int) -> torch.Tensor:
        return to_tensor(np.stack([resize(image, size) for image in images]), self.device)


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
