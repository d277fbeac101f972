"""What stands around the pictures of `bench inspect`: nothing is cut off, and nothing is told by hue alone."""

import itertools

import numpy as np
import pytest

from talkbench.core.figure import Grid, broken, draw, font
from talkbench.reports.pages.inspection import (
    COLOURS,
    SHAPES,
    bar,
    headed,
    with_arrows,
    with_legend,
    with_numbers,
    with_points,
)

LONG = "a name that goes on and on, and ends where nobody would think, 64×64"


def ink(image: np.ndarray) -> np.ndarray:
    """Where an image is not white."""
    return (image < 250).any(axis=2)


def test_text_is_broken_at_spaces_and_inside_of_long_words():
    letters = font(20)
    lines = broken(LONG, letters, 200)
    assert " ".join(lines) == LONG
    assert "".join(broken("w" * 60, letters, 200)) == "w" * 60
    assert max(map(letters.getlength, [*lines, *broken("w" * 60, letters, 200)])) <= 200
    assert broken("", letters, 200) == [""]


@pytest.mark.parametrize("width", [100, 700, 3000])
def test_a_title_above_a_picture_of_any_width(width):
    image = np.full((50, width, 3), 9, np.uint8)
    picture = headed(image, LONG, [LONG * 3, "short"])
    assert np.array_equal(picture[-50:, :width], image)
    above = ink(picture[:-50])
    assert above.any()
    assert not above[:, -4:].any(), "no letter reaches the edge"


def test_a_legend_takes_as_many_lines_as_it_needs():
    image, keys = np.full((50, 700, 3), 9, np.uint8), [(bar("magma", 160, 24), f"scale {n}") for n in range(5)]
    one, five = (with_legend(image, chosen) for chosen in (keys[:1], keys))
    assert one.shape[1] == five.shape[1] == 700
    assert five.shape[0] > one.shape[0]
    assert not ink(five[50:])[:, -4:].any()
    assert with_legend(image[:, :60], keys[:1]).shape[1] > 60 + 160, "wider, not cut off"


@pytest.mark.parametrize("words", [LONG, "x" * 300, LONG * 9])
def test_a_long_label_of_a_row_stays_beside_it(words):
    images = [np.full((256, 256, 3), 9, np.uint8)] * 2
    picture = draw(Grid(["a", "b"], [("short", images), (words, images)]))
    left = 2 * 28
    top = picture.shape[0] - 4 - 260  # of the second row
    label = ink(picture[top : top + 256, :left])
    assert 0.5 < label.any(axis=1).mean() < 1, "along the row, and not beyond"
    assert not label[:, 0].any()


def test_marks_are_told_apart_by_shape_where_colours_come_again():
    image = np.zeros((256, 256, 3), np.uint8)
    points = np.array([[0.5, 0.5]])
    count = len(COLOURS) * len(SHAPES)
    marks = []
    for number in range(0, count, len(COLOURS)):  # all in the first colour
        places = np.full((count, 2), -1.0)  # outside
        places[number] = points
        marks.append(with_points(image, places))
    for one, other in itertools.combinations(marks, 2):
        assert (one != other).any()


def test_numbers_stand_where_the_places_are():
    image = np.zeros((256, 256, 3), np.uint8)
    drawn = with_numbers(image, np.array([[0.25, 0.75]]))
    rows, columns = np.nonzero(drawn.any(axis=2))
    assert rows.mean() == pytest.approx(192, abs=1)
    assert columns.mean() == pytest.approx(64, abs=1)


def test_arrows_lead_where_the_flow_does():
    white = np.full((270, 270, 3), 255, np.uint8)
    flow = np.zeros((270, 270, 2))
    assert np.array_equal(with_arrows(white, flow, 4.0), white), "none where nothing moves"
    flow[..., 0] = 4
    cell = ink(with_arrows(white, flow, 4.0))[120:150, 120:150]
    heights = cell.sum(axis=0)
    assert heights[:15].max() < heights[15:].max(), "the head is on the right"
    assert cell.any(axis=0).sum() == pytest.approx(27, abs=2)
