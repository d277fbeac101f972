"""People from drawn heat maps and fields."""

import numpy as np
import pytest
import torch
from drawn_body import STANDING, draw, mirrored, without

from talkbench.metrics.extractors.skeleton import CLOSING, LIMBS, assemble, connections, decode, find_peaks, unmirror


def test_one_person():
    found = decode(*draw(STANDING))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, STANDING)


def test_absent_joints():
    standing = without(STANDING, 4, 16, 13)
    np.testing.assert_array_equal(decode(*draw(standing)), standing)


def test_a_joint_that_no_limb_reaches_belongs_to_nobody():
    alone = draw(without(STANDING, 3))  # a wrist without an elbow
    assert decode(*alone).tolist() == without(STANDING, 3, 4).tolist()


def test_a_weak_joint_is_absent_and_a_weak_body_is_none():
    fields, heat = draw(STANDING)
    heat[7] *= 0.15  # 0.075 after smoothing
    np.testing.assert_array_equal(decode(fields, heat), without(STANDING, 7))
    fields, heat = draw(STANDING, strength=0.3)  # peaks of 0.15 after smoothing, limbs of 0.16 to 0.19
    assert decode(fields * 0.19, heat) is None
    assert decode(fields, heat) is not None


def test_fewer_than_four_joints_are_nobody():
    head = [1, 0, 14, 15]
    three = without(STANDING, *(set(range(18)) - set(head[:3])))
    assert decode(*draw(three)) is None
    four = without(STANDING, *(set(range(18)) - set(head)))
    np.testing.assert_array_equal(decode(*draw(four)), four)
    assert decode(torch.zeros(38, 50, 40), torch.zeros(19, 50, 40)) is None


def test_two_people_are_told_apart_and_the_last_wins_joint_by_joint():
    other = without(STANDING + np.array([70, 5]), 4, 9, 10)
    fields, heat = draw(STANDING, other)
    peaks = find_peaks(heat[:18])
    people = assemble(peaks, fields.numpy())
    assert [len(person.joints) for person in people] == [18, 15]
    where = [{joint: peaks[joint][number, :2].tolist() for joint, number in p.joints.items()} for p in people]
    assert where[0] == {joint: STANDING[joint].tolist() for joint in range(18)}
    assert where[1] == {joint: other[joint].tolist() for joint in range(18) if other[joint, 0] >= 0}
    np.testing.assert_array_equal(decode(fields, heat), np.where(other < 0, STANDING, other))


def test_a_head_that_only_a_shoulder_joins_is_of_the_same_person():
    fields, heat = draw(STANDING)
    neck = next(limb.channel for limb in LIMBS if limb[:2] == (1, 0))
    fields[neck : neck + 2] = 0
    np.testing.assert_array_equal(decode(fields, heat), STANDING)
    for limb in CLOSING:
        fields[limb.channel : limb.channel + 2] = 0
    body, head = assemble(find_peaks(heat[:18]), fields.numpy())
    assert (sorted(body.joints), sorted(head.joints)) == ([*range(1, 14)], [0, 14, 15, 16, 17])


def test_a_shoulder_and_an_ear_alone_begin_no_person():
    pair = without(STANDING, *(set(range(18)) - {2, 16}))
    fields, heat = draw(pair)
    assert assemble(find_peaks(heat[:18]), fields.numpy()) == []


def test_maps_of_a_mirrored_image():
    reflected = mirrored(without(STANDING, 4), 160)
    for drawn, back in zip(draw(without(STANDING, 4)), unmirror(*draw(reflected)), strict=True):
        np.testing.assert_allclose(back, drawn, atol=1e-6)


def test_peaks_are_where_the_smoothed_map_is_highest():
    heat = torch.zeros(2, 60, 40)
    heat[0, 50, 10] = heat[1, 0, 0] = 8.0
    heat[1, 30, 20:22] = 8.0  # two equal pixels are one peak
    first, second = find_peaks(heat)
    assert first.tolist() == [[10, 50, 8]]
    assert second.tolist() == [[0, 0, 8], [20, 30, 8]]
    heat[0, 50, 10] = 5.6  # a Gaussian of sigma 3 leaves 0.0177 of a pixel: less than 0.1
    assert find_peaks(heat)[0].size == 0
    heat[0, 50, 10] = 5.7
    assert len(find_peaks(heat)[0]) == 1
    assert find_peaks(torch.ones(1, 20, 20))[0].tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(("gap", "joined"), [(1, True), (2, False)])
def test_more_than_eight_of_ten_samples_must_speak_for_a_limb(gap, joined):
    field = np.zeros((2, 20, 100))
    field[0] = 1
    for sample in range(gap):
        field[0, :, 20 + 5 * sample] = 0.05  # as much as the threshold, not more
    start, end = np.array([[10.0, 10, 0.9]]), np.array([[55.0, 10, 0.9]])
    field = np.pad(field, ((0, 0), (0, 80), (0, 0)))
    found = list(connections(start, end, field))
    assert found == ([(0, 0, pytest.approx(1 - 0.095 * gap))] if joined else [])


def test_long_limbs_lose_score():
    field = np.zeros((2, 40, 100))
    field[0] = 1
    start = np.array([[10.0, 20, 0.9]])
    for distance, score in [(18, 1.0), (25, 0.8), (80, 0.25)]:
        ((_, _, found),) = connections(start, start + np.array([distance, 0, 0]), field)
        assert found == pytest.approx(score)
    assert not list(connections(start, start + np.array([80, 0, 0]), field * 0.7))  # 0.7 - 0.75
    assert not list(connections(start, start, field))  # both at one place have no direction
    assert not list(connections(start, start[:0], field))


def test_the_best_match_comes_first_and_takes_both_candidates():
    field = np.zeros((2, 200, 100))
    field[0] = 1
    starts = np.array([[10.0, 20, 0.9], [10, 60, 0.9]])
    ends = np.array([[50.0, 30, 0.9], [50, 62, 0.9]])
    assert [(i, j) for i, j, _ in connections(starts, ends, field)] == [(1, 1), (0, 0)]
    assert [(i, j) for i, j, _ in connections(starts, ends[1:], field)] == [(1, 0)]
