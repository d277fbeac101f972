"""AED and CSIM against the goldens, and what they do at the ends of their ranges."""

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.identity import cosine, squared_distance

NAMES = ["aed", "aed@facenet-vggface2", "aed@arcface-r50", "aed@euclidean", "aed@mse", "csim"]


def embeddings(seed, pairs, dim, eps):
    truth = np.random.RandomState(seed).standard_normal((pairs, dim))
    return truth, truth + eps * np.random.RandomState(seed + 1000).standard_normal((pairs, dim))


@pytest.fixture(params=[0, 1])
def expected(request, golden):
    return golden["embedding"][request.param]


@pytest.fixture
def pair(expected):
    return embeddings(**expected["input"])


def test_squared_distance_golden(expected, pair):
    np.testing.assert_allclose(squared_distance(*pair), expected["per_pair_squared_l2"], rtol=0, atol=1e-9)


def test_cosine_golden(expected, pair):
    values = cosine(*pair)
    np.testing.assert_allclose(values, expected["per_pair_csim"], rtol=0, atol=1e-9)
    assert 2 - 2 * values.mean() == pytest.approx(expected["check_2_minus_2csim"], abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_means_are_the_goldens(name, expected, pair):
    mean = metrics.create(name).compare(*pair).mean()
    family = name if name in expected else name.split("@")[0]
    assert mean == pytest.approx(expected[family], abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_equal_and_opposite_embeddings_are_the_ends_of_the_range(name):
    metric = metrics.create(name)
    a = np.random.default_rng(0).standard_normal((4, 128)).astype(np.float32)
    best, worst = metric.range if metric.direction == "lower" else metric.range[::-1]
    np.testing.assert_allclose(metric.compare(a, a), best, atol=1e-12)
    np.testing.assert_allclose(metric.compare(a, -a), worst, rtol=1e-6)
    for values in (metric.compare(a, a), metric.compare(a, -a)):
        assert values.dtype == np.float64
        assert np.all((metric.range[0] <= values) & (values <= metric.range[1]))


@pytest.mark.parametrize("name", NAMES)
def test_length_does_not_matter(name, pair):
    metric = metrics.create(name)
    np.testing.assert_allclose(metric.compare(7 * pair[0], pair[1] / 3), metric.compare(*pair), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_spoils_its_own_pair_only(name, pair):
    metric = metrics.create(name)
    spoilt = pair[0].copy()
    spoilt[1, 5] = np.nan
    values = metric.compare(spoilt, pair[1])
    assert np.isnan(values[1])
    np.testing.assert_array_equal(np.delete(values, 1), np.delete(metric.compare(*pair), 1))


def test_an_embedding_of_zeros_has_no_direction():
    assert np.isnan(cosine(np.zeros((1, 8)), np.ones((1, 8)))).all()
    assert squared_distance(np.zeros((1, 8)), np.ones((1, 8))) == pytest.approx([1])


@pytest.mark.parametrize("name", NAMES)
def test_unlike_shapes_are_refused_in_one_line(name):
    with pytest.raises(TalkbenchError, match="shape") as error:
        metrics.create(name).compare(np.zeros((2, 128)), np.zeros((2, 512)))
    assert "\n" not in str(error.value)


def test_whom_they_are_compared_with():
    found = {name: metrics.create(name) for name in NAMES}
    assert {metric.needs_truth for metric in found.values()} == {False}
    assert [found[name].target for name in NAMES] == ["identity"] * 5 + ["source"]
    assert [found[name].extractor for name in NAMES] == [
        "openface-nn4",
        "facenet-vggface2",
        "arcface-r50",
        "openface-nn4",
        "openface-nn4",
        "arcface-r50",
    ]


@pytest.mark.parametrize("name", ["aed@openface-nn4", "csim@arcface-r50"])
def test_the_bare_name_is_the_default_variant(name):
    assert metrics.create(name).variant == name
    assert metrics.create(name).name == name.split("@")[0]


def test_dlib_s_embeddings_are_compared_as_they_are():
    a, b = np.zeros((2, 128)), np.zeros((2, 128))
    a[:, 0], b[:, 1] = (3, 1), (4, 0)
    b[1, 0] = 2
    np.testing.assert_allclose(metrics.create("aed@dlib128").compare(a, b), [5, 1])
    np.testing.assert_allclose(metrics.create("csim@dlib128").compare(a, b), [0, 1])
    assert (metrics.create("aed@dlib128").target, metrics.create("csim@dlib128").target) == ("identity", "source")
