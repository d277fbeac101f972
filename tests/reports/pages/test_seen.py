"""What the extractors saw, drawn upon frames, and on the page of a run."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import read_image, write_png
from talkbench.reports.pages.run_page import Strip, write_page
from talkbench.reports.pages.seen import MARKS, TILE, Seen, Shape, draw_seen, legend, read_seen, write_seen
from talkbench.results import RunStore

LINE = np.array([(0.25, 0.5), (0.75, 0.5)])
DOT = np.array([(0.5, 0.25)])


def grey(level: int, side: int = TILE) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def colour(name: str) -> list[int]:
    return [int(MARKS[name].colour[place : place + 2], 16) for place in (1, 3, 5)]


@pytest.mark.parametrize("level", [20, 235])
def test_lines_and_dots_lie_where_they_were_seen_on_dark_and_on_light_frames(level: int) -> None:
    image = draw_seen((grey(level), {"left": Shape([LINE])}), (grey(level), {"left": Shape(dots=DOT)}))
    assert (image.shape, image.dtype) == ((TILE, 2 * TILE, 3), np.uint8)
    middle = TILE // 2
    np.testing.assert_allclose(image[middle, middle].astype(int), colour("left"), atol=8)
    np.testing.assert_allclose(image[TILE // 4, TILE + middle].astype(int), colour("left"), atol=8)
    for y, x in ((middle, 50), (middle, 210), (middle + 6, middle), (TILE // 4, middle), (middle, TILE + middle)):
        assert image[y, x].tolist() == [level] * 3
    rim = image[middle - 4 : middle, middle].astype(int)
    assert (rim.min() < level - 30) or level == 20  # darker than the frame


def test_frames_of_any_size_become_tiles_and_panels_that_have_nothing_are_left_out() -> None:
    both: Seen = {"dlib68": Shape([LINE]), "mesh": Shape(dots=DOT)}
    assert draw_seen((grey(9, 128), both), (grey(9, 128), both)).shape == (TILE, 4 * TILE, 3)
    assert draw_seen((grey(9, 300), {"mesh": None}), (grey(9, 300), {"mesh": None})).shape == (TILE, 2 * TILE, 3)


def test_a_tile_says_where_there_is_no_face() -> None:
    image = draw_seen((grey(200), {"dlib68": Shape()}), (grey(200), {"dlib68": None}))
    assert (image[:, :TILE] == 200).all()
    assert (image[: TILE // 2, TILE:] == 200).all()
    label = image[-20:, TILE : TILE + 100].astype(int)
    assert label.min() < 100 < 240 < label.max()  # light letters on a dark ground


@pytest.mark.filterwarnings("error")
def test_what_lies_outside_or_is_not_finite_is_not_drawn() -> None:
    far = Shape([LINE + 3, LINE * np.nan], np.array([(np.nan, 0.5), (9.0, 9.0), (-4.0, 0.0)]))
    assert (draw_seen((grey(50), {"mesh": far}), (grey(50), {"mesh": far})) == 50).all()


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    driving: Seen = {"dlib68": Shape([LINE]), "mp68": Shape([LINE]), "mesh": Shape(dots=DOT)}
    generated: Seen = {"dlib68": None, "mp68": Shape(), "mesh": Shape()}
    write_seen(tmp_path / "a" / "seen.png", (grey(9), driving), (grey(9), generated))
    picture = read_seen(tmp_path, "a/seen.png")
    assert picture is not None
    assert picture.marks == ("dlib68", "mp68", "mesh")
    assert picture.size == read_image(tmp_path / "a" / "seen.png").shape[1::-1]
    assert picture.panels[::3] == ["driving, landmarks", "generated, mesh and head"]
    assert picture.description == (
        "On the driving and the generated frame: 68 landmarks (dlib68), 68 landmarks of the mesh (mp478), face mesh "
        "(mp478). No face in the generated frame: dlib68."
    )
    assert {panel: len(marks) for panel, marks in legend([picture, None]).items()} == {
        "landmarks": 2,
        "mesh and head": 1,
    }
    assert read_seen(tmp_path, "none.png") is None
    assert legend([None]) == {}


def test_the_page_shows_it_below_its_pair_with_a_legend(make_store: Callable[..., RunStore]) -> None:
    store = make_store()
    for name in ("1", "2"):
        write_png(store.folder / f"{name}.png", grey(9, 8))
    shapes: Seen = {"mtcnn5": Shape([LINE], DOT)}
    write_seen(store.folder / "seen 1.png", (grey(9), shapes), (grey(9), {"mtcnn5": None}))
    strips = [Strip("1.png", 1, seen="seen 1.png"), Strip("2.png", 2, seen="seen 2.png")]
    page = write_page(store, strips).read_text(encoding="utf-8")
    assert re.findall(r'<a [^>]*href="([^"]+png)"', page) == ["1.png", "seen%201.png", "2.png"]
    assert 'alt="Pair 1, what the extractors saw. On the driving and the generated frame: 5 landmarks' in page
    assert "No face in the generated frame: mtcnn5." in page
    assert page.count(f'fill="{MARKS["mtcnn5"].colour}"') == page.count('<rect width="16"') == 1
    without = write_page(store, [Strip("2.png", 2, seen="seen 2.png")]).read_text(encoding="utf-8")
    assert "What the extractors saw" not in without
    assert without == write_page(store, [Strip("2.png", 2)]).read_text(encoding="utf-8")


def test_a_damaged_picture_is_named(make_store: Callable[..., RunStore]) -> None:
    store = make_store()
    write_png(store.folder / "1.png", grey(9, 8))
    for content in (b"no picture", (store.folder / "1.png").read_bytes()):
        (store.folder / "seen.png").write_bytes(content)
        with pytest.raises(TalkbenchError, match=r"cannot show .*/seen\.png: it is damaged; delete it"):
            write_page(store, [Strip("1.png", 1, seen="seen.png")])
