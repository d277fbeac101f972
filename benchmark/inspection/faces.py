"""What `bench inspect` is asked for, and the faces that it looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from talkbench import datasets
from talkbench.benchmark.evaluation.motions import MOTIONS
from talkbench.benchmark.inspection.parts import ALL
from talkbench.benchmark.inspection.places import DEFAULT, Point
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import middle_square, read_image
from talkbench.datasets.clips import IMAGE_SUFFIXES, open_clip

DEFAULT_DATA = "demo"
NAMED = 8  # faces that the lines above a picture name one by one


@dataclass(frozen=True)
class InspectOptions:
    """What the user asks for; see ``bench inspect --help`` for each."""

    method: str
    what: tuple[str, ...] = (ALL,)
    checkpoint: tuple[Path, ...] = ()
    source: tuple[Path, ...] = ()
    driving: Path | None = None
    dataset: str | None = None
    root: Path | None = None
    task: str = "same-identity"
    pairs: tuple[int, ...] = ()
    count: int = 4
    motion: str = "absolute"
    channels: tuple[int, ...] | str | None = None
    scaling: str | None = None
    level: int | None = None
    at: tuple[str | Point, ...] = DEFAULT
    device: str = "auto"
    settings: dict[str, object] = field(default_factory=dict)
    out: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class Face:
    """A source face and the frame that drives it.

    Attributes:
        label: for the pictures.
        where: where the images are from, in words.
        source, driving: uint8 RGB.
        reference: the frame that relative motion is measured from, as in `Pair`.
    """

    label: str
    where: str
    source: np.ndarray
    driving: np.ndarray
    reference: np.ndarray | None = None


def read_faces(options: InspectOptions, progress: Progress) -> list[Face]:
    """The faces that the options name: images of one's own, or pairs of a data set.

    Raises:
        TalkbenchError: options that do not go together, or what they name is not there or cannot be read.
    """
    if options.source:
        if options.dataset or options.pairs:
            raise TalkbenchError("--source is an image of your own; leave --dataset and --pairs out, or --source")
        return list(_own_faces(options, progress))
    if options.driving:
        raise TalkbenchError("--driving needs --source: an image of the face to move")
    return list(_listed_faces(options, progress))


def _own_faces(options: InspectOptions, progress: Progress) -> Iterator[Face]:
    """Each source with each driving frame; without driving frames, each source with itself."""
    frames: list[np.ndarray] = []
    names, first = [""], None
    if options.driving is not None and options.driving.suffix.lower() in IMAGE_SUFFIXES:
        frames, names = [read_image(options.driving)], [options.driving.name]
    elif options.driving is not None:
        clip = open_clip(options.driving)
        places = _spread(len(clip), options.count)
        frames, names = [clip.read(place) for place in places], [f"frame {place}" for place in places]
        first = clip.read(0)
    if options.motion != "relative-first" and MOTIONS[options.motion] == "relative":
        raise TalkbenchError(f"--motion {options.motion} needs a list of reference frames; use relative-first")
    if options.motion == "relative-first" and first is None:
        raise TalkbenchError("--motion relative-first is measured from the first frame of a --driving video; name one")
    reference = middle_square(first) if options.motion == "relative-first" and first is not None else None
    if frames:
        _say_what_is_cut(str(options.driving), frames[0], progress)
    stems = [path.stem for path in options.source]
    for path in options.source:
        source = read_image(path)
        _say_what_is_cut(str(path), source, progress)
        called = path.stem if stems.count(path.stem) == 1 else str(path)
        for driving, name in zip(frames or [source], names, strict=True):
            label = f"{called}, {name}" if len(frames) > 1 else called
            where = f"{path.name if called == path.stem else path} driven by {name or 'itself'}"
            yield Face(label, where, middle_square(source), middle_square(driving), reference)


def _say_what_is_cut(name: str, image: np.ndarray, progress: Progress) -> None:
    height, width = image.shape[:2]
    if height != width:
        side = min(height, width)
        progress.say(f"{name} is {width}x{height}: its middle {side}x{side} is used; crop it yourself to choose")


def _listed_faces(options: InspectOptions, progress: Progress) -> Iterator[Face]:
    """Pairs of a data set's list: those whose numbers are asked for, else `count` pairs spread over those of the list
    that may be shown to others, or over all where none may."""
    data = datasets.create(options.dataset or DEFAULT_DATA, root=options.root)
    split = data.split(options.task, motion=options.motion)
    shown = [number for number, pair in enumerate(split) if data.card.may_show(pair.source.clip, pair.driving.clip)]
    if not options.pairs and 0 < len(shown) < len(split):
        progress.say(f"pairs with clips of which no picture is published are left out; see bench show {data.name}")
    shown = shown or list(range(len(split)))
    for number in options.pairs or [shown[place] for place in _spread(len(shown), options.count)]:
        if number >= len(split):
            raise TalkbenchError(
                f"{split.dataset} {split.task} has no pair {number}; its pairs are 0 to {len(split) - 1}"
            )
        pair = split[number]
        where = (
            f"pair {number} of {split.dataset}, {split.task}: frame {pair.source.index} of {pair.source.clip} driven "
            f"by frame {pair.driving.index} of {pair.driving.clip}"
        )
        reference = None if pair.reference is None else split.read(pair.reference)
        yield Face(f"pair {number}", where, split.read(pair.source), split.read(pair.driving), reference)


def _spread(length: int, count: int) -> list[int]:
    """`count` places spread evenly from the first of a list to the last, or all places if there are fewer."""
    return sorted({place * (length - 1) // max(1, count - 1) for place in range(count)})


def subject(options: InspectOptions, faces: Sequence[Face]) -> str:
    """Of what the pictures are, in words."""
    if options.source:
        names = [path.name for path in options.source]
        driver = options.driving.name if options.driving else "itself" if len(names) == 1 else "themselves"
        return f"{_few(names, 'images')} driven by {driver}, {options.motion} motion"
    data = options.dataset or DEFAULT_DATA
    return f"{_few([face.label for face in faces], 'pairs')} of {data}, {options.task}, {options.motion} motion"


def _few(names: Sequence[str], kind: str) -> str:
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} {kind}"
