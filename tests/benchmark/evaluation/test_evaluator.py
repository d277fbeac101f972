"""The shard function: each thing is computed once, in whatever order and company the pairs come."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.benchmark.evaluation.evaluator import Evaluator, Rules, batches
from talkbench.core.errors import PairError
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import Extractor, FeatureCache, Metric


@dataclass(frozen=True)
class Images(Batch):
    images: torch.Tensor


class Counting(Method):
    """Noisy mean of source and driving frame that counts what it is asked for."""

    name = "counting"

    def __init__(self):
        self.networks, self.settings, self.calls = {}, {}, Counter()

    def encode_source(self, images):
        self.calls["source"] += len(images)
        if (images[:, 0, 0, 0] * 255).round().eq(20).any():
            raise PairError("no-source", "frame 2 is no source")
        return Images(images)

    def encode_motion(self, images):
        self.calls["motion"] += 1
        return Images(images)

    def transfer(self, source, driving, reference):
        return driving

    def render(self, source, motion):
        self.calls["render"] += 1
        return (source.images + motion.images + 0.1 * torch.rand(motion.images.shape)) / 2.2


class Brightness(Extractor):
    """The mean of a frame; dark frames have none."""

    name, id = "brightness", "brightness@1"

    def __init__(self, darkest=0.0):
        super().__init__()
        self.darkest, self.images = darkest, 0

    def extract(self, images, base=None):
        self.images += len(images)
        means = images.mean(dim=(1, 2, 3)).tolist()
        return [None if mean < self.darkest else np.array([mean]) for mean in means]


class Brighter(Metric):
    name, direction, range, decimals = "brighter", "lower", (0.0, 1.0), 3
    extractor = "brightness"

    def compare(self, generated, target):
        return np.abs(generated - target)[:, 0]


class BrighterThanSource(Brighter):
    name, target = "brighter-than-source", "source"


class Dark(Brighter):
    name, missing_generated = "dark", 1.0


def make_split(root, pairs):
    return Split("tiny", "same-identity", "absolute", root, [Pair(Frame("a", s), Frame(c, d)) for s, c, d in pairs])


@pytest.fixture
def evaluator(clips, tmp_path):
    def make(pairs, chosen=("l1",), extractor=None, method=None, seed=0):
        named = [metrics.create(metric) if isinstance(metric, str) else metric for metric in chosen]
        extractors = {"brightness": extractor} if extractor else {}
        split = make_split(clips, pairs)
        cache = FeatureCache(tmp_path / "features")
        return Evaluator(method or Counting(), split, named, extractors, Rules(48), torch.device("cpu"), seed, cache)

    return make


def rows(evaluator, size=3, todo=None):
    outcomes = evaluator.run(todo or batches(evaluator.split.pairs, size))
    found = [row for outcome in outcomes for row in outcome.scores.rows]
    return sorted(found, key=lambda row: (row.pair, row.metric))


RECONSTRUCTION = [(0, "a", index) for index in range(8)]
MIXED = [(3, "a", 1), (0, "b", 2), (3, "b", 4), (7, "a", 5), (0, "a", 7), (3, "a", 6), (0, "b", 1)]


def test_batches_hold_every_pair_once_and_keep_sources_together():
    pairs = [Pair(Frame("a", source), Frame(clip, driving)) for source, clip, driving in MIXED]
    for size in (1, 2, 3, 10):
        parts = batches(pairs, size)
        assert sorted(number for part in parts for number in part) == list(range(len(pairs)))
        assert all(len(part) == size for part in parts[:-1])
        sources = [pairs[number].source for part in parts for number in part]
        assert sources == sorted(sources)
    assert batches([], 4) == []


def test_a_source_is_encoded_once_for_all_its_pairs(evaluator):
    subject = evaluator(RECONSTRUCTION)
    assert len(rows(subject, size=3)) == 8
    assert subject.method.calls == {"source": 1, "motion": 3, "render": 3}


def test_sources_that_share_a_batch_are_encoded_once_each(evaluator):
    subject = evaluator(MIXED)
    rows(subject, size=7)
    assert subject.method.calls == {"source": 3, "motion": 1, "render": 1}


def test_features_of_real_frames_are_made_once_for_all_metrics_and_runs(evaluator):
    extractor = Brightness()
    chosen = (Brighter(), BrighterThanSource(), Dark())
    rows(evaluator(RECONSTRUCTION, chosen, extractor))
    real, generated = 8, 8
    assert extractor.images == real + generated
    rows(evaluator(RECONSTRUCTION, chosen, extractor))
    assert extractor.images == real + 2 * generated


def test_metrics_see_their_own_target(evaluator):
    extractor = Brightness()
    found = rows(evaluator([(0, "b", 1)], (Brighter(), BrighterThanSource()), extractor))
    frames = (Frame("a", 0), Frame("b", 1))
    source, driving = (evaluator([]).split.read(frame).mean() / 255 for frame in frames)
    generated = (source + driving + 0.05) / 2.2
    assert [row.value for row in found] == pytest.approx([driving - generated, generated - source], abs=2e-3)


def test_frames_without_a_face(evaluator):
    """In the target: left out; in the generated frame alone: the metric's value for that, else a failure."""
    image = evaluator([]).split.read(Frame("b", 0))
    between = image.mean() / 255 - 0.01
    found = rows(evaluator([(0, "b", 0), (0, "a", 1)], (Brighter(), Dark()), Brightness(darkest=between)))
    assert [(row.pair, row.metric, row.value, row.reason) for row in found] == [
        (0, "brighter", None, "no-face-generated"),
        (0, "dark", 1.0, ""),
        (1, "brighter", None, "no-face-target"),
        (1, "dark", None, "no-face-target"),
    ]
    assert found[2].message == "no face in the driving frame"


