"""Keypoint distance and missing faces against the goldens."""

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.landmarks import akd, alignment


def landmarks(seed, frames, amplitude, missing_in_truth, missing_in_generated):
    truth = np.random.RandomState(seed).randint(40, 216, (frames, 68, 2)).astype(np.float32)
    moved = np.random.RandomState(seed + 1000).randint(-amplitude, amplitude + 1, truth.shape)
    both = [i for i in range(frames) if i not in (*missing_in_truth, *missing_in_generated)]
    return truth, (truth + moved).astype(np.float32), both


@pytest.mark.parametrize("entry", [0, 1])
def test_goldens(golden, entry):
    expected = golden["akd_face"][entry]
    truth, generated, both = landmarks(**expected["input"])
    values = akd(generated[both], truth[both])
    np.testing.assert_allclose(values, expected["per_frame_l1"], rtol=0, atol=1e-9)
    assert values.mean() == pytest.approx(expected["akd@pose-evaluation"], abs=1e-9)


def test_missing_face_rate_is_over_the_pairs_whose_truth_has_a_face(golden):
    expected = golden["akd_face"][1]
    given = expected["input"]
    metric = metrics.create("missing-face-rate")
    eligible = [i for i in range(given["frames"]) if i not in given["missing_in_truth"]]
    face = np.zeros((1, 5, 2))
    values = [
        metric.missing_generated if i in given["missing_in_generated"] else metric.compare(face, face)[0]
        for i in eligible
    ]
    assert np.mean(values) == pytest.approx(expected["missing_generated_rate"], abs=1e-9)


def test_distance_is_in_pixels():
    points = np.zeros((1, 5, 2), np.float32)
    assert metrics.create("akd@mtcnn5").compare(points, points + np.array([3, 5])) == pytest.approx([4.0])


def test_alignment_golden(golden):
    expected = golden["best_frame"][0]
    seed, frames = expected["input"]["seed"], expected["input"]["frames"]
    source = np.random.RandomState(seed).randint(40, 216, (68, 2)).astype(float)

    def frame(i):
        away = abs(i - 2)
        return source * (1 + 0.1 * i) + np.random.RandomState(seed + 10 + i).randint(
            -20 + 3 * away, 21 + 10 * away, (68, 2)
        )

    distances = alignment(source, np.stack([frame(i) for i in range(frames)]))
    np.testing.assert_allclose(distances, expected["distances"], rtol=0, atol=1e-9)
    assert distances.argmin() == expected["best_frame"]


def test_alignment_does_not_see_position_and_size():
    face = np.random.default_rng(0).uniform(0, 256, (5, 2))
    np.testing.assert_allclose(alignment(face, np.stack([face, 2 * face + 10])), 0, atol=1e-12)


def test_alignment_needs_an_area():
    line = np.arange(10.0).reshape(5, 2)
    with pytest.raises(TalkbenchError, match="on a line"):
        alignment(line, line[None])
