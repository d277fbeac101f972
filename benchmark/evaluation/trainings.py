"""What the weights of a run say of the training that they are from; and pairs of what that has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from talkbench import datasets
from talkbench.core.dataset_cards import set_names
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.datasets import Frame
from talkbench.datasets.fingerprints import fingerprints
from talkbench.datasets.sampling import possible_or_drawn
from talkbench.methods.cards import Weights
from talkbench.methods.checkpoints import read_metadata

HELD_OUT = "held-out"
"""The part of a data set that ``bench run --split`` takes."""
TASKS = ("same-identity", "cross-identity", "reconstruction")
SEED = 0
NAMED = 3  # clips that a message names


T = TypeVar("T")


class TrainingData(BaseModel):
    """The clips of a training.

    Attributes:
        dataset: name of the data set.
        id: the data id.
        clips: the fingerprints of all clips, the held-out ones included, by their names; empty where there are too many
            for a weights file.
    """

    dataset: str
    id: str
    clips: dict[str, str] = {}


class Recipe(BaseModel):
    """As much of a recipe as a run asks for."""

    dataset: str = ""


class Training(BaseModel):
    """What a file of ``bench train``, weights or a state, says of itself.

    Attributes:
        config: the recipe.
        data: None in files of before they said it.
        held_out: by clip the first and the last of the frames that no step has seen, None for a whole clip; None: it is
            not known.
        training_id: which training it was; "" if that is not noted.
        steps: after how many steps the file was written; None if that is not noted.
    """

    config: Recipe
    data: TrainingData | None = None
    held_out: dict[str, tuple[int, int] | None] | None = None
    training_id: str = ""
    steps: int | None = None

    @property
    def step(self) -> str:
        """Which step of which training the file is, in words; "" if it does not say that."""
        if self.steps is None:
            return ""
        return f"step {self.steps} of " + (f"the training {self.training_id}" if self.training_id else "its training")

    def on(self, name: str) -> Training:
        """The part of a training on several data sets that was on the one called `name`; another training as it is.

        Clips of several data sets have the name of theirs before their own, see `talkbench.training.data.mixed`.
        """
        if self.data is None or name not in set_names(self.data.dataset) or name == self.data.dataset:
            return self
        prefix = f"{name}:"

        def own(names: Mapping[str, T]) -> dict[str, T]:
            return {key.removeprefix(prefix): value for key, value in names.items() if key.startswith(prefix)}

        data = TrainingData(dataset=name, id=self.data.id, clips=own(self.data.clips))
        held_out = None if self.held_out is None else own(self.held_out)
        return self.model_copy(update={"data": data, "held_out": held_out})

    def saw(self, clip: str, index: int) -> bool:
        """Whether a step may have seen a frame of a clip of the training."""
        frames = (self.held_out or {}).get(clip, ())
        return bool(frames is not None and not (frames and frames[0] <= index <= frames[1]))

    def saw_clip(self, clip: str) -> bool:
        """Whether a step may have seen any frame of a clip of the training."""
        return (self.held_out or {}).get(clip, ()) is not None


def read_training(weights: Weights) -> Training | None:
    """What the file of `weights` says of its training; None if it says nothing, or there is none.

    Raises:
        TalkbenchError: what it says does not fit.
    """
    try:
        metadata: Mapping[str, object] = read_metadata(weights.path) if weights.path else {}
    except TalkbenchError:  # a plugin's method may have a format of its own; whoever loads the weights reports damage
        return None
    if not isinstance(metadata.get("config"), dict):
        return None
    try:
        return Training.model_validate(metadata)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise TalkbenchError(
            f"what {weights.path} says of its training does not fit ({place}: {first['msg'].lower()}); get it anew"
        ) from error


def held_out(data: datasets.Dataset, task: str, motion: str, training: Training | None) -> datasets.Split:
    """All pairs, or by a seed some, of the frames of `data` that a training on it held out: of whole people, or of the
    ends of clips. They are the same for every checkpoint of the training.

    Raises:
        TalkbenchError: the weights do not say what was held out, nothing was, or the training was on another data set;
            the clips are not those of the training; no such pairs can be drawn, or the motion needs a list.
    """
    frames = _frames(data, training)
    if task not in TASKS:
        raise TalkbenchError(f"--split {HELD_OUT} draws no pairs for {task!r}: {nearest(task, TASKS)}")
    if motion == "relative-best":
        raise TalkbenchError(
            f"--motion relative-best needs a list, and --split {HELD_OUT} has none; use relative-first"
        )
    pairs = possible_or_drawn(task, frames, data.identity, SEED)
    if motion == "relative-first":
        pairs = [replace(pair, reference=Frame(pair.driving.clip, frames[pair.driving.clip][0])) for pair in pairs]
    count = sum(map(len, frames.values()))
    clips = f"{len(frames)} clip{'s' if len(frames) > 1 else ''}"
    note = f"these pairs are of {count} frames in {clips} that the training of the weights held out"
    return datasets.Split(
        data.name,
        task,
        motion,
        data.root,
        pairs,
        data.store,
        note=note,
        videos_named=data.videos_named,
        part=HELD_OUT,
        rates=data.rates,
    )


def _frames(data: datasets.Dataset, training: Training | None) -> dict[str, list[int]]:
    """By clip, the numbers of the frames that were held out; two clips or more frames at least."""
    if training is None or training.data is None or training.held_out is None:
        raise TalkbenchError(
            f"the weights do not say what their training held out, and --split {HELD_OUT} is of that; name a file of "
            "bench train with --checkpoint"
        )
    if training.data.dataset != data.name:
        raise TalkbenchError(
            f"the weights were trained on {training.data.dataset}, not on {data.name}, so all of it is held out; leave "
            "--split out"
        )
    if not training.held_out:
        raise TalkbenchError(f"their training held nothing out for --split {HELD_OUT}; train with --set validation=16")
    data.prepare_clips(training.held_out)
    marks = fingerprints(training.held_out, data.fingerprint)
    others = [clip for clip in marks if marks[clip] != training.data.clips.get(clip, marks[clip]) or not marks[clip]]
    if others:
        raise TalkbenchError(
            f"{len(others)} of the {len(marks)} clips that the training held out are missing in {data.root} or others "
            f"than they were: {', '.join(others[:NAMED])}{', …' if len(others) > NAMED else ''}; bring them back"
        )
    frames: dict[str, list[int]] = {}
    for clip, limits in training.held_out.items():
        numbers = data.training_numbers(clip)
        frames[clip] = [number for number in numbers if limits is None or limits[0] <= number <= limits[1]]
    return frames
