"""What every registered metric must do, and what the registry says about them."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.core.errors import TalkbenchError

NAMES = metrics.registry.names()
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=NAMES)
def metric(request):
    return metrics.create(request.param)


@pytest.fixture
def inputs(metric, faces, mtcnn):
    """Features of three generated frames and of their targets."""
    generated, target = faces, faces.roll((3, 5), (2, 3))
    if metric.extractor is None:
        return generated, target
    return tuple(np.stack(mtcnn.extract(images)) for images in (generated, target))


def better(metric, values):
    return values if metric.direction == "higher" else -values


def test_the_card_describes_it(metric):
    card = metric.card()
    assert card.direction in ("higher", "lower")
    assert card.target in ("driving", "source")
    assert card.range[0] < card.range[1]
    assert card.version >= 1
    assert card.variant.startswith(card.name)
    assert card.about.endswith(".")
    assert card.backend
    assert card.problem is None
    assert json.loads(json.dumps(dataclasses.asdict(card)))["name"] == metric.name


def test_the_short_and_the_full_name_create_the_same(metric):
    assert type(metrics.create(metric.variant)) is type(metric)
    assert metrics.create(metric.variant).name == metric.name


def test_equal_inputs_score_best(metric, inputs):
    best = metric.range[1] if metric.direction == "higher" else metric.range[0]
    np.testing.assert_allclose(metric.compare(inputs[0], inputs[0]), best, atol=1e-6)


def test_one_finite_float64_per_pair_within_the_range(metric, inputs):
    values = metric.compare(*inputs)
    assert values.shape == (3,)
    assert values.dtype == np.float64
    assert np.all((metric.range[0] <= values) & (values <= metric.range[1]))


def test_symmetric(metric, inputs):
    np.testing.assert_allclose(metric.compare(*inputs), metric.compare(*inputs[::-1]), rtol=1e-6)


def test_a_batch_gives_the_values_of_its_pairs(metric, inputs):
    one_by_one = [metric.compare(inputs[0][i : i + 1], inputs[1][i : i + 1])[0] for i in range(3)]
    np.testing.assert_array_equal(metric.compare(*inputs), one_by_one)


def test_no_pairs_no_values(metric, inputs):
    assert metric.compare(inputs[0][:0], inputs[1][:0]).shape == (0,)


@pytest.mark.parametrize("metric", [name for name in NAMES if name != "missing-face-rate"], indirect=True)
def test_other_shapes_are_refused_in_one_line(metric, inputs):
    with pytest.raises(TalkbenchError, match=r"shape") as error:
        metric.compare(inputs[0], inputs[1][:, :, :-1])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_layout_and_device_do_not_matter(metric, faces, measure, device, dtype):
    generated, target = faces[:2], faces[:2].roll((3, 5), (2, 3))
    moved = [images.to(device, dtype, memory_format=torch.channels_last) for images in (generated, target)]
    np.testing.assert_allclose(measure(metric, *moved), measure(metric, generated, target), rtol=1e-5)


@pytest.mark.parametrize("metric", [name for name in NAMES if metrics.create(name).ranks], indirect=True)
def test_worse_images_score_worse(metric, faces, measure):
    noise = torch.rand(faces.shape, generator=torch.Generator().manual_seed(0))
    means = []
    for shift, blend in [(0, 0.0), (2, 0.02), (7, 0.1), (16, 0.2), (0, 1.0)]:
        values = measure(metric, torch.lerp(faces.roll((shift, shift), (2, 3)), noise, blend), faces)
        means.append(np.nanmean(values) if not np.isnan(values).all() else None)
    scores = better(metric, np.array([mean for mean in means if mean is not None]))
    if metric.missing_generated is None:
        assert len(scores) >= 4
        assert np.all(np.diff(scores) < 0)
    else:
        assert list(scores) == [0, 0, 0, 0, -metric.missing_generated]


def test_nan_in_an_image_spoils_its_own_pair_only(metric, faces, measure):
    spoilt = faces.clone()
    spoilt[1, 0, 5, 5] = torch.nan
    clean, values = measure(metric, faces, faces), measure(metric, spoilt, faces)
    if metric.missing_generated is None:
        assert np.isnan(values[1])
    else:
        assert values[1] == metric.missing_generated
    np.testing.assert_array_equal(values[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ssmi", "unknown metric 'ssmi': did you mean ssim"),
        ("ssim@gauss", "unknown metric 'ssim@gauss': did you mean ssim"),
        ("psnr@gauss11-valid", "unknown metric 'psnr@gauss11-valid'"),
        ("l1@", "unknown metric 'l1@': did you mean l1"),
        ("akd", "known: akd@mtcnn5"),
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(name, message):
    with pytest.raises(TalkbenchError, match=message):
        metrics.create(name)


def test_bare_ssim_is_the_default_variant():
    metric = metrics.create("ssim@gauss11-valid")
    assert (metric.name, metric.variant) == ("ssim", "ssim@gauss11-valid")
