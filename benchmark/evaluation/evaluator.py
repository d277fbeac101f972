"""The evaluator: it takes batches of pairs and gives the rows and generated frames of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache as once
from itertools import chain

import numpy as np
import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.benchmark.evaluation.reader import ImageSource, Item, Loaded, Reader, Requested, load
from talkbench.benchmark.evaluation.scorer import GeneratedFrame, Pictured, Pixels, Scorer, Scores
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import Download, OnDevice, from_levels, to_levels, upload, upload_numbers
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import Extractor, FeatureCache, Metric
from talkbench.results.content import FrameContent, FrameName
from talkbench.results.rows import Row


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


@dataclass(frozen=True)
class Rendered:
    """The frames of some pairs on their way from the device.

    Attributes:
        items: the pairs that get a frame, if it is finite.
        failed: the rows of those that get none.
        levels: the frames on the device, uint8 (N, H, W, 3).
        raws: the same unrounded, float (3, H, W) each, if a metric takes them so.
        measured: the metrics whose values come with the frames, by their variants.
        download: what the host needs: which frames are finite (N,), `levels`, the values (metrics, N).
    """

    items: list[Item] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)
    levels: Tensor | None = None
    raws: Sequence[Tensor] = ()
    measured: Sequence[str] = ()
    download: Download = field(default_factory=lambda: Download([]))


@dataclass(frozen=True)
class Begun:
    """A batch whose frames are being computed.

    Attributes:
        numbers: of its pairs.
        loaded: their images.
        before: the frames before, if they had to be generated again.
        drew: see `Outcome`.
    """

    numbers: Sequence[int]
    loaded: Loaded
    rendered: Rendered
    before: list[GeneratedFrame] | None
    drew: bool


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
        ahead: how many batches are begun before the host waits for the frames of one: 1 where the device works while
            the host goes on.
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
        self.workers, self.drew, self.ahead = workers, False, 1 if device.type == "cuda" else 0
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
        begun: deque[Begun] = deque()
        end = 0
        for count, (start, numbers) in enumerate(todo):
            for _, later in todo[count + len(upcoming) : count + 1 + reader.ahead]:
                upcoming.append(reader.request_pairs(later))
            loaded = load(upcoming.popleft())
            again = self.scorer.history and start > 0 and end != start
            try:
                own = self._again(order, start, reader) if again else None
                begun.append(self._begin(numbers, loaded, own))
            except Exception:
                while begun:  # nothing that is computed already is lost
                    before, outcome = self._finish(begun.popleft(), before)
                    yield outcome
                raise
            end = start + len(numbers)
            if len(begun) > self.ahead:
                before, outcome = self._finish(begun.popleft(), before)
                yield outcome
        while begun:
            before, outcome = self._finish(begun.popleft(), before)
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
            items = load(reader.request_pairs(order[start // size][: end - start])).items
            frames = self._frames(self._render(items))[0] + frames
        return self._tail(frames)

    def _begin(self, numbers: Sequence[int], loaded: Loaded, before: list[GeneratedFrame] | None) -> Begun:
        """Begin a batch. Where the device works by itself, the host waits for nothing here."""
        return Begun(numbers, loaded, self._render(loaded.items), before, self.drew)

    def _finish(self, begun: Begun, before: list[GeneratedFrame]) -> tuple[list[GeneratedFrame], Outcome]:
        """The outcome of a batch, and the frames to which the next one may look back; `before` are those of this
        one."""
        before = before if begun.before is None else begun.before
        frames, broken, values = self._frames(begun.rendered)
        unread = [row for failure in begun.loaded.failed for row in self.scorer.failure(*failure)]
        rows = [*unread, *begun.rendered.failed, *broken]
        outcome = Outcome(begun.numbers, Scores(rows), frames, begun.loaded.contents, begun.drew)
        if frames:
            scores = self.scorer.score(frames, before, values)
            outcome.scores = replace(scores, rows=rows + scores.rows)
        return self._tail([*before, *frames]), outcome

    def _frames(self, rendered: Rendered) -> tuple[list[GeneratedFrame], list[Row], dict[str, list[float]]]:
        """The finite frames, the rows of pairs whose frame is not, and the values that came along, by metric. The host
        waits for them."""
        if rendered.levels is None:
            return [], [], {}
        finite, frames, *measured = rendered.download.wait()
        broken = PairError("not-finite", f"{self.method.name} generated NaN or infinite values")
        raws: Sequence[Tensor | None] = rendered.raws or [None] * len(frames)
        generated: list[GeneratedFrame] = []
        rows: list[Row] = []
        for item, sound, frame, levels, raw in zip(rendered.items, finite, frames, rendered.levels, raws, strict=True):
            if sound:
                generated.append(GeneratedFrame(item.number, item.pair, frame, item.source, item.driving, levels, raw))
            else:
                rows += self.scorer.failure(item.number, broken)
        values = measured[0][:, finite].tolist() if measured else []
        return generated, rows, dict(zip(rendered.measured, values, strict=True))

    def _render(self, items: list[Item]) -> Rendered:
        """The frames of some pairs and what is measured of each alone."""
        if not items:
            return Rendered()
        images = once(lambda: self._on_device(items))
        if isinstance(self.method, GivenFrames):
            levels = upload([item.frame for item in items if item.frame is not None], self.device)
            finite = torch.ones(len(levels), dtype=torch.bool, device=self.device)
            return self._measured(Rendered(items, levels=levels), finite, images)
        torch.manual_seed(self.seed + items[0].number)
        before = self._random_state()
        framed, parts, failed = self._generate(self.method, items, images())
        self.drew = self.drew or not torch.equal(before, self._random_state())
        if not parts:
            return Rendered(failed=failed)
        whole = (torch.cat(parts) if len(parts) > 1 else parts[0]).to(self.device)
        raws = [*whole.float().clamp(0, 1)] if self._keep_raw else []
        levels = to_levels(whole, cut=self.rules.cut)
        finite = whole.isfinite().flatten(1).all(1)
        return self._measured(Rendered(framed, failed, levels, raws), finite, images)

    def _on_device(self, items: Sequence[Item]) -> OnDevice:
        """The images of the pairs, each distinct one once; the driving frames are neighbours."""
        images: dict[Frame, np.ndarray] = {}
        for role in ("driving", "source", "reference"):
            for item in items:
                if frame := getattr(item.pair, role):
                    images.setdefault(frame, getattr(item, role))
        return OnDevice(images, self.device)

    def _measured(self, rendered: Rendered, finite: Tensor, images: Callable[[], OnDevice]) -> Rendered:
        """The same with the values of metrics, all on their way to the host."""
        levels, raws, items = rendered.levels, rendered.raws, rendered.items
        assert levels is not None
        pixels = Pixels(
            once(lambda: from_levels(levels)),
            once(lambda: torch.stack([*raws])),
            once(lambda target: images()([getattr(item.pair, target) for item in items])),
        )
        values = self.scorer.measure(pixels)
        download = Download([finite, levels, *([torch.stack([*values.values()])] if values else [])])
        return replace(rendered, measured=[*values], download=download)

    def _random_state(self) -> Tensor:
        states = [torch.get_rng_state()]
        states += [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return torch.cat(states)

    def _generate(
        self, method: Method, items: list[Item], images: OnDevice
    ) -> tuple[list[Item], list[Tensor], list[Row]]:
        """The items that get images, these images (B, 3, H, W) in parts, and the rows of the other items. If the batch
        fails as a whole, each item is generated by itself, so that the others do not fail with the faulty one."""
        try:
            return items, [self._images(method, items, images)], []
        except (PairError, LinAlgError) as error:
            if len(items) == 1:
                reason = error if isinstance(error, PairError) else PairError("singular-motion", _line(error))
                return [], [], self.scorer.failure(items[0].number, reason)
            each = [self._generate(method, [item], images) for item in items]
            framed, parts, failed = zip(*each, strict=True)
            return [*chain(*framed)], [*chain(*parts)], [*chain(*failed)]

    @torch.inference_mode()
    def _images(self, method: Method, items: list[Item], images: OnDevice) -> Tensor:
        frames = tuple(dict.fromkeys(item.pair.source for item in items))
        if self._sources is None or self._sources[0] != frames:
            self._sources = frames, method.encode_source(images(frames))
        encoded = self._sources[1]
        if len(frames) == 1:
            source = encoded.expand(len(items))
        else:
            places = [frames.index(item.pair.source) for item in items]
            source = encoded.select(upload_numbers(places, self.device))
        driving = method.encode_motion(images([item.pair.driving for item in items]))
        references = [item.pair.reference for item in items if item.pair.reference is not None]
        reference = method.encode_motion(images(references)) if references else None
        rendered = method.render(source, method.transfer(source, driving, reference))
        shape = (len(items), 3, self.rules.size, self.rules.size)
        if rendered.shape != shape:
            raise TalkbenchError(
                f"{method.name} rendered {tuple(rendered.shape)} instead of {shape}; correct its render"
            )
        return rendered


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
