"""Strips: what stands where, and an error map of fixed scale."""

import numpy as np

from talkbench.reports.pages.strips import error_map, strip


def flat(value: int) -> np.ndarray:
    return np.full((6, 5, 3), value, np.uint8)


def test_panels_stand_side_by_side() -> None:
    image = strip(flat(10), flat(20), flat(30))
    assert image.shape == (6, 20, 3)
    assert image.dtype == np.uint8
    assert [int(image[0, column, 0]) for column in (0, 5, 10)] == [10, 20, 30]
    np.testing.assert_array_equal(image[:, 15:], error_map(flat(20), flat(30)))
    assert strip(flat(1), flat(2), flat(3), error=False).shape == (6, 15, 3)


def test_the_error_map_has_a_fixed_scale() -> None:
    assert error_map(flat(77), flat(77)).max() <= 4  # black
    darker, lighter = error_map(flat(0), flat(30)), error_map(flat(30), flat(90))
    assert darker.sum() < lighter.sum()
    np.testing.assert_array_equal(error_map(flat(0), flat(128)), error_map(flat(255), flat(0)))  # both saturate
    np.testing.assert_array_equal(error_map(flat(0), flat(40)), error_map(flat(40), flat(0)))
    channel = flat(0)
    channel[..., 0] = 120
    np.testing.assert_array_equal(error_map(flat(0), channel), error_map(flat(0), flat(40)))
