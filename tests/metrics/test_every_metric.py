"""What every registered metric must do, on images and on features made up for it; what the registry says of them."""

import numpy as np
import pytest
import torch
from metric_samples import blurred, distorted, images, truth

from talkbench import metrics
from talkbench.benchmark.evaluation.scorer import GeneratedFrame, Scorer
from talkbench.core.cards import MetricCard
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Frame, Pair, Split
from talkbench.metrics import Extractor, FeatureCache

NAMES = metrics.registry.names()
METRICS = {name: metrics.create(name) for name in NAMES}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
PAIRWISE = [name for name in NAMES if METRICS[name].aggregation != "set"]
OF_IMAGES = [name for name in NAMES if METRICS[name].extractor is None]
OF_FEATURES = [name for name in PAIRWISE if METRICS[name].extractor]
ASYMMETRIC = {"mkr", "mkr@pooled", "nme", "nme@dlib68"}  # by the joints, or the eyes, of the truth
COUNTED = {"missing-face-rate", "missing-face-rate@dlib", "missing-face-rate@mp"}  # that there is a face at all


@pytest.fixture(scope="module", autouse=True)
def backbones(place):
    """LPIPS' networks are filled by the test: what is asked of metrics here holds for any weights. ST-LPIPS has its
    own."""
    for name in ("vgg16", "alexnet", "stlpips-alex", "stlpips-vgg"):
        place(name)


@pytest.fixture
def metric(request):
    return METRICS[request.param]


def every(names=NAMES):
    return pytest.mark.parametrize("metric", names, indirect=True)


@pytest.fixture
def target(metric, faces):
    if metric.extractor is None:
        return images(metric, faces)
    return truth(metric, 40 if metric.aggregation == "set" else 3)


def worse(metric, target, level):
    return blurred(target, level) if metric.extractor is None else distorted(metric, target, level)


@every()
def test_the_card_describes_it(metric):
    card = metric.card()
    assert card.range[0] < card.range[1]
    assert np.isfinite(card.range).all()
    assert card.version >= 1
    assert (card.name, card.short) == (metric.variant, metric.name)
    assert card.name.startswith(card.short)
    assert card.about.endswith(".")
    assert bool(card.backend) != bool(card.problem)
    assert bool(card.extractor_id) == bool(card.extractor and not card.problem)
    assert MetricCard.model_validate_json(card.model_dump_json()) == card


@every()
def test_the_short_and_the_full_name_create_the_same(metric):
    assert type(metrics.create(metric.variant)) is type(metric)
    assert metrics.create(metric.variant).name == metric.name


@every()
def test_equal_inputs_score_best(metric, target):
    best = metric.range[1] if metric.direction == "higher" else max(metric.range[0], 0)
    values = metric.compare(target, target)
    if metric.name == "kid":  # unbiased, so it comes out below zero where it is zero in truth
        assert -1 < values[0] <= 0
    else:
        np.testing.assert_allclose(values, best, atol=1e-6)


@every()
def test_finite_float64_within_the_range(metric, target):
    values = metric.compare(worse(metric, target, 0.5), target)
    assert values.shape == ((1,) if metric.aggregation == "set" else (len(target),))
    assert values.dtype == np.float64
    assert np.all((metric.range[0] <= values) & (values <= metric.range[1]))


@every([name for name in NAMES if name not in ASYMMETRIC])
def test_symmetric(metric, target):
    generated = worse(metric, target, 0.5)
    np.testing.assert_allclose(metric.compare(generated, target), metric.compare(target, generated), rtol=1e-5)


