"""The head's rotation from a mesh, in closed form, and what is read off a mesh by its metrics."""

import numpy as np
import pytest
from metric_samples import mesh as sample
from metric_samples import rotation

from talkbench import metrics
from talkbench.metrics.mesh import (
    BLENDSHAPE_POINTS,
    CHIN,
    FACE,
    FOREHEAD,
    GAZE,
    LANDMARKS,
    LEFT,
    NEUTRAL,
    RIGHT,
    angle_between,
    head_angles,
    head_rotation,
)


def head(pitch=0.0, yaw=0.0, roll=0.0, scale=1.0):
    """A mesh whose axes are turned by these angles; chin and forehead do not lie on the line through the middle."""
    points = np.zeros((478, 3))
    points[[RIGHT, LEFT, FOREHEAD, CHIN]] = [(-40, -20, 5), (40, -20, 5), (7, -80, 0), (3, 80, 0)]
    return (scale * points @ rotation(pitch, yaw, roll).T + (128, 128, 0))[None]


def test_a_straight_head_has_the_unit_matrix():
    np.testing.assert_allclose(head_rotation(head()), np.eye(3)[None], atol=1e-12)
    np.testing.assert_allclose(head_angles(head()), [[0, 0, 0]], atol=1e-9)


@pytest.mark.parametrize("angles", [(20, 0, 0), (0, 30, 0), (0, 0, -50), (-15, 40, 25), (10, -60, 170)])
def test_a_turned_head_has_its_angles(angles):
    turned = head(*angles, scale=0.6)
    np.testing.assert_allclose(head_angles(turned), [angles], atol=1e-9)
    np.testing.assert_allclose(head_rotation(turned), rotation(*angles)[None], atol=1e-12)


def test_positive_angles_look_down_left_and_are_clockwise():
    """The way that the face looks is minus z; y points down."""
    down, left = (-head_rotation(head(**turn))[0, :, 2] for turn in ({"pitch": 20}, {"yaw": 20}))
    assert down[1] > 0.3
    assert left[0] < -0.3
    assert head_rotation(head(roll=20))[0, 1, 0] > 0.3  # the left eye is lower in the image


def test_angles_between_poses():
    pairs = [((0, 0, 0), (0, 0, 1e-5), 1e-5), ((0, 30, 0), (0, -45, 0), 75), ((10, 0, 0), (-170, 0, 0), 180)]
    for a, b, angle in pairs:
        assert angle_between(*(head_rotation(head(*turn)) for turn in (a, b)))[0] == pytest.approx(angle, rel=1e-6)


def test_points_that_give_no_axes_give_no_angle():
    broken = np.concatenate([head(5), head(5), head(5), np.zeros((1, 478, 3))])
    broken[1, 200] = np.nan
    broken[2, CHIN] = np.inf
    assert np.isnan(head_angles(broken)).any(axis=1).tolist() == [False, True, True, True]


def test_poses_by_hand():
    """Rolls of 176 and -178 degrees are 6 apart."""
    a, b = head(2, 4, 176), head(5, 8, -178)
    assert metrics.create("pose-mae@mp478").compare(a, b)[0] == pytest.approx((3 + 4 + 6) / 3)
    assert metrics.create("prmse@mp478").compare(a, b)[0] == pytest.approx(np.sqrt((9 + 16 + 36) / 3))
    assert metrics.create("pose-geodesic@mp478").compare(head(roll=176), head(roll=-178))[0] == pytest.approx(6)


def test_blendshapes_and_gaze_by_hand():
    truth = np.zeros((1, 52), np.float32)
    generated = truth.copy()
    generated[0, [NEUTRAL, 9, GAZE.start, GAZE.stop - 1]] = (1, 0.3, 0.5, 0.25)
    assert metrics.create("blendshape-mae@mp52").compare(generated, truth)[0] == pytest.approx(1.05 / 51)
    assert metrics.create("gaze-mae@mp52").compare(generated, truth)[0] == pytest.approx(0.75 / 8)


def test_landmarks_of_the_mesh():
    assert (len(LANDMARKS), len(BLENDSHAPE_POINTS)) == (68, 146)
    assert (LANDMARKS[36], LANDMARKS[45], LANDMARKS[8]) == (RIGHT, LEFT, CHIN)
    a = sample(np.random.default_rng(0))[None]
    moved = a.copy()
    moved[0, LANDMARKS[0], :2] += (3, 4)
    moved[0, FACE:] += 50  # the irises, and
    moved[..., 2] += 9  # depth do not count
    assert metrics.create("akd@mp478").compare(moved, a)[0] == pytest.approx(7 / (2 * FACE), rel=1e-4)
    assert metrics.create("akd@mp68").compare(moved, a)[0] == pytest.approx(7 / (2 * 68), rel=1e-4)
    still, shaken = np.stack([a, a, a], axis=1), np.stack([a, moved, a], axis=1)
    assert metrics.create("landmark-jitter@mp68").compare(shaken, still)[0] == pytest.approx(10 / 68, rel=1e-4)
