"""The evaluation of pairs as work for engines: the same function for each, whatever process or machine it runs in."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench import datasets, metrics
from talkbench.benchmark.engines.interface import Job, Place
from talkbench.benchmark.environment import choose_device, memory_advice, reproducible
from talkbench.benchmark.evaluation.evaluator import Evaluator, Outcome, Rules, Stretch, batches
from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.benchmark.evaluation.motions import implied_settings
from talkbench.benchmark.evaluation.plan import (
    Setup,
    check_readable,
    choose_extractors,
    choose_weights,
    create_method,
)
from talkbench.benchmark.evaluation.protocol import load as load_protocol
from talkbench.benchmark.evaluation.reader import Reader
from talkbench.benchmark.evaluation.record import describe
from talkbench.benchmark.evaluation.scorer import Pictured
from talkbench.benchmark.numerics import Numerics, in_numerics, suited_batch_size
from talkbench.benchmark.videos.kept_frames import encode
from talkbench.benchmark.videos.pictured_pairs import PicturedPairs
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import encode_png
from talkbench.methods.cards import Weights
from talkbench.methods.interface import Method
from talkbench.results.record import RunRecord

if TYPE_CHECKING:
    from talkbench.benchmark.evaluation.options import RunOptions


@dataclass
class BatchResult:
    """What a worker gives back of one batch: its rows, and of its frames only those that are asked for.

    Attributes:
        outcome: its `frames` are those that may get a picture, without what is on a device.
        saved: all generated frames, by the numbers of their pairs, if the run saves frames; as PNG files if they come
            from another process, for `to_png`.
        kept: the frames that may be shown in videos, see `KeptFrames`; likewise, for `to_jpeg`.
    """

    outcome: Outcome
    saved: dict[int, np.ndarray | bytes]
    kept: dict[int, np.ndarray | bytes]


def to_png(frame: np.ndarray | bytes) -> bytes:
    """The PNG file of a frame in `BatchResult.saved`."""
    return frame if isinstance(frame, bytes) else encode_png(frame)


def to_jpeg(frame: np.ndarray | bytes) -> bytes:
    """The JPEG file of a frame in `BatchResult.kept`."""
    return frame if isinstance(frame, bytes) else encode(frame)


@dataclass(frozen=True)
class PairWork(Job):
    """The evaluation of the pairs of one run; a chunk of it is some stretches of pairs.

    Attributes:
        record: of the run; each worker checks that it would make the same.
        given: the frames to score, or the caller's own method; None: each worker builds the method of the `options`.
        weights: what is known of its weights here.
        filmed: the pairs whose frames are kept for videos.
        workers: processes that read frames, of each worker; 0: a thread does.
        folder: the working folder, which relative paths start from.
        home: the cache folder.
        setup: for a worker in this very process.
        warn: told by a worker in this process what it does without.
    """

    options: RunOptions
    record: RunRecord
    split: datasets.Split
    given: GivenFrames | Method | None
    weights: Weights
    filmed: frozenset[int]
    workers: int
    folder: Path
    home: Path
    setup: Setup | None = None
    warn: Callable[[str], None] | None = None

    @contextmanager
    def open(self, place: Place) -> Iterator[Callable[[Sequence[Stretch]], Iterator[BatchResult]]]:
        if self.setup is not None:
            with self._opened(self.setup, self.warn) as function:
                yield function
            return
        with reproducible(), memory_advice(self.options.batch_size):
            began = time.monotonic()
            setup = self._set_up(place)
            _log(f"{platform.node()}: ready on {setup.device} after {time.monotonic() - began:.1f} s")
            with self._opened(setup, lambda line: _log(f"warning: {line}")) as function:
                yield function

    @contextmanager
    def _opened(
        self, setup: Setup, warn: Callable[[str], None] | None
    ) -> Iterator[Callable[[Sequence[Stretch]], Iterator[BatchResult]]]:
        pictured = PicturedPairs(self.split.pairs, self.record.ranking)
        subject = evaluator(setup, self.record, self.workers, warn, pictured.take)
        order = batches(self.split.pairs, setup.batch_size)
        with Reader(subject.images, self.workers) as reader:

            def function(chunk: Sequence[Stretch]) -> Iterator[BatchResult]:
                for outcome in subject.evaluate(order, chunk, reader):
                    yield self._result(outcome, pictured.take(()))

            yield function

    def _result(self, outcome: Outcome, pictured: Container[int]) -> BatchResult:
        frames = {item.number: item.frame for item in outcome.frames}
        saved: dict[int, np.ndarray | bytes] = dict(frames) if self.options.save_frames else {}
        kept: dict[int, np.ndarray | bytes] = {number: frames[number] for number in frames if number in self.filmed}
        if self.setup is None:  # files are smaller; in this process the driver's thread that writes makes them
            saved = {number: to_png(frame) for number, frame in saved.items()}
            kept = {number: to_jpeg(frame) for number, frame in kept.items()}
        outcome.frames = [replace(item, levels=None, raw=None) for item in outcome.frames if item.number in pictured]
        return BatchResult(outcome, saved, kept)

    def _set_up(self, place: Place) -> Setup:
        """What `prepare` has made in the driver, made anew here, and compared with it.

        Raises:
            TalkbenchError: this machine lacks something, or would compute other numbers; the line names the machine.
        """
        try:
            if place.threads:
                torch.set_num_threads(place.threads)
            if not self.folder.is_dir():
                raise TalkbenchError(
                    f"there is no folder {self.folder} here; work from a folder that all machines share"
                )
            os.chdir(self.folder)
            os.environ["TALKBENCH_HOME"] = str(self.home)
            setup = self._made(place)
            check_readable(self.split)
            if differences := self.record.differences(describe(setup, self.options)):
                raise TalkbenchError(f"the run has other things than this machine ({differences[0]}); make them equal")
            return setup
        except (TalkbenchError, OSError) as error:
            raise TalkbenchError(f"on {platform.node()}: {error}") from error

    def _made(self, place: Place) -> Setup:
        options = self.options
        device = choose_device(f"cuda:{place.gpu}" if place.gpu is not None else options.device)
        method = self.given
        weights = self.weights
        if isinstance(method, GivenFrames) and not method.folder.is_dir():
            raise TalkbenchError(f"there is no folder {method.folder} here; put the frames where all machines see them")
        if method is None:
            weights = choose_weights(options)
            implied = implied_settings(weights.method, options.motion, datasets.has_truth(self.split.task))
            method = create_method(weights, {**implied, **options.settings})
            numerics = Numerics(options.precision, options.compiled)
            numerics.check(device)
            batch_size = suited_batch_size(options.batch_size, method, device)
            method = in_numerics(method, numerics, device, batch_size, lambda line: _log(f"warning: {line}"))
        chosen = [metrics.create(spec.name) for spec in self.record.metrics]
        for metric in chosen:
            if problem := metric.problem():
                raise TalkbenchError(f"metric {metric.variant} cannot be computed: {problem}")
        size = self.record.dataset.image_size
        extractors = choose_extractors(chosen, device)
        protocol = load_protocol(options.protocol)
        batch_size = suited_batch_size(options.batch_size, method, device)
        facts = self.split, size, chosen, extractors
        return Setup(protocol, device, weights, method, *facts, [], [], batch_size=batch_size)


def evaluator(
    setup: Setup,
    record: RunRecord,
    workers: int,
    warn: Callable[[str], None] | None = None,
    pictured: Pictured = lambda rows: (),
) -> Evaluator:
    """The evaluator of the pairs of `setup`, by the rules in the `record`.

    Args:
        workers: processes that read frames; 0: a thread of this one.
        warn: see `metrics.FeatureCache`.
        pictured: see `Evaluator`.
    """
    rules = Rules(setup.size, cut=record.quantisation == "floor", jpeg_quality=record.jpeg_quality)
    split, chosen, extractors = setup.split, setup.metrics, setup.extractors
    features = metrics.FeatureCache(warn=warn)
    return Evaluator(
        setup.method, split, chosen, extractors, rules, setup.device, record.seed, features, workers, pictured
    )


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
