"""What `bench figure --sources` draws: the faces of a folder, a clip that drives them, and the methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench import datasets
from talkbench.benchmark.animation.animate import chosen_motion
from talkbench.benchmark.animation.best_frame import driver_landmarks
from talkbench.benchmark.animation.driver import DEFAULT_SIZE, Driver, say_how_it_fits
from talkbench.benchmark.poses import choose_landmarks, closest
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.sharing.moving_figure import SECONDS
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import read_image, resize, squared, to_tensor, to_uint8
from talkbench.core.registry import nearest
from talkbench.core.text import visible
from talkbench.datasets.clips import open_clip
from talkbench.datasets.interface import USUAL_RATE, Clip
from talkbench.methods.cards import Weights, find_weights, full_name, is_ranked, known_names

if TYPE_CHECKING:
    from talkbench.methods.interface import Batch, Method

ALL = "all"


@dataclass(frozen=True)
class DrivenFigureOptions:
    """What the user asks for; see ``bench figure --help`` for each. `method`: names with commas between, or ``all``.
    `frames` and `dpi` are for print, `seconds` and `width` for videos."""

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
    seconds: float = SECONDS
    width: int | None = None
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


def chosen_weights(options: DrivenFigureOptions, progress: Progress) -> list[Weights]:
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


def driving_clip(driving: str, root: Path | None, progress: Progress) -> tuple[Clip, Fraction]:
    """The clip at a path, or ``DATASET:CLIP``, and its frames per second where they carry no time; says where no
    picture of it may be published."""
    path = Path(driving)
    name, _, clip = driving.partition(":")
    if path.exists() or not clip or name not in datasets.registry:
        if root is not None:
            raise TalkbenchError("--root is the folder of a data set; name the driver as DATASET:CLIP, or leave it out")
        return open_clip(path), USUAL_RATE
    data = datasets.create(name, root=root)
    data.prepare_clips([clip])
    if not data.card.may_show(clip):
        progress.warn(f"no picture of {clip} is published; the figure shows it, so keep it to yourself")
    try:
        return data.store.open(clip), data.rate(clip)
    except PairError as error:
        if error.reason != "missing-clip":
            raise
        names = dict.fromkeys([*data.card.clips, *data.store.names()])
        raise TalkbenchError(f"{name} has no clip {clip!r}: {nearest(clip, list(names))}") from error


def faces_in(options: DrivenFigureOptions, progress: Progress) -> list[Face]:
    """The images in the folder of the sources, by name; what cannot be read is named and left out.

    Raises:
        TalkbenchError: there is none, or the figure would overwrite one.
    """
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


def with_best_frames(
    faces: Sequence[Face],
    clip: Clip,
    numbers: Sequence[int],
    options: DrivenFigureOptions,
    device: torch.device,
    progress: Progress,
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
    driver = Driver(clip, numbers, options.batch_size, options.fit)
    candidates = driver_landmarks(extractor, driver, tensor, progress)
    return [Face(face.name, face.image, closest(extractor, points, candidates)) for face, points in shown]


def starts(faces: Sequence[Face], clip: Clip, first: int, motion: str, fit: str) -> list[np.ndarray] | None:
    """By face the driving image that a motion is measured from, square: its best frame, or frame `first`; None for a
    motion that is not relative."""
    if not motion.startswith("relative"):
        return None
    return [squared(clip.read(first if face.reference is None else face.reference), fit) for face in faces]


class DrivenFaces:
    """Faces that a method moves.

    Args:
        faces: whose sources are encoded once.
        start: by face, the driving image that relative motion is measured from; None: absolute motion.
    """

    def __init__(
        self,
        method: Method,
        faces: Sequence[Face],
        start: Sequence[np.ndarray] | None,
        device: torch.device,
        progress: Progress,
    ) -> None:
        self.side = method.resolution or DEFAULT_SIZE
        self._method, self._faces, self._device, self._progress = method, faces, device, progress
        self._failed: set[str] = set()
        self._sources: list[Batch | None] = []
        self._starts: list[Batch | None] = []
        for number, face in enumerate(faces):
            source = against = None
            try:
                source = self._encoded(method.encode_source, [face.image])
                against = None if start is None else self._encoded(method.encode_motion, [start[number]])
            except PairError as error:
                source = None
                self._say(face, error)
            self._sources.append(source)
            self._starts.append(against)

    @torch.inference_mode()
    def moved_by(self, images: Sequence[np.ndarray]) -> list[list[np.ndarray | None]]:
        """What the method makes of each face and these driving images, square uint8 RGB: a list for each face, with
        None where it fails, which is said once of a face."""
        driving = self._encoded(self._method.encode_motion, images)
        return [self._moved(number, driving) for number in range(len(self._faces))]

    def _moved(self, number: int, driving: Batch) -> list[np.ndarray | None]:
        source, start, length = self._sources[number], self._starts[number], len(driving)
        if source is None:
            return [None] * length
        try:
            sources, against = source.expand(length), None if start is None else start.expand(length)
            return list(to_uint8(self._method.render(sources, self._method.transfer(sources, driving, against))))
        except PairError as error:
            if length > 1:  # the others of the batch may be well
                singles = [driving.select(torch.tensor([place])) for place in range(length)]
                return [image for single in singles for image in self._moved(number, single)]
            self._say(self._faces[number], error)
            return [None]

    @torch.inference_mode()
    def _encoded(self, encode: Callable[[torch.Tensor], Batch], images: Sequence[np.ndarray]) -> Batch:
        return encode(to_tensor(np.stack([resize(image, self.side) for image in images]), self._device))

    def _say(self, face: Face, error: PairError) -> None:
        if face.name not in self._failed:
            self._progress.warn(f"{self._method.name} fails on {face.name}: {error}")
        self._failed.add(face.name)
