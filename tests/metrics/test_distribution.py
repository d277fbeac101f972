"""FID and KID against the golden, closed forms, SciPy and torch-fidelity."""

from itertools import permutations, product

import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import distribution


def sets(n, m, d, seed=0):
    """Two sets of non-negative features whose spread differs from axis to axis."""
    rng = np.random.default_rng(seed)
    spread = 2.0 ** -np.arange(d)
    return np.abs(rng.standard_normal((n, d))) * spread, np.abs(rng.standard_normal((m, d)) + 0.2) * spread


def test_frechet_golden(golden):
    (entry,) = golden["frechet"]
    seed, (n, m), dim = (entry["input"][key] for key in ("seed", "rows", "dim"))
    a = np.random.RandomState(seed).standard_normal((n, dim))
    b = 1.2 * np.random.RandomState(seed + 1000).standard_normal((m, dim)) + 0.3
    assert distribution.frechet(a, b) == pytest.approx(entry["distance"], abs=1e-9)
    assert distribution.frechet(b, a) == pytest.approx(entry["distance"], abs=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 50, 6), (9, 50, 20), (50, 9, 20), (2, 3, 20)])
def test_frechet_is_that_of_the_matrix_root(n, m, d):
    from scipy.linalg import sqrtm

    a, b = sets(n, m, d)
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    half = sqrtm(s1 + 1e-16 * np.eye(d)).real
    roots = np.sqrt(np.linalg.eigvalsh(half @ s2 @ half).clip(0))
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s1 + s2) - 2 * roots.sum()
    assert distribution.frechet(a, b) == pytest.approx(expected, abs=1e-6)


def test_frechet_closed_forms():
    a = np.random.default_rng(0).standard_normal((30, 100))
    shift = np.linspace(0, 1, 100)
    assert distribution.frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert distribution.frechet(a + shift, a) == pytest.approx(np.square(shift).sum(), rel=1e-9)
    about_mean = 3 * (a - a.mean(0)) + a.mean(0)  # S becomes 9 S, and its root with S is 3 S
    assert distribution.frechet(about_mean, a) == pytest.approx(4 * a.var(0, ddof=1).sum(), rel=1e-9)


def test_fid_is_torch_fidelitys():
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    for n, m in [(80, 90), (10, 12)]:
        a, b = sets(n, m, 24)
        statistics = [fid_features_to_statistics(torch.from_numpy(features)) for features in (a, b)]
        expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
        assert metrics.create("fid").compare(a, b)[0] == pytest.approx(expected, abs=1e-6)


def test_kid_is_torch_fidelitys_over_one_block_of_all_frames(monkeypatch):
    from torch_fidelity.metric_kid import kid_features_to_metric

    monkeypatch.setattr(distribution, "BLOCK", 7)
    a, b = sets(40, 40, 24)
    expected = kid_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), kid_subsets=1, kid_subset_size=40, verbose=False
    )["kernel_inception_distance_mean"]
    assert metrics.create("kid").compare(a, b)[0] == pytest.approx(expected, abs=1e-12)


def test_kid_of_sets_of_other_sizes_is_the_sum_over_all_pairs():
    a, b = sets(5, 8, 3)

    def mean_kernel(pairs):
        return np.mean([(x @ y / 3 + 1) ** 3 for x, y in pairs])

    within = mean_kernel(permutations(a, 2)) + mean_kernel(permutations(b, 2))
    expected = within - 2 * mean_kernel(product(a, b))
    assert distribution.kernel_distance(a, b) == pytest.approx(expected, abs=1e-12)
    assert distribution.kernel_distance(b, a) == pytest.approx(expected, abs=1e-12)


def test_kid_has_no_bias_and_fid_has():
    rng = np.random.default_rng(0)
    draws = [rng.standard_normal((2, 20, 8)) for _ in range(200)]
    kids = [distribution.kernel_distance(*draw) for draw in draws]
    assert abs(np.mean(kids)) < 3 * np.std(kids) / np.sqrt(len(kids))
    assert min(kids) < 0
    assert np.mean([distribution.frechet(*draw) for draw in draws]) > 0.5


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_one_number_for_a_run(name):
    metric = metrics.create(name)
    a, b = (features.astype(np.float32) for features in sets(12, 9, 2048))
    near, far = metric.compare(b + 0.01, b), metric.compare(a + 1, b)
    assert near.shape == (1,)
    assert near.dtype == np.float64
    assert near[0] < far[0] < metric.range[1]
    assert (metric.aggregation, metric.extractor, metric.target) == ("set", "inception-fid", "identity")


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_what_has_no_distance_is_nan(name):
    metric = metrics.create(name)
    a, b = sets(4, 5, 6)
    spoilt = a.copy()
    spoilt[2, 3] = np.nan
    for generated, target in [(a[:1], b), (a, b[:1]), (a[:0], b[:0]), (spoilt, b), (b, spoilt)]:
        assert np.isnan(metric.compare(generated, target)).tolist() == [True]
    with pytest.raises(TalkbenchError, match=r"shape \(4, 6\) and \(5, 5\)"):
        metric.compare(a, b[:, :-1])
