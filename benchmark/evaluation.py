"""The shard function: pairs in, rows and pictures out. Every engine maps this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from talkbench.benchmark.outside import Outside
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
    given: np.ndarray | None = None  # the generated frame, if another program has made it


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
        method: the method, or the frames that another program has generated.
        size: side in pixels at which images enter the method and the metrics.
        seed: of the method's random draws, together with the batch: they depend on nothing that went before.
        cache: features of real frames.
        resized: whether frames of another size are resized; else they are failures.
    """

    def __init__(
        self,
        method: Method | Outside,
        split: Split,
        metrics: Sequence[Metric],
        extractors: Mapping[str, Extractor],
        size: int,
        device: torch.device,
        seed: int = 0,
        cache: FeatureCache | None = None,
        resized: bool = False,
    ) -> None:
        self.method = method if isinstance(method, Outside) else method.to(device)
        self.split, self.metrics, self.extractors = split, metrics, extractors
        self.size, self.device, self.seed, self.cache = size, device, seed, cache or FeatureCache()
        self.resized = resized
        self._read = lru_cache(CACHED_FRAMES)(self._sized)
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

    def _sized(self, frame: Frame) -> np.ndarray:
        image = self.split.read(frame)
        if self.resized:
            return resize(image, self.size)
        if image.shape[:2] != (self.size, self.size):
            where, (height, width) = f"frame {frame.index} of {frame.clip}", image.shape[:2]
            raise PairError("wrong-size", f"{where} is {width}x{height}, the others {self.size}x{self.size}")
        return image

    def _load(self, numbers: Sequence[int]) -> tuple[list[Item], list[Row]]:
        items: list[Item] = []
        failed: list[Row] = []
        for number in numbers:
            pair = self.split[number]
            try:
                reference = self._read(pair.reference) if pair.reference else None
                source, driving = self._read(pair.source), self._read(pair.driving)
                given = self.method.read(number) if isinstance(self.method, Outside) else None
                items.append(Item(number, pair, source, driving, reference, given))
            except PairError as error:
                failed += self._failure(number, error)
        return items, failed

    def _evaluate(self, items: list[Item], failed: list[Row]) -> Outcome:
        outcome = Outcome(rows=failed)
        if items:
            torch.manual_seed(self.seed + items[0].number)
            outcome.frames, broken = self._generate(items)
            outcome.rows += broken
        if outcome.frames:
            outcome.rows += self._score(outcome.frames)
        return outcome

    def _generate(self, items: list[Item]) -> tuple[list[tuple[Item, np.ndarray]], list[Row]]:
        """Frames of all items, and rows of those that have none; where the batch as a whole fails, item by item, so
        that one costs only itself."""
        if isinstance(self.method, Outside):
            return [(item, item.given) for item in items if item.given is not None], []
        try:
            images = self._render(self.method, items)
        except (PairError, LinAlgError) as error:
            if len(items) == 1:
                reason = error if isinstance(error, PairError) else PairError("singular-motion", _line(error))
                return [], self._failure(items[0].number, reason)
            parts = [self._generate([item]) for item in items]
            return [made for part in parts for made in part[0]], [row for part in parts for row in part[1]]
        sound = images.isfinite().flatten(1).all(1).tolist()
        frames = to_uint8(images)
        broken = PairError("not-finite", f"{self.method.name} generated NaN or infinite values")
        failures = [self._failure(item.number, broken) for item, good in zip(items, sound, strict=True) if not good]
        made = [(item, frame) for item, frame, good in zip(items, frames, sound, strict=True) if good]
        return made, [row for rows in failures for row in rows]

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
        wanted = (len(items), 3, self.size, self.size)
        if images.shape != wanted:
            raise TalkbenchError(f"{method.name} rendered {tuple(images.shape)} instead of {wanted}; mend it")
        return images

    def _score(self, frames: list[tuple[Item, np.ndarray]]) -> list[Row]:
        """Rows of all metrics; the features of generated and of real frames are made once, whatever asks for them."""
        generated = self._tensor([image for _, image in frames])
        features = {name: extractor.extract(generated) for name, extractor in self.extractors.items()}
        real = {"driving": [item.driving for item, _ in frames], "source": [item.source for item, _ in frames]}
        pixels = {target: self._tensor(real[target]) for target in {m.target for m in self.metrics if not m.extractor}}
        known = {
            (name, target): self.cache.get_or_extract(self.extractors[name], real[target])
            for name, target in {(m.extractor, m.target) for m in self.metrics if m.extractor}
        }
        rows: list[Row] = []
        for metric in self.metrics:
            if metric.extractor is None:
                values = zip(frames, metric.compare(generated, pixels[metric.target]), strict=True)
                rows += [self._row(item.number, metric, float(value)) for (item, _), value in values]
            else:
                pairs = zip(frames, features[metric.extractor], known[metric.extractor, metric.target], strict=True)
                rows += [self._compared(item.number, metric, ours, theirs) for (item, _), ours, theirs in pairs]
        return rows

    def _compared(self, number: int, metric: Metric, ours: np.ndarray | None, theirs: np.ndarray | None) -> Row:
        if theirs is None:
            return self._row(number, metric, None, "no-face-target", f"no face in the {metric.target} frame")
        if ours is None and metric.missing_generated is None:
            return self._row(number, metric, None, "no-face-generated", "no face in the generated frame")
        if ours is None:
            return self._row(number, metric, metric.missing_generated)
        return self._row(number, metric, float(metric.compare(ours[None], theirs[None])[0]))

    def _failure(self, number: int, error: PairError) -> list[Row]:
        return [self._row(number, metric, None, error.reason, str(error)) for metric in self.metrics]

    def _row(self, number: int, metric: Metric, value: float | None, reason: str = "", message: str = "") -> Row:
        pair = self.split[number]
        capped = metric.cap is not None and value is not None and value >= metric.cap
        return Row(
            pair=number,
            source_clip=pair.source.clip,
            source_index=pair.source.index,
            driving_clip=pair.driving.clip,
            driving_index=pair.driving.index,
            metric=metric.variant,
            value=value,
            reason="capped" if capped else reason,
            message=message,
        )

    def _tensor(self, images: Sequence[np.ndarray]) -> Tensor:
        return to_tensor(np.stack(images), self.device)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