@every(PAIRWISE)
def test_a_batch_gives_the_values_of_its_pairs(metric, target):
    generated = worse(metric, target, 0.5)
    one_by_one = [metric.compare(generated[i : i + 1], target[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(metric.compare(generated, target), one_by_one, rtol=1e-5)


@every([name for name in NAMES if METRICS[name].aggregation == "set"])
def test_the_order_of_a_set_does_not_matter(metric, target):
    generated = worse(metric, target, 0.5)
    np.testing.assert_allclose(metric.compare(generated[::-1], target), metric.compare(generated, target), rtol=1e-6)


@every(PAIRWISE)
def test_no_pairs_no_values(metric, target):
    assert metric.compare(target[:0], target[:0]).shape == (0,)
    assert metric.weigh(target[:0], target[:0]).shape == (0,)


@every([name for name in NAMES if name not in COUNTED])
def test_other_shapes_are_refused_in_one_line(metric, target):
    with pytest.raises(TalkbenchError, match=r"shape") as error:
        metric.compare(target, target[..., :-1])
    assert "\n" not in str(error.value)


@every(OF_IMAGES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_layout_and_device_do_not_matter(metric, target, device, dtype):
    if target.dim() == 5:
        moved = [part.to(device, dtype) for part in (worse(metric, target, 0.5), target)]
    else:
        layout = torch.channels_last
        moved = [part.to(device, dtype, memory_format=layout) for part in (worse(metric, target, 0.5), target)]
    plain = metric.compare(worse(metric, target, 0.5), target)
    np.testing.assert_allclose(metric.compare(*moved), plain, rtol=1e-5, atol=1e-7)


@every([name for name in NAMES if METRICS[name].ranks and name not in COUNTED])
def test_worse_scores_worse(metric, target):
    values = [metric.compare(worse(metric, target, level), target).mean() for level in (0, 0.15, 0.4, 1)]
    steps = np.diff(values)
    assert np.all(steps < 0) if metric.direction == "higher" else np.all(steps > 0)


@every([name for name in PAIRWISE if name not in COUNTED | {"mkr", "mkr@pooled"}])
def test_nan_spoils_its_own_pair_only(metric, target):
    generated = worse(metric, target, 0.5)
    clean = metric.compare(generated, target)
    spoilt = generated.clone() if metric.extractor is None else generated.copy()
    spoilt[1] = torch.nan
    values = metric.compare(spoilt, target)
    assert np.isnan(values[1])
    np.testing.assert_allclose(values[[0, 2]], clean[[0, 2]], rtol=1e-6)


class Given(Extractor):
    """Features that the test chooses, by the first pixel of the frame: its place in `features`."""

    def __init__(self, metric, features):
        super().__init__()
        self.name, self.features = metric.extractor, features
        self.subject = metrics.create_extractor(metric.extractor).subject

    @property
    def id(self):
        return f"{self.name}@given"

    def extract(self, images, base=None):
        return [self.features[int(place)] for place in (images[:, 0, 0, 0] * 255).round()]


@every([name for name in OF_FEATURES if not METRICS[name].history])
def test_missing_faces(metric, target, tmp_path):
    """In the real frame: left out for every system. In the generated one alone: the metric's value, or counted."""
    known = target[0]
    cases = [(known, known), (None, known), (known, None), (None, None)]
    extractor = Given(metric, [feature for case in cases for feature in case])
    pairs = [Pair(Frame("a", 2 * number), Frame("b", 2 * number + 1)) for number in range(len(cases))]
    split = Split("tiny", "same-identity", "absolute", tmp_path, pairs)
    made = [
        GeneratedFrame(number, pair, *(np.full((8, 8, 3), 2 * number + side, np.uint8) for side in (0, 1, 1)))
        for number, pair in enumerate(pairs)
    ]
    cache = FeatureCache(tmp_path)
    rows = Scorer([metric], {extractor.name: extractor}, split, torch.device("cpu"), cache).score(made).rows
    lost = f"no-{extractor.subject}-generated" if metric.missing_generated is None else ""
    assert [row.reason for row in rows] == ["", lost, *[f"no-{extractor.subject}-target"] * 2]
    assert rows[1].value == metric.missing_generated
    assert rows[1].weight == rows[0].weight  # what the pair counts does not depend on what was generated


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ssmi", "unknown metric 'ssmi': did you mean ssim"),
        ("ssim@gauss", "unknown metric 'ssim@gauss': did you mean ssim"),
        ("psnr@gauss11-valid", "unknown metric 'psnr@gauss11-valid'"),
        ("l1@", "unknown metric 'l1@': did you mean l1"),
        ("lpips", "did you mean lpips@"),
        ("akd@mtcnn", "unknown metric 'akd@mtcnn': did you mean akd@mtcnn5"),
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(name, message):
    with pytest.raises(TalkbenchError, match=message):
        metrics.create(name)


@pytest.mark.parametrize(
    ("bare", "full"),
    [
        ("ssim", "ssim@gauss11-valid"),
        ("akd", "akd@pose-evaluation"),
        ("nme", "nme@interocular"),
        ("aed", "aed@openface-nn4"),
        ("csim", "csim@arcface-r50"),
        ("aucon", "aucon@pyfeat-2"),
        ("prmse", "prmse@pyfeat-2"),
    ],
)
def test_bare_names_are_the_default_variants(bare, full):
    metric = metrics.create(full)
    assert (metric.name, metric.variant) == (bare, full)
    assert metrics.create(bare).variant == full
