"""The shard function: pairs in, rows and pictures out. Every engine maps this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize, to_tensor, to_uint8
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import Extractor, FeatureCache, Metric
from talkbench.results.schema import Row

CACHED_FRAMES = 256


@dataclass(frozen=True)
class Item:
    """A pair with its number in the list and its images, uint8 (H, W, 3) at the evaluated size."""

    number: int
    pair: Pair
    source: np.ndarray
    driving: np.ndarray
    reference: np.ndarray | None


@dataclass
class Outcome:
    """What one batch gave: the rows of all its pairs, and the generated frames of those that have one."""

    rows: list[Row] = field(default_factory=list)
    frames: list[tuple[Item, np.ndarray]] = field(default_factory=list)


def batches(pairs: Sequence[Pair], size: int) -> list[list[int]]:
    """Numbers of the pairs in batches, pairs of one source together.

    A function of the list alone: a run that is continued sees the same batches, and so gives the same bits.
    """

    def order(number: int) -> tuple[Frame, Frame, int]:
        return pairs[number].source, pairs[number].driving, number

    numbers = sorted(range(len(pairs)), key=order)
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


class Evaluator:
    """Runs a method on batches of a split and scores what it generates.

    Args:
        size: side in pixels at which images enter the method and the metrics.
        cache: features of real frames.
    """

    def __init__(
        self,
        method: Method,
        split: Split,
        metrics: Sequence[Metric],
        extractors: dict[str, Extractor],
        cache: FeatureCache,
        size: int,
        device: torch.device,
    ) -> None:
        self.method, self.split, self.metrics, self.device = method.to(device), split, metrics, device
        self.extractors, self.cache, self.size = extractors, cache, size
        self._read = lru_cache(CACHED_FRAMES)(lambda frame: resize(split.read(frame), size))
        self._sources: tuple[tuple[Frame, ...], Batch] | None = None

    def run(self, todo: Sequence[Sequence[int]]) -> Iterator[Outcome]:
        """Evaluate batches in order; the frames of the next one are read meanwhile."""
        with ThreadPoolExecutor(1) as reader:
            upcoming = [reader.submit(self._load, numbers) for numbers in todo[:1]]
            for index in range(len(todo)):
                items, failed = upcoming.pop().result()
                if index + 1 < len(todo):
                    upcoming.append(reader.submit(self._load, todo[index + 1]))
                yield self._evaluate(items, failed)

    def _load(self, numbers: Sequence[int]) -> tuple[list[Item], list[Row]]:
        items: list[Item] = []
        failed: list[Row] = []
        for number in numbers:
            pair = self.split[number]
            try:
                reference = self._read(pair.reference) if pair.reference else None
                items.append(Item(number, pair, self._read(pair.source), self._read(pair.driving), reference))
            except PairError as error:
                failed += self._failure(number, error)
        return items, failed

    def _evaluate(self, items: list[Item], failed: list[Row]) -> Outcome:
        outcome = Outcome(rows=failed)
        made, broken = self._generate(items)
        outcome.rows += broken
        if made:
            images = to_uint8(torch.stack([image for _, image in made]))
            outcome.frames = [(item, image) for (item, _), image in zip(made, images, strict=True)]
            outcome.rows += self._score(outcome.frames)
        return outcome

    def _generate(self, items: list[Item]) -> tuple[list[tuple[Item, Tensor]], list[Row]]:
        """Images of all items; where the batch as a whole fails, item by item, so that one costs only itself."""
        if not items:
            return [], []
        try:
            images = self._render(items)
        except (PairError, torch.linalg.LinAlgError) as error:
            if len(items) == 1:
                reason = error if isinstance(error, PairError) else PairError("singular-motion", _line(error))
                return [], self._failure(items[0].number, reason)
            parts = [self._generate([item]) for item in items]
            return [made for part in parts for made in part[0]], [row for part in parts for row in part[1]]
        except torch.OutOfMemoryError as error:
            raise TalkbenchError(
                f"{self.device} is out of memory with --batch-size {len(items)}; give a smaller one"
            ) from error
        sound = images.isfinite().flatten(1).all(1).tolist()
        made = [(item, image) for item, image, good in zip(items, images, sound, strict=True) if good]
        error = PairError("not-finite", f"{self.method.name} generated NaN or infinite values")
        bad = [self._failure(item.number, error) for item, good in zip(items, sound, strict=True) if not good]
        return made, [row for rows in bad for row in rows]

    @torch.inference_mode()
    def _render(self, items: list[Item]) -> Tensor:
        frames = tuple(dict.fromkeys(item.pair.source for item in items))
        if self._sources is None or self._sources[0] != frames:
            images = {item.pair.source: item.source for item in items}
            self._sources = frames, self.method.encode_source(self._tensor([images[frame] for frame in frames]))
        encoded = self._sources[1]
        if len(frames) == 1:
            source = encoded.expand(len(items))
        else:
            source = encoded.select(torch.tensor([frames.index(item.pair.source) for item in items]))
        driving = self.method.encode_motion(self._tensor([item.driving for item in items]))
        references = [item.reference for item in items if item.reference is not None]
        reference = self.method.encode_motion(self._tensor(references)) if references else None
        return self.method.render(source, self.method.transfer(source, driving, reference))

    def _score(self, frames: list[tuple[Item, np.ndarray]]) -> list[Row]:
        generated = self._tensor([image for _, image in frames])
        features = {name: extractor.extract(generated) for name, extractor in self.extractors.items()}
        rows: list[Row] = []
        for metric in self.metrics:
            targets = [item.driving if metric.target == "driving" else item.source for item, _ in frames]
            if metric.extractor is None:
                values = metric.compare(generated, self._tensor(targets))
                rows += [
                    self._row(item.number, metric, value=float(v)) for (item, _), v in zip(frames, values, strict=True)
                ]
            else:
                wanted = self.cache.get_or_extract(self.extractors[metric.extractor], targets)
                pairs = zip(frames, features[metric.extractor], wanted, strict=True)
                rows += [self._compared(item.number, metric, ours, theirs) for (item, _), ours, theirs in pairs]
        return rows

    def _compared(self, number: int, metric: Metric, ours: np.ndarray | None, theirs: np.ndarray | None) -> Row:
        if theirs is None:
            return self._row(number, metric, reason="no-face-target", message=f"no face in the {metric.target} frame")
        if ours is None and metric.missing_generated is None:
            return self._row(number, metric, reason="no-face-generated", message="no face in the generated frame")
        if ours is None:
            return self._row(number, metric, value=metric.missing_generated)
        return self._row(number, metric, value=float(metric.compare(ours[None], theirs[None])[0]))

    def _failure(self, number: int, error: PairError) -> list[Row]:
        return [self._row(number, metric, reason=error.reason, message=str(error)) for metric in self.metrics]

    def _row(self, number: int, metric: Metric, value: float | None = None, reason: str = "", message: str = "") -> Row:
        pair = self.split[number]
        return Row(
            pair=number,
            source_clip=pair.source.clip,
            source_index=pair.source.index,
            driving_clip=pair.driving.clip,
            driving_index=pair.driving.index,
            metric=metric.variant,
            value=value,
            reason=reason,
            message=message,
        )

    def _tensor(self, images: Sequence[np.ndarray]) -> Tensor:
        return to_tensor(np.stack(images)).to(self.device)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
