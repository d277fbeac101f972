"""The evaluator: it takes batches of pairs and gives the rows and generated frames of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.benchmark.evaluation.reader import ImageKey, ImageSource, Reader, ReadImage, result
from talkbench.benchmark.evaluation.scorer import GeneratedFrame, Pictured, Scorer, Scores
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import to_tensor, to_uint8
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import Extractor, FeatureCache, Metric
from talkbench.results.content import UNDECODABLE, FrameContent, FrameName
from talkbench.results.rows import Row


@dataclass(frozen=True)
class Item:
    """A pair with its number in the list and its images, uint8 (H, W, 3) at the evaluated size."""

    number: int
    pair: Pair
    source: np.ndarray
    driving: np.ndarray
    reference: np.ndarray | None = None
    frame: np.ndarray | None = None  # the generated frame, if another program has made it

    def generated(self, frame: np.ndarray, raw: Tensor | None = None) -> GeneratedFrame:
        """The pair together with the frame that was generated for it."""
        return GeneratedFrame(self.number, self.pair, frame, self.source, self.driving, raw)


class Requested(NamedTuple):
    """A pair whose images are being read; `images` has them by the names of the fields of `Item`."""

    number: int
    images: dict[str, Future[ReadImage]]


@dataclass
class Outcome:
    """The result of one batch.

    Attributes:
        numbers: of its pairs.
        scores: the rows of all its pairs, the features that metrics of whole sets keep, and what extractors saw.
        frames: the generated frames, of the pairs that have one.
        contents: what the frames of its pairs decode to.
        drew: whether the method has drawn random numbers so far.
    """

    numbers: Sequence[int]
    scores: Scores = field(default_factory=Scores)
    frames: list[GeneratedFrame] = field(default_factory=list)
    contents: dict[FrameName, FrameContent] = field(default_factory=dict)
    drew: bool = False


@dataclass
class Loaded:
    """The images of some pairs.

    Attributes:
        items: the pairs whose images could all be read.
        failed: the rows of the others.
        contents: what the frames of all of them decode to.
    """

    items: list[Item] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)
    contents: dict[FrameName, FrameContent] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """How the protocol turns images into numbers.

    Attributes:
        size: side in pixels of the images that the method and the metrics get; frames of another size are resized.
        cut: whether generated images are cut to 8 bits instead of rounded.
        jpeg_quality: of the JPEG file that each image goes through before it is scored; None: there is no file.
    """

    size: int
    cut: bool = False
    jpeg_quality: int | None = None


def batches(pairs: Sequence[Pair], size: int) -> list[list[int]]:
    """The numbers of the pairs in batches, pairs of one source together.

    The batches depend on the list and their size alone, so a run that is continued with the same size has the same
    batches and gives the same bits.
    """

    def order(number: int) -> tuple[Frame, Frame, int]:
        return pairs[number].source, pairs[number].driving, number

    numbers = sorted(range(len(pairs)), key=order)
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


Stretch = tuple[int, list[int]]
"""Neighbours in a batch that are evaluated together: the place of the first in the order of all pairs, and their
numbers."""


def stretches_to_do(order: Sequence[Sequence[int]], done: Container[int]) -> list[Stretch]:
    """The pairs of each batch that are not `done`."""
    todo: list[Stretch] = []
    place = 0
    for numbers in order:
        stretch: list[int] = []
        for number in numbers:
            if number not in done:
                if not stretch:
                    todo.append((place, stretch))
                stretch.append(number)
            else:
                stretch = []
            place += 1
    return todo


class Evaluator:
    """Runs a method on batches of a split and scores what it generates.

    Args:
        method: the method, or the frames that another program has generated.
        seed: of the method's random draws. Each batch has a seed of its own that follows from it, so what the method
            draws does not depend on earlier batches.
        cache: features of real frames.
        workers: processes that read frames; 0: a thread of this one.
        pictured: of which pairs pictures are drawn, see `Scorer`.

    Attributes:
        drew: whether the method has drawn random numbers so far.
    """

    def __init__(
        self,
        method: Method | GivenFrames,
        split: Split,
        metrics: Sequence[Metric],
        extractors: Mapping[str, Extractor],
        rules: Rules,
        device: torch.device,
        seed: int = 0,
        cache: FeatureCache | None = None,
        workers: int = 0,
        pictured: Pictured = lambda rows: (),
    ) -> None:
        self.method = method if isinstance(method, GivenFrames) else method.to(device)
        self.split, self.rules, self.device, self.seed = split, rules, device, seed
        cache = cache or FeatureCache()
        self.scorer = Scorer(metrics, extractors, split, device, cache, rules.jpeg_quality, pictured)
        self._keep_raw = any(metric.unquantised for metric in metrics)
        self.images = ImageSource(split, rules.size, method if isinstance(method, GivenFrames) else None)
        self.workers, self.drew = workers, False
        self._sources: tuple[tuple[Frame, ...], Batch] | None = None

    def run(self, order: Sequence[Sequence[int]], done: Container[int] = ()) -> Iterator[Outcome]:
        """Evaluate in `order` all pairs that are not `done`."""
        with Reader(self.images, self.workers) as reader:
            yield from self.evaluate(order, stretches_to_do(order, done), reader)

    def evaluate(self, order: Sequence[Sequence[int]], todo: Sequence[Stretch], reader: Reader) -> Iterator[Outcome]:
        """Evaluate some stretches of the `order`; meanwhile the frames of later ones are read.

        Metrics that look back get the last frames before those of the batch, which are generated again if they are in
        none of the stretches.
        """
        before: list[GeneratedFrame] = []
        upcoming: deque[list[Requested]] = deque()
        end = 0
        for count, (start, numbers) in enumerate(todo):
            for _, later in todo[count + len(upcoming) : count + 1 + reader.ahead]:
                upcoming.append(self._request(later, reader))
            loaded = self._load(upcoming.popleft())
            if self.scorer.history and start > 0 and end != start:
                before = self._again(order, start, reader)
            outcome = self._evaluate(numbers, loaded, before)
            before, end = self._tail([*before, *outcome.frames]), start + len(numbers)
            yield outcome

    def _tail(self, frames: list[GeneratedFrame]) -> list[GeneratedFrame]:
        return frames[-self.scorer.history :] if self.scorer.history else []

    def _again(self, order: Sequence[Sequence[int]], end: int, reader: Reader) -> list[GeneratedFrame]:
        """The last frames of the first `end` pairs of the `order`, as many as the metrics look back, generated again in
        their batches, which but for the last are of one size."""
        frames: list[GeneratedFrame] = []
        size = len(order[0])
        for start in reversed(range(0, end, size)):
            if len(frames) >= self.scorer.history:
                break
            items = self._load(self._request(order[start // size][: end - start], reader)).items
            frames = (self._seeded(items)[0] if items else []) + frames
        return self._tail(frames)

    def _request(self, numbers: Sequence[int], reader: Reader) -> list[Requested]:
        requested = []
        for number in numbers:
            pair = self.split[number]
            frames = {"reference": pair.reference, "source": pair.source, "driving": pair.driving}
            keys: dict[str, ImageKey] = {role: frame for role, frame in frames.items() if frame is not None}
            if self.images.frames:
                keys["frame"] = number
            requested.append(Requested(number, {role: reader.request(key) for role, key in keys.items()}))
        return requested

    def _load(self, requested: Sequence[Requested]) -> Loaded:
        loaded = Loaded()
        for number, futures in requested:
            pair, pixels, problems = self.split[number], {}, []
            for role, future in futures.items():
                content: FrameContent | None = UNDECODABLE
                try:
                    pixels[role], content = result(future)
                except PairError as error:
                    problems.append(error)
                if role != "frame" and content is not None:
                    frame = getattr(pair, role)
                    loaded.contents[FrameName(frame.clip, frame.index)] = content
            if problems:
                loaded.failed += self.scorer.failure(number, problems[0])
            else:
                loaded.items.append(Item(number, pair, **pixels))
        return loaded

    def _evaluate(self, numbers: Sequence[int], loaded: Loaded, before: Sequence[GeneratedFrame]) -> Outcome:
        outcome = Outcome(numbers, Scores(loaded.failed), contents=loaded.contents)
        if loaded.items:
            outcome.frames, broken = self._seeded(loaded.items)
            outcome.drew = self.drew
            outcome.scores.rows += broken
        if outcome.frames:
            scores = self.scorer.score(outcome.frames, before)
            outcome.scores = replace(scores, rows=outcome.scores.rows + scores.rows)
        return outcome

    def _seeded(self, items: list[Item]) -> tuple[list[GeneratedFrame], list[Row]]:
        torch.manual_seed(self.seed + items[0].number)
        before = self._random_state()
        generated = self._generate(items)
        self.drew = self.drew or not torch.equal(before, self._random_state())
        return generated

    def _random_state(self) -> Tensor:
        states = [torch.get_rng_state()]
        states += [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return torch.cat(states)

    def _generate(self, items: list[Item]) -> tuple[list[GeneratedFrame], list[Row]]:
        """The frames of the items, and the rows of those that have none. If the batch fails as a whole, each item is
        generated by itself, so that the others do not fail with the faulty one."""
        if isinstance(self.method, GivenFrames):
            return [item.generated(item.frame) for item in items if item.frame is not None], []
        try:
            images = self._render(self.method, items)
        except (PairError, LinAlgError) as error:
            if len(items) == 1:
                reason = error if isinstance(error, PairError) else PairError("singular-motion", _line(error))
                return [], self.scorer.failure(items[0].number, reason)
            parts = [self._generate([item]) for item in items]
            return [frame for part in parts for frame in part[0]], [row for part in parts for row in part[1]]
        sound = images.isfinite().flatten(1).all(1).tolist()
        raws = list(images.float().clamp(0, 1)) if self._keep_raw else [None] * len(items)
        frames = to_uint8(images, cut=self.rules.cut)
        broken = PairError("not-finite", f"{self.method.name} generated NaN or infinite values")
        generated: list[GeneratedFrame] = []
        rows: list[Row] = []
        for item, frame, raw, good in zip(items, frames, raws, sound, strict=True):
            if good:
                generated.append(item.generated(frame, raw))
            else:
                rows += self.scorer.failure(item.number, broken)
        return generated, rows

    @torch.inference_mode()
    def _render(self, method: Method, items: list[Item]) -> Tensor:
        frames = tuple(dict.fromkeys(item.pair.source for item in items))
        if self._sources is None or self._sources[0] != frames:
            faces = {item.pair.source: item.source for item in items}
            self._sources = frames, method.encode_source(self._tensor([faces[frame] for frame in frames]))
        encoded = self._sources[1]
        if len(frames) == 1:
            source = encoded.expand(len(items))
        else:
            source = encoded.select(torch.tensor([frames.index(item.pair.source) for item in items]))
        driving = method.encode_motion(self._tensor([item.driving for item in items]))
        references = [item.reference for item in items if item.reference is not None]
        reference = method.encode_motion(self._tensor(references)) if references else None
        images = method.render(source, method.transfer(source, driving, reference))
        shape = (len(items), 3, self.rules.size, self.rules.size)
        if images.shape != shape:
            raise TalkbenchError(f"{method.name} rendered {tuple(images.shape)} instead of {shape}; correct its render")
        return images

    def _tensor(self, images: Sequence[np.ndarray]) -> Tensor:
        return to_tensor(np.stack(images), self.device)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
