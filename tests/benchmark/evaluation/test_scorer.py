"""What the scorer hands to metrics: windows of a video, whole sets, weights, images before and after rounding."""

import numpy as np
import pytest
import torch

from talkbench.benchmark.evaluation.evaluator import Evaluator, Rules, batches
from talkbench.benchmark.evaluation.scorer import has_videos
from talkbench.core.images import read_image, through_jpeg, to_uint8
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import Extractor, FeatureCache, Metric
from talkbench.metrics.pixel import ImageMetric
from talkbench.results.rows import IN_SET


class Images(Batch):
    def __init__(self, images):
        self.images = images

    def select(self, index):
        return Images(self.images[index])

    def expand(self, count):
        return Images(self.images.expand(count, -1, -1, -1))


class Darker(Method):
    """The driving frame at a fraction of its brightness that no 8-bit image can hold."""

    name, networks, settings = "darker", {}, {}

    def __init__(self):
        self.rendered = 0

    def encode_source(self, images):
        return Images(images)

    encode_motion = encode_source

    def transfer(self, source, driving, reference):
        return driving

    def render(self, source, motion):
        self.rendered += len(motion.images)
        return 0.77 * motion.images


class Mean(Extractor):
    name, id = "mean", "mean@1"

    def extract(self, images, base=None):
        return [np.array([value]) for value in images.mean(dim=(1, 2, 3)).tolist()]


class Twice(Extractor):
    """Twice what `Mean` gives, which it takes from there."""

    name, id, uses = "twice", "twice@1", "mean"

    def extract(self, images, base=None):
        return [2 * value for value in base]


class Plain(Metric):
    name, direction, range, decimals, extractor = "plain", "lower", (0.0, 2.0), 3, "mean"

    def compare(self, generated, target):
        return np.abs(generated - target)[:, 0]


class Doubled(Plain):
    name, extractor = "doubled", "twice"


class Window(Plain):
    """The oldest frame of three against the youngest of the target."""

    name, history = "window", 2

    def compare(self, generated, target):
        assert generated.shape[1:] == target.shape[1:] == (3, 1)
        return (target[:, 2] - generated[:, 0] / 0.77)[:, 0]


class PixelWindow(ImageMetric):
    name, direction, range, decimals, history = "pixel-window", "lower", (0.0, 1.0), 3, 1

    def formula(self, a, b):
        assert a.shape[1:3] == (2, 3)
        return (b[:, 1] - b[:, 0]).mean(dim=(1, 2, 3))


class Spread(Plain):
    name, aggregation = "spread", "set"

    def compare(self, generated, target):
        return np.array([target.std() - generated.std()])


class Weighted(Plain):
    name = "weighted"

    def weigh(self, generated, target):
        return target[:, 0]


class Undefined(Plain):
    name, undefined = "undefined", "nothing-in-common"

    def compare(self, generated, target):
        return np.full(len(generated), np.nan)


class Levels(ImageMetric):
    """How far the generated values are from 8-bit levels."""

    name, direction, range, decimals = "levels", "lower", (0.0, 1.0), 3

    def formula(self, a, b):
        return (a * 255 - (a * 255).round()).abs().amax(dim=(1, 2, 3))


class RawLevels(Levels):
    name, unquantised = "raw-levels", True


@pytest.fixture
def evaluator(clips, tmp_path):
    def make(pairs, *chosen, rules=None):
        split = Split(
            "tiny", "reconstruction", "absolute", clips, [Pair(Frame("a", s), Frame(c, d)) for s, c, d in pairs]
        )
        extractors = {extractor.name: extractor for extractor in (Twice(), Mean())}
        cache = FeatureCache(tmp_path / "features")
        return Evaluator(Darker(), split, chosen, extractors, rules or Rules(48), torch.device("cpu"), cache=cache)

    return make


VIDEO = [(0, "a", index) for index in range(8)]


def rows(evaluator, size=3, done=()):
    outcomes = evaluator.run(batches(evaluator.split.pairs, size), done)
    found = [row for outcome in outcomes for row in outcome.scores.rows]
    return sorted(found, key=lambda row: (row.pair, row.metric))


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_metric_sees_the_frames_before_whatever_the_batches(evaluator, size):
    found = rows(evaluator(VIDEO, Window()), size)
    assert [row.reason for row in found[:2]] == ["start-of-video"] * 2
    split = evaluator(VIDEO).split
    means = [split.read(pair.driving).mean() / 255 for pair in split]
    expected = [means[index] - means[index - 2] for index in range(2, 8)]
    assert [row.value for row in found[2:]] == pytest.approx(expected, abs=3e-3)


@pytest.mark.parametrize("size", [1, 2])
def test_a_continued_run_sees_them_too(evaluator, size):
    chosen = (Window(), PixelWindow())
    whole = rows(evaluator(VIDEO, *chosen), size)
    subject = evaluator(VIDEO, *chosen)
    rest = rows(subject, size, done={0, 1, 2, 3})
    assert rest == [row for row in whole if row.pair >= 4]
    assert subject.method.rendered == 4 + 2  # the two frames before are generated again