def test_a_source_that_fails_costs_its_own_pairs_only(evaluator):
    found = rows(evaluator([(2, "a", 1), (0, "a", 1), (2, "b", 3), (0, "b", 3)]), size=4)
    assert [row.reason for row in found] == ["no-source", "", "no-source", ""]
    assert all(row.value is None or row.value > 0 for row in found)


def test_the_same_rows_however_the_reading_goes(evaluator, monkeypatch):
    """Reading is late at random, and never more than a batch ahead."""
    expected = rows(evaluator(MIXED))
    original = Split.read

    def late(split, frame):
        time.sleep(random.uniform(0, 0.02))  # noqa: S311
        assert threading.current_thread() is not threading.main_thread()
        return original(split, frame)

    monkeypatch.setattr(Split, "read", late)
    for _ in range(3):
        assert rows(evaluator(MIXED)) == expected


def test_reading_is_one_batch_ahead_and_no_more(evaluator, monkeypatch):
    read = []
    original = Split.read
    monkeypatch.setattr(Split, "read", lambda split, frame: (read.append(frame), original(split, frame))[1])
    outcomes = evaluator(RECONSTRUCTION).run([[0], [1], [2], [3]])
    next(outcomes)
    time.sleep(0.1)
    assert len(read) == 2
    outcomes.close()


def test_rows_do_not_depend_on_what_was_done_before(evaluator):
    """What a method draws at random included: the rest of a run is as it would have been."""
    torch.manual_seed(1)
    todo = batches([Pair(Frame("a", s), Frame(c, d)) for s, c, d in MIXED], 2)
    whole = rows(evaluator(MIXED), todo=todo)
    torch.manual_seed(2)
    parts = [row for part in (todo[2:], todo[:1], todo[1:2]) for row in rows(evaluator(MIXED), todo=part)]
    assert sorted(parts, key=lambda row: (row.pair, row.metric)) == whole
    assert rows(evaluator(MIXED, seed=1), todo=todo) != whole


def test_nothing_to_do(evaluator):
    assert list(evaluator(MIXED).run([])) == []
