"""Distances of landmarks, missing faces and the best frame against the goldens."""

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.landmarks import alignment, jitter, nme

FAN68 = ("akd", "akd@euclidean", "nme")


def landmarks(seed, frames, amplitude, missing_in_truth, missing_in_generated):
    """What an extractor gives of truth and generated frames: points, or None where there is no face."""
    truth = np.random.RandomState(seed).randint(40, 216, (frames, 68, 2)).astype(np.float32)
    moved = np.random.RandomState(seed + 1000).randint(-amplitude, amplitude + 1, truth.shape)
    sides = (truth, missing_in_truth), ((truth + moved).astype(np.float32), missing_in_generated)
    return [[None if i in missing else points[i] for i in range(frames)] for points, missing in sides]


@pytest.mark.parametrize("entry", [0, 1])
def test_goldens(golden, entry):
    expected = golden["akd_face"][entry]
    truth, generated = landmarks(**expected["input"])
    both = [i for i, pair in enumerate(zip(truth, generated, strict=True)) if all(side is not None for side in pair)]
    pairs = [np.stack([side[i] for i in both]) for side in (generated, truth)]
    values = {metrics.create(name).variant: metrics.create(name).compare(*pairs) for name in FAN68}
    np.testing.assert_allclose(values["akd@pose-evaluation"], expected["per_frame_l1"], rtol=0, atol=1e-9)
    for variant, distances in values.items():
        assert distances.mean() == pytest.approx(expected[variant], abs=1e-9), variant
    assert len(both) == expected["frames_used"]
    assert len(both) / len(truth) == pytest.approx(expected["coverage"], abs=1e-9)


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


def test_the_variants_measure_one_displacement_each_in_its_way():
    target = np.random.default_rng(0).integers(40, 216, (1, 68, 2)).astype(np.float32)
    target[0, [36, 45]] = [[100, 80], [130, 120]]  # 50 pixels apart
    generated = target + np.float32([3, -4])
    assert [metrics.create(name).compare(generated, target)[0] for name in FAN68] == pytest.approx([3.5, 5, 0.1])


def test_the_bare_names_stand_for_their_variants():
    assert metrics.create("akd@pose-evaluation").variant == metrics.create("akd").variant == "akd@pose-evaluation"
    assert metrics.create("nme@interocular").variant == metrics.create("nme").variant == "nme@interocular"


def test_eyes_that_fall_together_are_no_unit():
    target = np.full((2, 68, 2), 100.0)
    target[1, 45] = 110
    values = nme(target + 1, target)
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(0.1)
    assert metrics.create("nme").undefined == "no-distance-between-eyes"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", [*FAN68, "landmark-jitter"])
def test_values_that_are_not_finite_spoil_their_own_pair_only(name, side, value):
    metric = metrics.create(name)
    frames = (1 + metric.history,) if metric.history else ()
    pair = list(np.random.default_rng(0).uniform(0, 256, (2, 3, *frames, 68, 2)))
    clean = metric.compare(*pair)
    pair[side][1, ..., 36, 0] = value
    values = metric.compare(*pair)
    assert np.isnan(values).tolist() == [False, True, False]
    np.testing.assert_array_equal(values[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("name", [*FAN68, "akd@mtcnn5", "landmark-jitter"])
def test_other_shapes_are_refused_and_no_pairs_give_no_values(name):
    metric = metrics.create(name)
    points = np.zeros((2, *((1 + metric.history,) if metric.history else ()), 68, 2))
    with pytest.raises(TalkbenchError, match="shape"):
        metric.compare(points, points[..., :1])
    assert metric.compare(points[:0], points[:0]).shape == (0,)


def test_jitter_is_the_length_of_the_second_difference():
    truth = np.random.RandomState(3).randint(40, 216, (2, 3, 68, 2)).astype(np.float32)
    generated = truth + np.random.RandomState(4).randint(-5, 6, truth.shape).astype(np.float32)
    by_hand = []
    for pair in range(2):
        d = [generated[pair, t].astype(float) - truth[pair, t] for t in range(3)]
        lengths = [np.hypot(*(d[2][point] - 2 * d[1][point] + d[0][point])) for point in range(68)]
        by_hand.append(np.mean(lengths))
    np.testing.assert_allclose(jitter(generated, truth), by_hand, rtol=0, atol=1e-9)


def test_jitter_does_not_see_shared_motion_offsets_and_steady_drift():
    motion = np.random.default_rng(0).uniform(0, 256, (1, 3, 68, 2))
    drift = np.array([5.0, -3.0]) + np.arange(3)[:, None, None] * np.array([1.0, 2.0])
    np.testing.assert_allclose(jitter(motion + drift, motion), 0, atol=1e-9)
    one_frame_off = motion.copy()
    one_frame_off[0, 1] += [3, 4]
    assert jitter(one_frame_off, motion) == pytest.approx([10.0])  # the middle frame counts twice


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


@pytest.mark.parametrize("family", ["akd", "nme", "landmark-jitter"])
def test_dlib_s_landmarks_have_the_same_formulas(family):
    history = metrics.create(family).history
    draw = np.random.default_rng(0)
    shape = (3, 1 + history, 68, 2) if history else (3, 68, 2)
    a, b = (draw.integers(0, 256, shape).astype(np.float32) for _ in range(2))
    values = metrics.create(f"{family}@dlib68").compare(a, b)
    np.testing.assert_array_equal(values, metrics.create(family).compare(a, b))
