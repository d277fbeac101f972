"""Turns generated frames into rows: each extractor sees a frame once, then each metric compares each pair."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache as once
from itertools import pairwise
from typing import Literal, TypeGuard

import numpy as np
import torch
from torch import Tensor

from talkbench.benchmark.evaluation.seen import DRAWN, Features
from talkbench.core.cards import MetricCard
from talkbench.core.errors import PairError
from talkbench.core.images import Download, from_levels, through_jpeg, upload, upload_numbers
from talkbench.datasets import Pair, Split
from talkbench.metrics import Extractor, FeatureCache, Metric
from talkbench.metrics.pixel import ImageMetric
from talkbench.results.rows import IN_SET, NO_FRAME_BEFORE, START_OF_VIDEO, Row

Windows = list[list[int] | None]
"""For each frame, the places of the frames that a metric sees together, oldest first; None where the video has not yet
so many."""

Pictured = Callable[[Sequence[Row]], Container[int]]
"""Of the pairs whose rows these are, and perhaps others, the numbers of those that get a picture."""

_FeatureLists = dict[str, list[np.ndarray | None]]
"""The features of some frames, in their order, by the names of the extractors."""


@dataclass(frozen=True)
class GeneratedFrame:
    """The generated frame of pair `number` and its real ones, all uint8 (H, W, 3) of one size.

    Attributes:
        levels: `frame` on the device; None: it has to be brought there.
        raw: float (3, H, W), as the method rendered it, clamped to [0, 1]; None where another program made the frame.
    """

    number: int
    pair: Pair
    frame: np.ndarray
    source: np.ndarray
    driving: np.ndarray
    levels: Tensor | None = None
    raw: Tensor | None = None


@dataclass(frozen=True)
class Pixels:
    """Images of some pairs on the device, (N, 3, H, W) in [0, 1], each kind made when it is first asked for.

    Attributes:
        generated: the generated frames in the levels of 8 bits.
        raw: the same as the method has rendered them.
        real: the frames ``driving`` or ``source``.
    """

    generated: Callable[[], Tensor]
    raw: Callable[[], Tensor]
    real: Callable[[str], Tensor]


@dataclass
class Scores:
    """The scores of some pairs.

    Attributes:
        rows: one per pair and metric.
        sets: what metrics of whole sets keep, by `set_key`: the numbers of N pairs, and the features (N, D) of their
            generated and of their real frames.
        seen: what the extractors whose features can be drawn saw, by the number of a pair: the features of its driving
            and of its generated frame.
    """

    rows: list[Row] = field(default_factory=list)
    sets: dict[str, tuple[list[int], list[np.ndarray]]] = field(default_factory=dict)
    seen: dict[int, tuple[Features, Features]] = field(default_factory=dict)


class Scorer:
    """Scores generated frames by the chosen metrics.

    Args:
        extractors: those of the metrics, and those that these extractors use.
        cache: features of real frames.
        jpeg_quality: of the JPEG file that each image goes through first; None: there is no file.
        pictured: tells by the rows of a batch for which pairs `Scores.seen` is kept.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        extractors: Mapping[str, Extractor],
        split: Split,
        device: torch.device,
        cache: FeatureCache,
        jpeg_quality: int | None = None,
        pictured: Pictured = lambda rows: (),
    ) -> None:
        self.pictured = pictured
        self.metrics, self.extractors, self.split = metrics, extractors, split
        self.device, self.cache, self.jpeg_quality = device, cache, jpeg_quality
        self._histories = {metric.history for metric in metrics}
        self.history = max(self._histories, default=0)
        pairs = split if self.history else ()
        self._listed = {(pair.source, pair.driving.clip, pair.driving.index) for pair in pairs}

    def measure(self, pixels: Pixels) -> dict[str, Tensor]:
        """What metrics of single images say of each pair, float64 (N,) on the device, by the variant of the metric. The
        host does not wait for it. None do where images go through a JPEG file first."""
        alone = [m for m in self.metrics if _is_queued(m) and not m.history] if self.jpeg_quality is None else []
        return {metric.variant: metric.values(*self._images(metric, pixels)) for metric in alone}

    def score(
        self,
        batch: Sequence[GeneratedFrame],
        before: Sequence[GeneratedFrame] = (),
        measured: Mapping[str, Sequence[float]] | None = None,
    ) -> Scores:
        """All rows of the `batch`.

        Args:
            before: the frames that precede it in the order of the pairs.
            measured: what `measure` has given for the `batch`.
        """
        frames = [*before, *batch]
        real = {
            "driving": [self._stored(item.driving) for item in frames],
            "source": [self._stored(item.source) for item in frames],
        }
        pixels = self._pixels(frames, real)
        generated_features = self._features(pixels.generated()) if self.extractors else {}
        real_features = {
            (name, target): self.cache.get_or_extract(self.extractors[name], real[target], self.extractors)
            for name, target in {(m.extractor, target_of(m, self.split.has_truth)) for m in self.metrics if m.extractor}
        }
        places = range(len(before), len(frames))
        windows = {history: [_window(frames, place, history) for place in places] for history in self._histories}
        values = self._values(pixels, windows, measured or {})
        scores = Scores()
        for metric in self.metrics:
            target = target_of(metric, self.split.has_truth)
            if metric.extractor is None:
                scores.rows += self._valued_all(metric, batch, windows[metric.history], values[metric.variant])
                continue
            pair = generated_features[metric.extractor], real_features[metric.extractor, target]
            scores.rows += self._compared(metric, batch, windows[metric.history], *pair)
            if metric.aggregation == "set":
                members = [place for place in places if all(x[place] is not None for x in pair)]
                arrays = [np.stack([x[place] for place in members]) for x in pair] if members else []  # type: ignore[misc]
                if members:
                    key = set_key(metric, self.split.has_truth)
                    scores.sets[key] = [frames[place].number for place in members], arrays
        scores.seen = self._seen(batch, real["driving"][-len(batch) :], generated_features, self.pictured(scores.rows))
        return scores

    def failure(self, number: int, error: PairError) -> list[Row]:
        """The rows of a pair that has no generated frame."""
        return [self._row(number, metric, None, error.reason, str(error)) for metric in self.metrics]

    def _stored(self, image: np.ndarray) -> np.ndarray:
        return image if self.jpeg_quality is None else through_jpeg(image, self.jpeg_quality)

    def _features(self, images: Tensor) -> _FeatureLists:
        """The features of the generated frames, by extractor. An extractor that uses another comes after it."""
        features: _FeatureLists = {}
        for extractor in sorted(self.extractors.values(), key=lambda extractor: extractor.uses is not None):
            base = features[extractor.uses] if extractor.uses else None
            features[extractor.name] = extractor.extract(images, base)
        return features

    def _seen(
        self,
        batch: Sequence[GeneratedFrame],
        driving: Sequence[np.ndarray],
        features: _FeatureLists,
        pictured: Container[int],
    ) -> dict[int, tuple[Features, Features]]:
        """`Scores.seen` of the `batch`, the last frames that have `features`; those of driving frames come out of the
        cache."""
        names = [name for name in self.extractors if name in DRAWN]
        seen: dict[int, tuple[Features, Features]] = {}
        for place, item in enumerate(batch):
            if names and item.number in pictured:
                real = {
                    name: self.cache.get_or_extract(self.extractors[name], [driving[place]], self.extractors)[0]
                    for name in names
                }
                seen[item.number] = real, {name: features[name][place - len(batch)] for name in names}
        return seen

    def _images(self, metric: Metric, pixels: Pixels) -> tuple[Tensor, Tensor]:
        """The generated and the real images that a metric compares."""
        generated = pixels.raw if metric.unquantised else pixels.generated
        return generated(), pixels.real(target_of(metric, self.split.has_truth))

    def _values(
        self, pixels: Pixels, windows: Mapping[int, Windows], measured: Mapping[str, Sequence[float]]
    ) -> dict[str, Sequence[float]]:
        """By the variant of each metric of images its values for the pairs that have a window: those `measured`, and
        the others, of which those that the device computes are waited for together."""
        values, queued = dict(measured), dict[str, Tensor]()
        for metric in self.metrics:
            if metric.extractor is not None or metric.variant in measured:
                continue
            values[metric.variant] = ()
            places = [window for window in windows[metric.history] if window is not None]
            if places:
                alone = [place for (place,) in places] if not metric.history else places
                index = upload_numbers(alone, self.device)
                generated, real = (images[index] for images in self._images(metric, pixels))
                if _is_queued(metric):
                    queued[metric.variant] = metric.values(generated, real)
                else:
                    values[metric.variant] = metric.compare(generated, real).tolist()
        arrays = Download([*queued.values()]).wait()
        return values | {variant: array.tolist() for variant, array in zip(queued, arrays, strict=True)}

    def _valued_all(
        self, metric: Metric, batch: Sequence[GeneratedFrame], windows: Windows, values: Sequence[float]
    ) -> list[Row]:
        upcoming = iter(values)
        return [
            self._first(item, metric) if window is None else self._valued(item, metric, next(upcoming), 1.0)
            for item, window in zip(batch, windows, strict=True)
        ]

    def _pixels(self, frames: Sequence[GeneratedFrame], real: Mapping[str, Sequence[np.ndarray]]) -> Pixels:
        """The images of some frames as metrics see them."""

        def generated() -> Tensor:
            levels = [item.levels for item in frames if item.levels is not None]
            if self.jpeg_quality is None and len(levels) == len(frames):  # what was rendered here is there already
                return from_levels(torch.stack(levels))
            return from_levels(upload([self._stored(item.frame) for item in frames], self.device))

        def raw() -> Tensor:
            raws = [item.raw for item in frames if item.raw is not None]
            assert len(raws) == len(frames)  # frames of other programs have no such metrics
            return torch.stack(raws).to(self.device)

        return Pixels(once(generated), once(raw), once(lambda target: from_levels(upload(real[target], self.device))))

    def _compared(
        self,
        metric: Metric,
        batch: Sequence[GeneratedFrame],
        windows: Windows,
        generated_features: Sequence[np.ndarray | None],
        real_features: Sequence[np.ndarray | None],
    ) -> list[Row]:
        rows: list[Row | None] = []
        sound: list[tuple[np.ndarray, np.ndarray]] = []
        for item, window in zip(batch, windows, strict=True):
            sides = generated_features, real_features
            generated, real = ([features[place] for place in window or ()] for features in sides)
            row = self._missing(item, metric, window, generated, real)
            rows.append(row)
            if row is None:
                sound.append((_together(generated, metric), _together(real, metric)))
        values: list[tuple[float, float]] = []
        if sound:
            stacks = [np.stack(arrays) for arrays in zip(*sound, strict=True)]
            values = list(zip(metric.compare(*stacks), metric.weigh(*stacks), strict=True))
        upcoming = iter(values)
        return [
            self._valued(item, metric, *next(upcoming)) if row is None else row
            for item, row in zip(batch, rows, strict=True)
        ]

    def _missing(
        self,
        item: GeneratedFrame,
        metric: Metric,
        window: list[int] | None,
        generated: Sequence[np.ndarray | None],
        real: Sequence[np.ndarray | None],
    ) -> Row | None:
        """The row of a pair that `metric` cannot compare; None if it can."""
        assert metric.extractor is not None
        subject = self.extractors[metric.extractor].subject
        if window is None:
            return self._first(item, metric)
        if any(feature is None for feature in real):
            where = target_of(metric, self.split.has_truth)
            return self._row(item.number, metric, None, f"no-{subject}-target", f"no {subject} in the {where} frame")
        if any(feature is None for feature in generated):
            target = _together(real, metric)[None]
            weight = float(metric.weigh(target, target)[0])  # how much the pair counts, the real frame decides
            if metric.missing_generated is not None:
                return self._row(item.number, metric, metric.missing_generated, weight=weight)
            message = f"no {subject} in the generated frame"
            return self._row(item.number, metric, None, f"no-{subject}-generated", message, weight)
        if metric.aggregation == "set":
            return self._row(item.number, metric, None, IN_SET)
        return None

    def _first(self, item: GeneratedFrame, metric: Metric) -> Row:
        source, driving = item.pair.source, item.pair.driving
        before = ((source, driving.clip, driving.index - back) for back in range(1, metric.history + 1))
        if all(frame in self._listed for frame in before):
            message = f"a frame before it has failed: the metric looks back by {metric.history}"
            return self._row(item.number, metric, None, NO_FRAME_BEFORE, message)
        message = f"too near to the start of its video: the metric looks back by {metric.history}"
        return self._row(item.number, metric, None, START_OF_VIDEO, message)

    def _valued(self, item: GeneratedFrame, metric: Metric, value: float, weight: float) -> Row:
        if np.isnan(value):
            return self._row(item.number, metric, None, metric.undefined, f"{metric.variant} is not defined here")
        return self._row(item.number, metric, float(value), weight=float(weight))

    def _row(
        self, number: int, metric: Metric, value: float | None, reason: str = "", message: str = "", weight: float = 1.0
    ) -> Row:
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
            weight=weight,
            reason="capped" if capped else reason,
            message=message,
        )


