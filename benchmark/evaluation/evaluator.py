"""The evaluator: it takes batches of pairs and gives the rows and generated frames of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.benchmark.evaluation.reader import ImageKey, ImageSource, Reader, results
from talkbench.benchmark.evaluation.scorer import GeneratedFrame, Scorer, Scores
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import to_tensor, to_uint8
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import Extractor, FeatureCache, Metric
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
    images: dict[str, Future[np.ndarray]]


@dataclass
class Outcome:
    """The result of one batch.

    Attributes:
        numbers: of its pairs.
        scores: the rows of all its pairs, and the features that metrics of whole sets keep.
        frames: the generated frames, of the pairs that have one.
    """

    numbers: Sequence[int]
    scores: Scores = field(default_factory=Scores)
    frames: list[GeneratedFrame] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """How the protocol turns images into numbers.

    Attributes:
        size: side in pixels of the images that the method and the metrics get.
        resized: whether frames of another size are resized; if not, their pairs fail.
        cut: whether generated images are cut to 8 bits instead of rounded.
        jpeg_quality: of the JPEG file that each image goes through before it is scored; None: there is no file.
    """

    size: int
    resized: bool = False
    cut: bool = False
    jpeg_quality: int | None = None


def batches(pairs: Sequence[Pair], size: int) -> list[list[int]]:
    """The numbers of the pairs in batches, pairs of one source together.

    The batches depend on the list alone, so a run that is continued has the same batches and gives the same bits.
    """

    def order(number: int) -> tuple[Frame, Frame, int]:
        return pairs[number].source, pairs[number].driving, number

    numbers = sorted(range(len(pairs)), key=order)
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


class Evaluator:
    """Runs a method on batches of a split and scores what it generates.

    Args:
        method: the method, or the frames that another program has generated.
        seed: of the method's random draws. Each batch has a seed of its own that follows from it, so what the method
            draws does not depend on earlier batches.
        cache: features of real frames.
        workers: processes that read frames; 0: a thread of this one.
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
    ) -> None:
        self.method = method if isinstance(method, GivenFrames) else method.to(device)
        self.split, self.rules, self.device, self.seed = split, rules, device, seed
        self.scorer = Scorer(metrics, extractors, split, device, cache or FeatureCache(), rules.jpeg_quality)
        self._keep_raw = any(metric.unquantised for metric in metrics)
        self.images = ImageSource(split, rules.size, rules.resized, method if isinstance(method, GivenFrames) else None)
        self.workers = workers
        self._sources: tuple[tuple[Frame, ...], Batch] | None = None

    def run(self, order: Sequence[Sequence[int]], done: Container[int] = ()) -> Iterator[Outcome]:
        """Evaluate in `order` the batches whose first pair is not `done`; meanwhile the frames of later ones are read.

        Metrics that look back get the last frames of the batch before, which is generated again if it was done in an
        earlier run.
        """
        todo = [place for place, numbers in enumerate(order) if numbers[0] not in done]
        before: list[GeneratedFrame] = []
        upcoming: deque[list[Requested]] = deque()
        with Reader(self.images, self.workers) as reader:
            for count, place in enumerate(todo):
                for later in todo[count + len(upcoming) : count + 1 + reader.ahead]:
                    upcoming.append(self._request(order[later], reader))
                items, failed = self._load(upcoming.popleft())
                if self.scorer.history and place > 0 and (count == 0 or todo[count - 1] != place - 1):
                    before = self._again(order[:place], reader)
                outcome = self._evaluate(order[place], items, failed, before)
                before = self._tail([*before, *outcome.frames])
                yield outcome

    def _tail(self, frames: list[GeneratedFrame]) -> list[GeneratedFrame]:
        return frames[-self.scorer.history :] if self.scorer.history else []

    def _again(self, earlier: Sequence[Sequence[int]], reader: Reader) -> list[GeneratedFrame]:
        """The last frames of the `earlier` batches, as many as the metrics look back, generated again."""
        frames: list[GeneratedFrame] = []
        for numbers in reversed(earlier):
            if len(frames) >= self.scorer.history:
                break
            items, _ = self._load(self._request(numbers, reader))
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

    def _load(self, requested: Sequence[Requested]) -> tuple[list[Item], list[Row]]:
        items: list[Item] = []
        failed: list[Row] = []
        for number, futures in requested:
            try:
                images = dict(zip(futures, results(list(futures.values())), strict=True))
                items.append(Item(number, self.split[number], **images))
            except PairError as error:
                failed += self.scorer.failure(number, error)
        return items, failed

    def _evaluate(
        self, numbers: Sequence[int], items: list[Item], failed: list[Row], before: Sequence[GeneratedFrame]
    ) -> Outcome:
        outcome = Outcome(numbers, Scores(failed))
        if items:
            outcome.frames, broken = self._seeded(items)
            outcome.scores.rows += broken
        if outcome.frames:
            scores = self.scorer.score(outcome.frames, before)
            outcome.scores = Scores(outcome.scores.rows + scores.rows, scores.sets)
        return outcome

    def _seeded(self, items: list[Item]) -> tuple[list[GeneratedFrame], list[Row]]:
        torch.manual_seed(self.seed + items[0].number)
        return self._generate(items)

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
