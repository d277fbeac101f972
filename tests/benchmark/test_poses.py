"""Which face is posed most like another."""

import numpy as np

from talkbench.benchmark.poses import closest
from talkbench.metrics.extractors.mtcnn import Mtcnn5


def test_the_five_points_of_mtcnn_count_and_not_its_box():
    rng = np.random.default_rng(1)
    points, other = rng.uniform(0, 256, (7, 2)), rng.uniform(0, 256, (7, 2))
    same = np.concatenate([points[:5] + 3, 100 * other[5:]])
    assert closest(Mtcnn5(), points, {4: other, 9: same}) == 9