def _is_queued(metric: Metric) -> TypeGuard[ImageMetric]:
    """Whether a metric leaves its values on the device; one that has a `compare` of its own may not."""
    return isinstance(metric, ImageMetric) and type(metric).compare is ImageMetric.compare


def target_of(metric: Metric | MetricCard, has_truth: bool) -> Literal["driving", "source"]:
    """The frame that `metric` compares the generated frame with: ``driving`` or ``source``. For some metrics that
    depends on whether the driving frame is the truth."""
    if metric.target == "identity":
        return "driving" if has_truth else "source"
    return metric.target


def set_key(metric: Metric, has_truth: bool) -> str:
    """The key of the features that a metric of whole sets keeps; metrics with the same extractor share them."""
    return f"{metric.extractor}-{target_of(metric, has_truth)}"


def has_videos(pairs: Sequence[Pair], history: int) -> bool:
    """Whether the pairs are frames of videos: whether for at least half of them the `history` frames before, of the
    same source and driving video, are pairs too.

    Pairs that were drawn at random also have such neighbours, but few.
    """
    places = {(pair.source, pair.driving.clip, pair.driving.index) for pair in pairs}
    follow = [
        all((source, clip, index - back) in places for back in range(1, history + 1)) for source, clip, index in places
    ]
    return 2 * sum(follow) >= len(follow)


def _window(frames: Sequence[GeneratedFrame], place: int, history: int) -> list[int] | None:
    """The places of the frame at `place` and of the `history` frames before it; None unless all are consecutive frames
    of one video with one source."""
    window = list(range(place - history, place + 1))
    if window[0] < 0:
        return None
    pairs = [frames[index].pair for index in window]
    for earlier, later in pairwise(pairs):
        if (earlier.source, earlier.driving.clip) != (later.source, later.driving.clip):
            return None
        if later.driving.index != earlier.driving.index + 1:
            return None
    return window


def _together(features: Sequence[np.ndarray | None], metric: Metric) -> np.ndarray:
    arrays = [feature for feature in features if feature is not None]
    return np.stack(arrays) if metric.history else arrays[0]
