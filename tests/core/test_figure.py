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


def red(image: np.ndarray) -> int:
    """How many pixels are as red as the images; text is grey."""
    return int((image == [200, 0, 0]).all(2).sum())


def test_titles_and_captions_take_lines_of_their_own() -> None:
    image = flat(0)
    image[..., 0] = 200
    plain = draw(Grid(["a", "b"], [("row", [image, image])] * 2))
    titled = draw(Grid(["a", "b"], [("row", [image, image])] * 2, title="a title", captions=["first", "second"]))
    assert titled.shape[1] == plain.shape[1]
    assert titled.shape[0] > plain.shape[0]
    assert titled[: SMALLEST // 10].min() < 100  # the title's ink
    assert red(titled) == red(plain) > 0


def test_a_line_that_is_too_long_becomes_smaller_and_images_as_large_as_asked_for() -> None:
    image = flat(0)
    image[..., 0] = 200
    drawn = draw(Grid(["a"], [("", [image])], title="too many words", smallest=64))
    assert red(drawn) == (13 * 6) * (13 * 5)
    assert (drawn[:, -2:] == 255).all()
