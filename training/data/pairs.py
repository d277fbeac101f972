"""Pairs of frames of one clip, augmented (docs/specs/fomm.md "Block: FramesDataset sampling", "Block: augmentation",
docs/specs/mcnet.md 5.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets import Dataset, Frame
from talkbench.training.config import TrainConfig
from talkbench.training.data.mixed import by_set, share

CACHE_BYTES = 1 << 28
MANY_PEOPLE = 8  # from here on whole people are held out for validation: one in eight, and no more than eight
HELD_OUT = 10  # else the last tenth of each clip is, and the tenth before it parts it from what is trained on

TRIES = 10  # so many frames in a row may be unreadable before training stops

Item = tuple[int, int]
"""Epoch and index, which together with the seed determine a sample."""

HeldOut = dict[str, tuple[int, int] | None]
"""By clip, the first and the last of the frames that training never sees; None: the whole clip."""

Sample = tuple[Tensor, str, str]
"""Source and driving frame, uint8 (2, 3, H, W); their names; and the faults of frames that were drawn before them, a
line each."""


class FramePairs(torch.utils.data.Dataset[Sample]):
    """Source and driving frames: `pairs[epoch, index]` is a function of the seed and these two numbers alone.

    Args:
        dataset: a data set with a training part.
        config: the recipe.
        size: side that frames are resized to. The authors resize after the augmentation; for frames of this size that
            makes no difference.

    Raises:
        TalkbenchError: there is no training part, a person has no clip of two frames, or torchvision, which jitters
            colours, is missing.
    """

    def __init__(self, dataset: Dataset, config: TrainConfig, size: int) -> None:
        if config.jitter and find_spec("torchvision") is None:
            raise TalkbenchError("colour jitter needs torchvision: pip install 'talkbench[full]', or --set jitter=0")
        self.dataset, self.config = dataset, config
        clips = dataset.training_clips()
        dataset.check_training(clips)
        everyone = sorted({dataset.identity(clip) for clip in clips})
        self._held_out: set[str] = set()
        if config.validation and len(everyone) >= MANY_PEOPLE:
            for people_of_set in by_set(everyone, config.sets):
                self._held_out |= {*_spread(people_of_set, _count(people_of_set))}
        self._kept = [clip for clip in clips if dataset.identity(clip) in self._held_out]
        self.clips = [clip for clip in clips if dataset.identity(clip) not in self._held_out]
        people = defaultdict[str, list[str]](list)
        for clip in self.clips:
            people[dataset.identity(clip) if config.sampling == "identity" else clip].append(clip)
        self.people = [people[name] for name in sorted(people) for _ in range(share(name, config.shares))]
        self._size = size
        if config.sampling == "frame":
            counts = np.array([share(clip, config.shares) * len(self._numbers(clip)) for clip in self.clips])
            self._odds = counts / counts.sum()

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.people) * self.config.repeats

    def __getitem__(self, item: Item) -> Sample:
        """One sample.

        Raises:
            TalkbenchError: many frames in a row cannot be read.
        """
        epoch, index = item
        rng = np.random.default_rng((self.config.seed, epoch, index))
        faults: list[str] = []
        while len(faults) < TRIES:
            clip = self._clip(index, rng)
            try:
                first, second = sorted(rng.choice(self._numbers(clip), size=2).tolist())
                frames = np.stack([self._read(clip, first), self._read(clip, second)])
            except PairError as error:
                faults.append(str(error))
                continue
            pair = torch.from_numpy(augment(frames, self.config, rng)).permute(0, 3, 1, 2)
            return pair.contiguous(), f"{clip} {first} and {second}", "\n".join(faults)
        raise TalkbenchError(f"{TRIES} frames in a row cannot be read, the last: {faults[-1]}; see bench data verify")

    def _clip(self, index: int, rng: np.random.Generator) -> str:
        if self.config.sampling == "frame":
            return self.clips[rng.choice(len(self.clips), p=self._odds)]
        person = self.people[index % len(self.people)]
        return person[rng.integers(len(person))]

    def validation(self, say: Callable[[str], None]) -> list[tuple[Frame, Frame]]:
        """Pairs of source and driving frame, `config.validation` at most, whose driving frames training never sees.

        The two are far apart in their clip, so that copying the source is no good answer: source and driving frame are
        from the outer thirds of a held-out person's clip; or else the source is from the first half of what is trained
        on, and the driving frame from the end that is held out.

        Args:
            say: called with one line for each reason for which pairs are left out, since they cannot be read.
        """
        faults = set[str]()
        count, pairs = self.config.validation, list[tuple[Frame, Frame]]()
        sets, clips = self.config.sets, list[str]()
        for number, clips_of_set in enumerate(by_set(self._kept or self.clips, sets)):
            clips += _spread(clips_of_set, (count + number) // len(sets))
            if count and not clips_of_set:
                say(f"nobody of {sets[number]} is held out for validation, since there is one person only")
        for turn, clip in enumerate(clips):
            rng = np.random.default_rng((self.config.seed, turn))
            try:
                sources, drivers = self._far_apart(clip)
                if sources and drivers:
                    source, driving = (Frame(clip, int(rng.choice(numbers))) for numbers in (sources, drivers))
                    self.images((source, driving))
                    pairs.append((source, driving))
            except PairError as error:
                if str(error) not in faults:
                    say(f"left out of validation: {error}")
                faults.add(str(error))
        if count and not pairs:
            say("no clip is long enough to hold frames out for validation, so nothing tells which weights are the best")
        return pairs

    def held_out(self) -> HeldOut:
        """The frames that are held out, of clips that can be read."""
        ranges: HeldOut = dict.fromkeys(self._kept)
        for clip in self.clips if self.config.validation and not self._held_out else ():
            with suppress(PairError):
                numbers = self.dataset.training_numbers(clip)
                if end := self._end(numbers):
                    ranges[clip] = (numbers[-end], numbers[-1])
        return ranges

    def images(self, frames: Sequence[Frame]) -> Tensor:
        """The frames as they are, uint8 (N, 3, H, W)."""
        return torch.from_numpy(np.stack([self._read(frame.clip, frame.index) for frame in frames])).permute(0, 3, 1, 2)

    @cached_property
    def _read(self) -> Callable[[str, int], np.ndarray]:
        @lru_cache(CACHE_BYTES // (3 * self._size**2))
        def read(clip: str, number: int) -> np.ndarray:
            return resize(self.dataset.read(Frame(clip, number)), self._size)

        return read

    def __getstate__(self) -> dict[str, object]:
        """Without the frames that have been read, for processes that read on their own."""
        return {name: value for name, value in self.__dict__.items() if name != "_read"}

    def _numbers(self, clip: str) -> Sequence[int]:
        """The frames of a clip that are drawn."""
        return self._seen(clip)[:: self.config.frame_step]

    def _seen(self, clip: str) -> Sequence[int]:
        """The frames of a clip that training may see: all if whole people are held out, else all but the end."""
        numbers = self.dataset.training_numbers(clip)
        return numbers[: len(numbers) - 2 * self._end(numbers)]

    def _end(self, numbers: Sequence[int]) -> int:
        """How many of the last frames of a clip are held out; as many before them part them from what is seen."""
        return 0 if self._held_out or not self.config.validation else len(numbers) // HELD_OUT

    def _far_apart(self, clip: str) -> tuple[Sequence[int], Sequence[int]]:
        """The frames of a clip that may be the source of a validation pair, and those that may be the driving frame."""
        numbers = self.dataset.training_numbers(clip)
        if self._held_out:
            third = (len(numbers) + 1) // 3
            return numbers[:third], numbers[len(numbers) - third :]
        seen = self._seen(clip)
        return seen[: (len(seen) + 1) // 2], numbers[len(numbers) - self._end(numbers) :]


def _count(people: Sequence[str]) -> int:
    """How many people of a data set are held out: one of each `MANY_PEOPLE`, if that leaves one to train on."""
    return min(max(len(people) // MANY_PEOPLE, 1), MANY_PEOPLE, len(people) - 1)


def _spread(names: Sequence[str], count: int) -> list[str]:
    """`count` of the names, evenly spread; none of none."""
    return [names[index * len(names) // count] for index in range(count if names else 0)]


def augment(frames: np.ndarray, config: TrainConfig, rng: np.random.Generator) -> np.ndarray:
    """The pair (2, H, W, 3), uint8, swapped or mirrored, and its colours changed, both frames alike."""
    swapped = rng.random() < 0.5
    if swapped and config.flip_time:
        frames = frames[::-1]
    elif config.flip_horizontal and rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    if config.jitter:
        frames = jittered(frames, config.jitter, rng)
    return np.ascontiguousarray(frames)


def jittered(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue changed in random order, by PIL and so rounded to 8 bits each time."""
    from PIL import Image
    from torchvision.transforms import functional as F

    images = [Image.fromarray(frame) for frame in frames]
    adjustments = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    for number in rng.permutation(len(adjustments)):
        adjust, change = adjustments[number], rng.uniform(-strength, strength)
        images = [adjust(image, change if adjust is F.adjust_hue else 1 + change) for image in images]
    return np.stack([np.asarray(image) for image in images])
