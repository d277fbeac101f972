"""Which maps share a colour scale."""

from string import ascii_uppercase

import numpy as np
import pytest

from talkbench.benchmark.inspection.scales import share_scales


def rows(*ranges):
    """Maps of two values, from rows of their smallest and largest."""
    return [[np.array([[low, high]]) for low, high in row] for row in ranges]


def signs(scales):
    return [[scale.sign for scale in row] for row in scales]


def ends(scales):
    return [[scale.ends for scale in row] for row in scales]


def test_values_that_are_alike_share_one_scale():
    scales = share_scales(rows([(0.5, 2), (0.8, 1.2)], [(0.4, 1.5), (0.6, 1)]), "alike", iter(ascii_uppercase))
    assert ends(scales) == [[(0.4, 2)] * 2] * 2
    assert signs(scales) == [["", ""]] * 2


def test_rows_of_other_magnitudes_have_scales_of_their_own():
    scales = share_scales(rows([(0.9, 1.1)], [(0, 10)], [(0, 6)]), "alike", iter(ascii_uppercase))
    assert ends(scales) == [[(0.9, 1.1)], [(0, 10)], [(0, 10)]]
    assert signs(scales) == [["B"], ["A"], ["A"]]


def test_a_map_far_narrower_than_its_row_has_its_own():
    scales = share_scales(rows([(0, 10), (0.9, 1.1)]), "alike", iter(ascii_uppercase))
    assert ends(scales) == [[(0, 10), (0.9, 1.1)]]
    assert signs(scales) == [["", "own"]]


def test_noise_fills_no_colours():
    scales = share_scales(rows([(0, 4), (1, 1.001)]), "alike", iter(ascii_uppercase))
    assert signs(scales) == [["", ""]]
    (low, high) = share_scales(rows([(255.99, 256)]), "alike", iter(ascii_uppercase))[0][0].ends
    assert (low, high) == pytest.approx((253.44, 256)), "even is at the upper end"


def test_letters_go_on_in_another_kind_of_maps():
    letters = iter(ascii_uppercase)
    first, second = (share_scales(rows([(0, 1)], [(0, 100)]), "alike", letters) for _ in range(2))
    assert (signs(first), signs(second)) == ([["B"], ["A"]], [["D"], ["C"]])


def test_each_and_shared_are_taken_at_their_word():
    maps = rows([(0, 10), (0.9, 1.1)], [(5, 6), (5, 5.5)])
    assert ends(share_scales(maps, "each", iter(ascii_uppercase))) == [[(0, 10), (0.9, 1.1)], [(5, 6), (5, 5.5)]]
    assert ends(share_scales(maps, "shared", iter(ascii_uppercase))) == [[(0, 10)] * 2] * 2


def test_maps_without_numbers_ask_for_no_scale():
    nothing = [np.full((1, 2), np.nan)]
    scales = share_scales([nothing, *rows([(0.5, 1)]), nothing], "alike", iter(ascii_uppercase))
    assert ends(scales) == [[(0.5, 1)]] * 3
    assert signs(scales) == [[""]] * 3
