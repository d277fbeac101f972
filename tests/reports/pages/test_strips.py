"""Strips: what stands where, and an error map of fixed scale."""

import numpy as np

from talkbench.core.figure import error_map
from talkbench.reports.pages.strips import strip


def flat(value: int) -> np.ndarray:
    return np.full((6, 5, 3), value, np.uint8)


def test_panels_stand_side_by_side() -> None:
    image = strip(flat(10), flat(20), flat(30))
    assert image.shape == (6, 20, 3)
    assert image.dtype == np.uint8
    assert [int(image[0, column, 0]) for column in (0, 5, 10)] == [10, 20, 30]
    np.testing.assert_array_equal(image[:, 15:], error_map(flat(20), flat(30)))
    assert strip(flat(1), flat(2), flat(3), error=False).shape == (6, 15, 3)
