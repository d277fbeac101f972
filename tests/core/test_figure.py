"""Figures: titles, captions and the scale, and an error map of fixed scale."""

import numpy as np

from talkbench.core.figure import SMALLEST, Grid, draw, error_map


def flat(value: int) -> np.ndarray:
    return np.full((6, 5, 3), value, np.uint8)


def test_the_error_map_has_a_fixed_scale() -> None:
    assert error_map(flat(77), flat(77)).max() <= 4  # black
    darker, lighter = error_map(flat(0), flat(30)), error_map(flat(30), flat(90))
    assert darker.sum() < lighter.sum()
    np.testing.assert_array_equal(error_map(flat(0), flat(128)), error_map(flat(255), flat(0)))  # both saturate
    np.testing.assert_array_equal(error_map(flat(0), flat(40)), error_map(flat(40), flat(0)))
    channel = flat(0)
    channel[..., 0] = 120
    np.testing.assert_array_equal(error_map(flat(0), channel), error_map(flat(0), flat(40)))


def test_titles_and_captions_take_lines_of_their_own() -> None:
    rows = [("row", [flat(10), flat(200)])] * 2
    plain = draw(Grid(["a", "b"], rows))
    titled = draw(Grid(["a", "b"], rows, title="a title", captions=["first", "second"]))
    assert titled.shape[1] == plain.shape[1]
    assert titled.shape[0] > plain.shape[0]
    assert titled[: SMALLEST // 10].min() < 100  # the title's ink
    assert (plain == 200).all(2).sum() == (titled == 200).all(2).sum()  # the images are as they were


def test_a_line_that_is_too_long_becomes_smaller_and_images_as_large_as_asked_for() -> None:
    images = [("", [flat(10)])]
    drawn = draw(Grid(["a"], images, errors=True, title="many words " * 9, note="a note", smallest=64))
    assert (drawn == 10).all(2).sum() == (13 * 6) * (13 * 5)
    assert (drawn[:, -2:] == 255).all()
