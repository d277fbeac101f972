"""Metrics of bodies against the goldens, and pairs on which they are not defined."""

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.joints import akd_body, mkr, present, squared_difference


def joints(seed, frames, p_missing_truth, p_missing_generated, amplitude):
    truth = np.random.RandomState(seed).randint(5, 380, (frames, 18, 2)).astype(float)
    moved = np.random.RandomState(seed + 1000).randint(-amplitude, amplitude + 1, truth.shape)
    generated = (truth + moved).clip(0, 383)
    lost_in_truth = np.random.RandomState(seed + 2000).uniform(size=(frames, 18)) < p_missing_truth
    lost_in_truth[-1] = True
    truth[lost_in_truth] = -1
    generated[np.random.RandomState(seed + 3000).uniform(size=(frames, 18)) < p_missing_generated] = -1
    return generated, truth


@pytest.fixture
def expected(golden):
    return golden["akd_body"][0]


@pytest.fixture
def pair(expected):
    return joints(**expected["input"])


def test_akd_golden(expected, pair):
    values = metrics.create("akd@body").compare(*pair)
    np.testing.assert_allclose(values[:-1], expected["per_frame_akd"], rtol=0, atol=1e-9)
    assert np.isnan(values[-1])
    assert np.nanmean(values) == pytest.approx(expected["akd@body"], abs=1e-9)


def test_mkr_golden(expected, pair):
    values = metrics.create("mkr").compare(*pair)
    np.testing.assert_allclose(values[:-1], expected["per_frame_mkr"], rtol=0, atol=1e-9)
    assert np.isnan(values[-1])
    assert np.nanmean(values) == pytest.approx(expected["mkr"], abs=1e-9)


def test_pooled_mkr_is_the_mean_weighted_by_the_joints_of_the_target(expected, pair):
    metric = metrics.create("mkr@pooled")
    values, weights = metric.compare(*pair), metric.weigh(*pair)
    assert weights.tolist() == present(pair[1]).sum(1).tolist()
    np.testing.assert_array_equal(values, metrics.create("mkr").compare(*pair))
    mean = np.average(values[:-1], weights=weights[:-1])
    assert mean == pytest.approx(expected["mkr@pooled"], abs=1e-9)


def test_joints_that_only_the_generated_frame_shows_cost_nothing():
    target = np.full((1, 18, 2), -1.0)
    target[0, 3] = [10, 20]
    generated = target.copy()
    generated[0, 5] = [7, 7]
    assert mkr(generated, target) == [0]
    assert akd_body(generated, target) == [0]


def test_without_a_common_joint_there_is_no_distance():
    target, generated = np.full((2, 1, 18, 2), -1.0)
    target[0, 3] = generated[0, 4] = [10, 20]
    assert np.isnan(akd_body(generated, target))
    assert mkr(generated, target) == [1]
    assert metrics.create("akd@body").undefined == "no-common-joint"


def test_a_frame_without_a_body_has_lost_all_joints():
    assert [metrics.create(name).missing_generated for name in ("mkr", "mkr@pooled", "akd@body")] == [1, 1, None]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_values_that_are_not_finite_spoil_their_own_pair_only(pair, value, side):
    spoilt = [array[:5].copy() for array in pair]
    spoilt[side][2, 7, 1] = value
    for formula in (akd_body, mkr):
        values, clean = formula(*spoilt), formula(*(array[:5] for array in pair))
        assert np.isnan(values).tolist() == [False, False, True, False, False]
        np.testing.assert_array_equal(np.delete(values, 2), np.delete(clean, 2))


def test_appearance_is_compared_as_it_is_not_at_unit_length():
    features = np.zeros((2, 2048), np.float32)
    other = features.copy()
    other[0, :3] = [3, 0, -4]
    assert squared_difference(features, other).tolist() == [25, 0]
    metric = metrics.create("aed@reid-resnet50")
    assert metric.compare(features, other).tolist() == [25, 0]
    assert not metric.ranks


@pytest.mark.parametrize("formula", [akd_body, mkr])
def test_no_pairs_no_values(formula):
    assert formula(np.zeros((0, 18, 2)), np.zeros((0, 18, 2))).shape == (0,)


@pytest.mark.parametrize("formula", [akd_body, mkr, squared_difference])
def test_other_shapes_are_refused(formula):
    with pytest.raises(TalkbenchError, match=r"shape \(1, 18, 2\) and \(1, 17, 2\)"):
        formula(np.zeros((1, 18, 2)), np.zeros((1, 17, 2)))
