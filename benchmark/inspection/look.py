"""`bench inspect`: what a method remembers of faces, what it looks up there, and how it moves them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from talkbench import datasets, methods
from talkbench.benchmark.environment import choose_device, device_name, memory_advice
from talkbench.benchmark.evaluation.motions import MOTIONS, check_motion, implied_settings
from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.inspection.parts import ALL, OF_MEMORY, OF_MOTION, chosen_parts
from talkbench.benchmark.inspection.pictures import (
    PLACES,
    Seen,
    ShownModel,
    attention,
    conditioned_memory,
    memory,
    motion,
)
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.core.images import read_image, resize, to_tensor
from talkbench.datasets.clips import IMAGE_SUFFIXES, open_clip
from talkbench.methods.cards import find_weights, full_name
from talkbench.methods.mcnet.memory import MemoryMethod
from talkbench.reports.pages.inspection import Picture, page

DEFAULT_SIZE = 256  # for methods that work at any size: the field's resolution
DEFAULT_DATA = "demo"


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
    scaling: str = "each"
    level: int | None = None
    at: tuple[tuple[float, float], ...] = PLACES
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


def inspect(options: InspectOptions, progress: Progress | None = None) -> tuple[Path, list[str]]:
    """Draw the pictures that are asked for, and a page that explains them.

    Returns:
        The folder, and the names of the files in it, the page last.

    Raises:
        TalkbenchError: a name is unknown, a file is missing, or the method does not show what is asked for.
    """
    progress = progress or Progress()
    chosen = chosen_parts(options.what)
    check_motion(options.method, options.motion)
    _check_memory(full_name(options.method), _may_remember(options.method), options.what)
    models = _models(options, progress)
    _check_memory(models[0].method.name, models[0].has_memory, options.what)
    if not models[0].has_memory:
        chosen = [what for what in chosen if what in OF_MOTION]
    faces = _faces(options, progress) if chosen != ["memory"] else []
    with memory_advice(1):
        models = [ShownModel(model.label, model.method, [_look(model, face) for face in faces]) for model in models]
    if faces:
        chosen = _present(chosen, models[0], options.what)
    folder = options.out or Path("inspect") / models[0].method.name.replace("@", "-")
    pictures = list(_pictures(options, models, chosen))
    for picture in pictures:
        write_atomic(folder / f"{picture.name}.png", picture.png)
    title = f"Inside {models[0].method.name}"
    write_atomic(folder / "index.html", page(title, _about(options, models, faces), pictures))
    return folder, [*(f"{picture.name}.png" for picture in pictures), "index.html"]


def _models(options: InspectOptions, progress: Progress) -> list[ShownModel]:
    """The method with each of the checkpoints; no face has been seen yet."""
    device = choose_device(options.device)
    same_clip = not options.source and datasets.has_truth(options.task)
    models = []
    for file, label in zip(options.checkpoint or (None,), _labels(options.checkpoint), strict=True):
        weights = find_weights(options.method, file)
        if weights.note:
            progress.say(weights.note)
        implied = implied_settings(weights.method, options.motion, same_clip)
        method = create_method(weights, {**implied, **options.settings}).to(device)
        models.append(ShownModel(label or method.name, method))
    return models


def _check_memory(name: str, there: bool, asked: Sequence[str]) -> None:
    of_memory = [what for what in OF_MEMORY if what in asked]
    if of_memory and not there:
        raise TalkbenchError(f"{name} has no memory; leave {', '.join(of_memory)} out")


def _may_remember(name: str) -> bool:
    """Whether the class of a method has a memory in any of its variants; needs no weights."""
    owner = methods.class_of(name)
    return isinstance(owner, type) and issubclass(owner, MemoryMethod)


def _labels(files: Sequence[Path]) -> list[str]:
    """The labels of several checkpoints: the ends of their paths, long enough to differ; "" for a single one."""
    if len(files) < 2:
        return [""]
    parts = [file.absolute().with_suffix("").parts for file in files]
    longest = max(map(len, parts))
    depth = next((depth for depth in range(1, longest) if len({part[-depth:] for part in parts}) == len(parts)), None)
    if depth is None:
        raise TalkbenchError("a checkpoint is named twice; name each once")
    return ["/".join(part[-depth:]) for part in parts]


def _faces(options: InspectOptions, progress: Progress) -> list[Face]:
    if options.source:
        if options.dataset or options.pairs:
            raise TalkbenchError("--source is an image of your own; leave --dataset and --pairs out, or --source")
        return list(_own_faces(options))
    if options.driving:
        raise TalkbenchError("--driving needs --source: an image of the face to move")
    return list(_listed_faces(options, progress))


def _own_faces(options: InspectOptions) -> Iterator[Face]:
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
    reference = first if options.motion == "relative-first" else None
    for path in options.source:
        source = read_image(path)
        for driving, name in zip(frames or [source], names, strict=True):
            label = f"{path.stem}, {name}" if len(frames) > 1 else path.stem
            yield Face(label, f"{path.name} driven by {name or 'itself'}", source, driving, reference)


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


@torch.inference_mode()
def _look(model: ShownModel, face: Face) -> Seen:
    method = model.method
    size = method.resolution or DEFAULT_SIZE
    device = next((p.device for network in method.networks.values() for p in network.parameters()), "cpu")
    source, driving = resize(face.source, size), resize(face.driving, size)
    images = to_tensor(source[None], device)
    encoded, moved = method.encode_source(images), method.encode_motion(to_tensor(driving[None], device))
    reference = None
    if face.reference is not None:
        reference = method.encode_motion(to_tensor(resize(face.reference, size)[None], device))
    rendered = method.transfer(encoded, moved, reference)
    return Seen(face.label, source, driving, rendered is not moved, method.inspect(images, encoded, rendered))


def _present(chosen: Sequence[str], model: ShownModel, asked: Sequence[str]) -> list[str]:
    """Those of the `chosen` pictures that the method can show.

    Raises:
        TalkbenchError: it cannot show one that the user named, or none at all.
    """
    inside, name = model.seen[0].inside, model.method.name
    of_motion = [what for what, attribute in OF_MOTION.items() if getattr(inside, attribute) is not None]
    shows = [*(OF_MEMORY if model.has_memory else ()), *of_motion]
    if not shows:
        raise TalkbenchError(f"{name} shows nothing of how it works; see bench list methods for others")
    for what in asked:
        if what not in (*shows, ALL):
            raise TalkbenchError(f"{name} shows no {what}; what it shows: {', '.join(shows)}")
    return [what for what in chosen if what in shows]


def _pictures(options: InspectOptions, models: Sequence[ShownModel], chosen: Sequence[str]) -> Iterator[Picture]:
    moved = [what for what in chosen if what in OF_MOTION]
    if moved:
        yield motion(models, moved)
    if "memory" in chosen:
        yield memory(models, options.channels or ALL, options.scaling)
    if "conditioned-memory" in chosen:
        yield conditioned_memory(models, options.channels, options.scaling, options.level)
    if "attention" in chosen:
        yield attention(models, options.at, options.scaling)


def _about(options: InspectOptions, models: Sequence[ShownModel], faces: Sequence[Face]) -> list[tuple[str, str]]:
    about = [("command", options.command)] if options.command else []
    for model in models:
        name, sha256 = model.method.name, model.method.checkpoint_sha256
        about.append((model.label, f"{name}, weights with the sha256 {sha256}" if sha256 else name))
    settings = ", ".join(f"{name} {value}" for name, value in models[0].method.settings.items())
    about += [("settings", settings)] if settings else []
    about += [("motion", options.motion)] if faces else []
    return [
        *about,
        *((face.label, face.where) for face in faces),
        ("device", device_name(choose_device(options.device))),
    ]