def test_nothing_is_generated_twice_where_no_metric_looks_back(evaluator):
    subject = evaluator(VIDEO, Plain())
    rows(subject, 2, done={0, 1})
    assert subject.method.rendered == 6


def test_another_source_another_clip_or_a_gap_begins_anew(evaluator):
    pairs = [(0, "a", 1), (0, "a", 2), (0, "a", 4), (0, "b", 5), (3, "b", 6), (3, "b", 7)]
    found = rows(evaluator(pairs, PixelWindow()), 6)
    assert [row.value is not None for row in found] == [False, True, False, False, False, True]


def test_has_videos():
    def of(*pairs):
        return [Pair(Frame("a", source), Frame(clip, index)) for source, clip, index in pairs]

    assert has_videos(of(*VIDEO), 2)
    assert not has_videos(of((0, "a", 1), (0, "a", 3), (1, "a", 2)), 1)
    assert has_videos(of((0, "a", 1), (0, "a", 2)), 1)
    assert not has_videos(of((0, "a", 1), (0, "a", 2)), 2)
    assert not has_videos(of((0, "a", 1), (0, "a", 2), (0, "a", 5), (0, "a", 7)), 1)  # two of them by chance


def test_whole_sets_are_kept_with_their_pairs(evaluator):
    outcomes = list(evaluator(VIDEO, Spread(), Plain()).run(batches(evaluator(VIDEO).split.pairs, 3)))
    assert [row.reason for outcome in outcomes for row in outcome.scores.rows if row.metric == "spread"] == [IN_SET] * 8
    kept = [outcome.scores.sets["mean-driving"] for outcome in outcomes]
    assert [number for numbers, _ in kept for number in numbers] == list(range(8))
    generated, target = (np.concatenate([features[side] for _, features in kept]) for side in (0, 1))
    assert generated.shape == target.shape == (8, 1)
    np.testing.assert_allclose(generated, 0.77 * target, atol=2e-3)


def test_an_extractor_gets_the_features_that_it_builds_on(evaluator):
    found = rows(evaluator(VIDEO, Plain(), Doubled()))
    by_metric = {name: [row.value for row in found if row.metric == name] for name in ("plain", "doubled")}
    assert by_metric["doubled"] == pytest.approx([2 * value for value in by_metric["plain"]])


def test_weights_and_values_that_are_not_defined(evaluator):
    found = rows(evaluator(VIDEO[:2], Weighted(), Undefined()))
    assert all(0.1 < row.weight < 0.9 for row in found if row.metric == "weighted")
    assert {row.reason for row in found if row.metric == "undefined"} == {"nothing-in-common"}


def test_rounded_images_and_those_before(evaluator):
    found = {row.metric: row.value for row in rows(evaluator(VIDEO[:1], Levels(), RawLevels()))}
    assert found["levels"] < 1e-5
    assert found["raw-levels"] > 0.2


def test_cut_or_rounded(evaluator):
    rounded, cut = (rows(evaluator(VIDEO, Plain(), rules=Rules(48, cut=cut))) for cut in (False, True))
    assert np.mean([row.value for row in cut]) - np.mean([row.value for row in rounded]) == pytest.approx(
        0.5 / 255, rel=0.2
    )


def test_both_sides_go_through_the_jpeg_file(evaluator, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "talkbench.benchmark.evaluation.scorer.through_jpeg", lambda image, quality: (seen.append(quality), image)[1]
    )
    rows(evaluator(VIDEO[:2], Plain(), rules=Rules(48, jpeg_quality=75)))
    assert seen == [75] * 6  # generated, driving and source frames of two pairs


def test_jpeg_changes_an_image_and_quality_matters(clips):
    image = read_image(clips / "a" / "3.png")
    poor, good = (np.abs(through_jpeg(image, quality).astype(int) - image).mean() for quality in (30, 95))
    assert poor > 2 * good > 0


def test_quantisation_golden(golden_metrics):
    for entry in golden_metrics["quantisation"]:
        draws = [
            np.random.RandomState(entry["input"]["seed"] + shift)
            .uniform(0, 1, entry["input"]["shape"])
            .astype(np.float32)
            for shift in (0, 1000)
        ]
        tensors = [torch.from_numpy(draw).permute(2, 0, 1)[None] for draw in draws]
        for name, cut in (("floor", True), ("round", False)):
            images = [to_uint8(tensor, cut=cut)[0] for tensor in tensors]
            assert int(images[0].sum()) == entry[f"{name}_sum"]
            difference = np.abs(images[0] / 255 - images[1] / 255).mean()
            assert difference == pytest.approx(entry[f"l1_{name}"], abs=1e-9)
