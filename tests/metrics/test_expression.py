"""Formulas of expression, pose and gaze against the goldens and by hand."""

import math

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import expression

NAMES = (
    "aucon",
    "aucon@pyfeat-2-multitask",
    "prmse",
    "prmse@global",
    "prmse@pyfeat-2-mlp",
    "pose-mae",
    "au-mae",
    "gaze-mae",
)


@pytest.fixture(scope="module")
def entry(golden):
    return golden["aucon_prmse"][0]


@pytest.fixture(scope="module")
def pairs(entry):
    """Features of both frames of each pair as the extractors give them, gaze of zero."""
    seed, count = entry["input"]["seed"], entry["input"]["pairs"]
    draw = [np.random.RandomState(seed + 1000 * i) for i in range(4)]
    units = draw[0].uniform(size=(count, 20)).round(2)
    changed = np.clip(units + 0.25 * draw[1].standard_normal((count, 20)), 0, 1).round(2)
    units[0, :3], changed[0, :3] = 0.5, (0.5, 0.51, 0.49)
    angles = draw[2].uniform(-30, 30, (count, 3))
    turned = angles + 3 * draw[3].standard_normal((count, 3))
    gaze = np.zeros((count, 2))
    target, generated = np.hstack([units, angles, gaze]), np.hstack([changed, turned, gaze])
    generated[entry["input"]["rows_without_face_in_generated"]] = np.nan
    return generated, target


def values(name, pairs):
    found = metrics.create(name).compare(*pairs)
    return found[~np.isnan(found)]


@pytest.mark.parametrize("name", ["aucon", "prmse"])
def test_each_pair_of_the_golden(name, pairs, entry):
    np.testing.assert_allclose(values(name, pairs), entry[f"per_pair_{name}"], rtol=0, atol=1e-9)


def test_means_of_the_golden(pairs, entry):
    assert len(values("prmse", pairs)) == entry["pairs_used"]
    assert math.isclose(values("aucon", pairs).mean(), entry["aucon"], abs_tol=1e-9)
    assert math.isclose(values("prmse", pairs).mean(), entry["prmse"], abs_tol=1e-9)
    assert math.isclose(values("pose-mae", pairs).mean(), entry["pose_mae"], abs_tol=1e-9)


def test_the_global_prmse_is_one_root_over_all_pairs(pairs, entry):
    assert metrics.create("prmse@global").aggregation == "root-mean"
    assert math.isclose(math.sqrt(values("prmse@global", pairs).mean()), entry["prmse@global"], abs_tol=1e-9)


def test_variants_of_a_formula_differ_in_the_extractor_alone(pairs):
    for name in ("aucon", "prmse"):
        for other in (each for each in NAMES if each.startswith(f"{name}@pyfeat")):
            np.testing.assert_array_equal(values(name, pairs), values(other, pairs))
            assert metrics.create(name).extractor != metrics.create(other).extractor


def test_exactly_one_half_and_nan_are_absent():
    units = np.array([[0.5, 0.5, 0.51, np.nan, np.nan, np.nan]])
    against = np.array([[0.5, 0.51, 0.51, np.nan, 0.2, 0.9]])
    np.testing.assert_array_equal(expression.aucon(units, against), [4 / 6])


def test_unknown_units_count_in_aucon_and_nothing_else(pairs):
    generated, target = (features[:3].copy() for features in pairs)
    generated[0, 4] = np.nan
    assert np.isfinite(metrics.create("aucon").compare(generated, target)).all()
    assert np.isfinite(metrics.create("prmse").compare(generated, target)).all()
    np.testing.assert_array_equal(np.isnan(metrics.create("au-mae").compare(generated, target)), [True, False, False])


@pytest.mark.parametrize("name", ["aucon", "prmse", "pose-mae", "prmse@global"])
@pytest.mark.parametrize("angle", [np.nan, np.inf])
def test_an_angle_that_is_no_number_drops_the_pair(name, angle, pairs):
    generated, target = (features[:3].copy() for features in pairs)
    target[1, expression.POSE.start] = angle
    np.testing.assert_array_equal(np.isnan(metrics.create(name).compare(generated, target)), [False, True, False])


def test_differences_of_angles_do_not_wrap():
    np.testing.assert_allclose(expression.prmse(np.array([[179.0, 0, 0]]), np.array([[-179.0, 0, 0]])), 358 / 3**0.5)


def test_mean_absolute_difference_of_the_units():
    a, b = np.full((2, 25), 0.25, np.float32), np.zeros((2, 25), np.float32)
    b[1, :10] = 1
    np.testing.assert_allclose(metrics.create("au-mae").compare(a, b), [0.25, 0.5])


@pytest.mark.parametrize(
    ("a", "b", "angle"),
    [
        ((0, 0), (0, 0), 0),
        ((10, 0), (-5, 0), 15),
        ((0, 170), (0, -170), 20),  # across the back
        ((90, 0), (90, 120), 0),  # straight up, whatever the yaw
        ((0, 0), (0, 180), 180),
        ((0, 0), (60, 60), math.degrees(math.acos(0.25))),  # py-feat's own angle off straight ahead
        ((0, 0), (1e-5, 0), 1e-5),  # below what an arc cosine resolves
    ],
)
def test_angle_between_gazes(a, b, angle):
    for pair in ((a, b), (b, a)):
        found = expression.gaze_angle(*(np.array([gaze], float) for gaze in pair))
        np.testing.assert_allclose(found, [angle], atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_cards_and_shapes(name, pairs):
    metric = metrics.create(name)
    assert not metric.needs_truth
    assert metric.target == "driving"
    assert metric.missing_generated is None
    generated, target = (features[:2].astype(np.float32) for features in pairs)
    found = metric.compare(generated, target)
    assert found.dtype == np.float64
    assert np.all((metric.range[0] <= found) & (found <= metric.range[1]))
    assert metric.compare(generated[:0], target[:0]).shape == (0,)
    with pytest.raises(TalkbenchError, match="shape"):
        metric.compare(generated[:1], target)
