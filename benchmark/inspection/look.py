"""`bench inspect`: what a method remembers of faces, what it looks up there, and how it moves them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from talkbench import datasets, methods
from talkbench.benchmark.environment import choose_device, device_name, memory_advice
from talkbench.benchmark.evaluation.motions import check_motion, implied_settings
from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.inspection.attention import attention, with_places
from talkbench.benchmark.inspection.faces import Face, InspectOptions, read_faces, subject
from talkbench.benchmark.inspection.labels import check_once, file_ending, labels
from talkbench.benchmark.inspection.parts import ALL, OF_MEMORY, OF_MOTION, chosen_parts
from talkbench.benchmark.inspection.pictures import conditioned_memory, memory, motion
from talkbench.benchmark.inspection.seen import Seen, ShownModel
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.core.images import resize, to_tensor
from talkbench.methods.cards import find_weights, full_name
from talkbench.methods.mcnet.memory import MemoryMethod
from talkbench.reports.pages.inspection import Picture, headed, page

DEFAULT_SIZE = 256  # for methods that work at any size: the field's resolution


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
    faces = read_faces(options, progress) if chosen != ["memory"] else []
    with memory_advice(1):
        models = [ShownModel(model.label, model.method, [_look(model, face) for face in faces]) for model in models]
    if faces:
        chosen = _present(chosen, models[0], options.what)
    places, notes = "", list[str]()
    if "attention" in chosen:
        models, places, notes = with_places(models, [face.driving for face in faces], options.at)
    folder = options.out or Path("inspect") / models[0].method.name.replace("@", "-")
    ending = _ending(models) if options.checkpoint else ""
    about = [*_about(options, models, faces), *([("places", places)] if places else [])]
    pictures = []
    for picture in _pictures(options, models, chosen):
        lines = _lines(picture, models, subject(options, faces), places)
        title = f"{picture.title} · {models[0].method.name}"
        pictures.append(replace(picture, name=picture.name + ending, image=headed(picture.image, title, lines)))
    for note in notes:  # not before the pictures can be drawn: what keeps them from that matters more
        progress.say(note)
    for picture in pictures:
        write_atomic(folder / f"{picture.name}.png", picture.png)
    write_atomic(folder / f"index{ending}.html", page(f"Inside {models[0].method.name}", about, pictures))
    return folder, [*(f"{picture.name}.png" for picture in pictures), f"index{ending}.html"]


def _ending(models: Sequence[ShownModel]) -> str:
    return "-" + file_ending(
        [model.label for model in models], [model.method.checkpoint_sha256 or "" for model in models]
    )


def _lines(picture: Picture, models: Sequence[ShownModel], faces: str, places: str) -> list[str]:
    """What stands below the title of a picture."""
    weights = [model.label for model in models if model.method.checkpoint_sha256]
    return [
        *([f"weights: {'; '.join(weights)}"] if weights else []),
        *([] if picture.name == "memory" else [faces]),
        *([f"places: {places}"] if picture.name == "attention" else []),
        *([picture.scale] if picture.scale else []),
    ]


def _models(options: InspectOptions, progress: Progress) -> list[ShownModel]:
    """The method with each of the checkpoints; no face has been seen yet."""
    device = choose_device(options.device)
    same_clip = not options.source and datasets.has_truth(options.task)
    check_once(options.checkpoint)
    loaded, files = [], []
    for file in options.checkpoint or (None,):
        weights = find_weights(options.method, file)
        if weights.note:
            progress.say(weights.note)
        implied = implied_settings(weights.method, options.motion, same_clip)
        loaded.append(create_method(weights, {**implied, **options.settings}).to(device))
        files += [weights.path] if weights.path else []
    names = labels(files) or [method.name for method in loaded]
    return [ShownModel(name, method) for name, method in zip(names, loaded, strict=True)]


def _check_memory(name: str, there: bool, asked: Sequence[str]) -> None:
    of_memory = [what for what in OF_MEMORY if what in asked]
    if of_memory and not there:
        raise TalkbenchError(f"{name} has no memory; leave {', '.join(of_memory)} out")


def _may_remember(name: str) -> bool:
    """Whether the class of a method has a memory in any of its variants; needs no weights."""
    owner = methods.class_of(name)
    return isinstance(owner, type) and issubclass(owner, MemoryMethod)


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
        yield memory(models, options.channels or ALL, options.scaling or "each")
    if "conditioned-memory" in chosen:
        yield conditioned_memory(models, options.channels, options.scaling or "each", options.level)
    if "attention" in chosen:
        yield attention(models, options.at, options.scaling or "alike")


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
