"""What the weights of a run have seen of its pairs in training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from talkbench import datasets
from talkbench.benchmark.evaluation.trainings import Training
from talkbench.core.dataset_cards import may_have_seen, set_names
from talkbench.core.errors import PairError
from talkbench.datasets import Frame
from talkbench.datasets.fingerprints import fingerprint, fingerprints
from talkbench.methods.cards import Weights, card


class Leakage(NamedTuple):
    """What weights may have seen of pairs.

    Attributes:
        words: one line; "" for nothing, or where nothing is known.
        frames: whether the frames of the pairs themselves may be among it.
    """

    words: str = ""
    frames: bool = False


NOTHING = Leakage()


def leakage(
    weights: Weights,
    split: datasets.Split,
    training: Training | None = None,
    data: datasets.Dataset | None = None,
    given: bool = False,
) -> Leakage:
    """What `weights` may have seen of `split` in training.

    A file of ``bench train`` tells that by the fingerprints of its clips, wherever the same clips lie, and one that has
    none by the name of its data set; other weights by the method's card, unless the user has `given` the file.

    Args:
        training: what the file says of its training.
        data: the data set of the split; None for pairs of the caller's own.
    """
    if training and training.data and training.data.clips:
        same = data is not None and data.name == training.data.dataset
        told = _by_clips(weights.method, training.data.clips, training, split, data if same else None)
        if told.words or same:
            return told
    return _by_name(weights, split, training, given)


def offer(seen: Leakage, split: datasets.Split, training: Training | None) -> str:
    """What to do about frames that were seen, in words; "" for nothing."""
    if seen.frames and training and training.data and training.held_out and training.data.dataset == split.dataset:
        return "; --split held-out takes only what it has not seen"
    return ""


def _by_clips(
    method: str, clips: Mapping[str, str], training: Training, split: datasets.Split, data: datasets.Dataset | None
) -> Leakage:
    """As `leakage`, by the fingerprints of the training's `clips`, and in its own data set `data` by people too."""
    copies = defaultdict(list)
    for name, mark in clips.items():
        if mark:
            copies[mark].append(name)
    tested = sorted({frame.clip for pair in split for frame in (pair.source, pair.driving)})
    marks = fingerprints(tested, lambda clip: fingerprint(split.store.path(clip)))
    seen = {clip: [name for name in copies[mark] if training.saw_clip(name)] for clip, mark in marks.items()}
    numbers: dict[str, set[int]] = {}
    if data is not None:
        for name in {name for names in seen.values() for name in names}:
            with suppress(PairError):
                numbers[name] = {*data.training_numbers(name)}

    def saw(frame: Frame) -> bool:
        names = [name for name in seen[frame.clip] if training.saw(name, frame.index)]
        return any(frame.index in numbers.get(name, (frame.index,)) for name in names)

    count = sum(bool(names) for names in seen.values())
    if pairs := sum(saw(pair.source) or saw(pair.driving) for pair in split):
        return Leakage(
            f"{method} was trained on {count} of the {len(tested)} clips of these pairs, and {pairs} of {len(split)} "
            "pairs have a frame that it may have seen",
            frames=True,
        )
    if count:
        return Leakage(f"{method} was trained on other frames of {count} of the {len(tested)} clips of these pairs")
    if data is None:
        return NOTHING
    people = {data.identity(clip) for clip in tested}
    familiar = people & {data.identity(name) for name in clips if training.saw_clip(name)}
    if not familiar:
        return NOTHING
    return Leakage(f"{method} was trained on other clips of {len(familiar)} of the {len(people)} people in these pairs")


def _by_name(weights: Weights, split: datasets.Split, training: Training | None, given: bool) -> Leakage:
    """As `leakage`, by the names of data sets."""
    sets = set_names(_trained_on(weights, training, given)) if split.videos_named else []
    tested = datasets.card(split.dataset)
    trained = next((name for name in sets if may_have_seen(datasets.card(name), tested, split.held_out)), "")
    if not trained:
        return NOTHING
    if trained == tested.resplit_of:
        words = f"{weights.method} was trained on {trained}, with the very clips of these pairs; train on {tested.name}"
        return Leakage(words, frames=True)
    return Leakage(
        f"{weights.method} was trained on {trained}, and these pairs are not known to be of its test part: it may have "
        "seen these people",
        frames=True,
    )


def _trained_on(weights: Weights, training: Training | None, given: bool) -> str:
    """The data sets that the weights were trained on, with commas between; "" if there are none, or it is not known."""
    if weights.path is None:
        return ""
    if training:
        return training.config.dataset
    return "" if given else card(weights.method).training_data
