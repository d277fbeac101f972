"""`bench figure`: rows of pairs, columns of runs, as a picture and as a page."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.figure import SMALLEST, TEXT, Grid, draw, error_map, to_png
from talkbench.core.images import read_image
from talkbench.results import RunStore


@pytest.fixture
def runs(score):
    """Saved frames of two methods on the same pairs, and the folders."""
    for method in ("copy-source", "blend"):
        assert score("--method", method, "--out", method, "--save-frames").code == 0
    return ["copy-source", "blend"]


@pytest.fixture
def figure(bench, clips, runs):
    return lambda *options: bench("figure", *runs, "--root", clips, "--out", "figure.png", *options)


def test_the_chosen_pairs_in_the_order_given(figure, clips, place):
    result = figure("--pairs", "3, 0,12", "--dpi", 200)
    assert result.code == 0, result.err
    assert result.out == "figure  figure.png   (pairs 3, 0, 12)\n"
    with Image.open(place / "figure.png") as picture:
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)
    drawn = read_image(place / "figure.png")
    source, driving, first = panels(drawn, columns=6, rows=3)[1][:3]
    generated = read_image(place / "copy-source" / "frames" / "000000.png")
    assert np.array_equal(first, generated)
    assert np.array_equal(source, first)  # which is what copy-source generates
    assert np.array_equal(panels(drawn, 6, 3)[1][3], error_map(driving, generated))
    blended = read_image(place / "blend" / "frames" / "000012.png")
    assert np.array_equal(panels(drawn, 6, 3)[2][4], blended)


def panels(drawn: np.ndarray, columns: int, rows: int, size: int = 48) -> list[list[np.ndarray]]:
    """The images in a figure, as large as they were."""
    factor = SMALLEST // size
    gap, text = max(2, SMALLEST // 64), round(TEXT * SMALLEST)
    top = drawn.shape[0] - rows * (SMALLEST + gap) - 2 * text
    corners = [
        [(top + row * (SMALLEST + gap), 2 * text + column * (SMALLEST + gap)) for column in range(columns)]
        for row in range(rows)
    ]
    return [[drawn[y : y + SMALLEST : factor, x : x + SMALLEST : factor] for y, x in line] for line in corners]


def test_the_most_different_pairs(figure, place, bench):
    values = {}
    for run in ("copy-source", "blend"):
        rows = RunStore(run).rows()
        mine = rows[rows["metric"] == "psnr"]
        values[run] = dict(zip(mine["pair"], mine["value"], strict=True))
    spread = {pair: abs(values["blend"][pair] - values["copy-source"][pair]) for pair in values["blend"]}
    expected = sorted(spread, key=lambda pair: (-spread[pair], pair))[:3]
    result = figure("--count", 3, "--metric", "psnr")
    assert result.out == f"figure  figure.png   (pairs {', '.join(map(str, expected))})\n"
    shutil.rmtree(place / "blend" / "frames")
    (place / "blend" / "frames").mkdir()
    assert "no pair has a frame and a value in all of the runs" in figure().complaint()


def test_a_clip_of_which_no_picture_is_published_is_drawn_only_if_asked_for(figure, bench, clips, monkeypatch):
    monkeypatch.setattr(DatasetCard, "may_show", lambda card, *names: "a" not in names)
    drawn = figure("--count", 16)
    numbers = [int(number) for number in re.findall(r"\d+", drawn.out)]
    rows = RunStore("blend").rows()
    shown = rows[rows["pair"].isin(numbers)]
    assert numbers
    assert set(shown["source_clip"]) == set(shown["driving_clip"]) == {"b"}
    assert drawn.err == "no picture of a is published; what shows one is left out\n"
    hidden = sorted(set(rows["pair"]) - set(numbers))[0]
    asked = figure("--pairs", hidden)
    assert asked.err == "no picture of a is published; what shows one is in the figure, so keep it to yourself\n"
    monkeypatch.setattr(DatasetCard, "may_show", lambda card, *names: False)
    assert "of all these pairs no picture may be published" in figure().complaint()


def test_without_error_maps_and_of_one_run(bench, clips, place, runs):
    result = bench("figure", "blend", "--root", clips, "--pairs", 1, "--no-errors", "--out", "out/one.png")
    assert result.code == 0, result.err
    narrow = read_image(place / "out" / "one.png").shape[1]
    bench("figure", "blend", "--root", clips, "--pairs", 1, "--out", "out/two.png")
    assert narrow < read_image(place / "out" / "two.png").shape[1]


def test_the_page_stands_alone_and_is_escaped(figure, place, runs):
    record = place / "blend" / "run.json"
    record.write_text(record.read_text().replace('"name": "blend"', '"name": "<b>blend</b>"'))
    result = figure("--pairs", "0,1", "--html", "figure.html")
    assert result.code == 0, result.err
    page = (place / "figure.html").read_text()
    assert "<b>blend" not in page
    assert "&lt;b&gt;blend" in page
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 1
    assert "file: data:;" in page, "the policy lets the picture be shown"
    assert page.count("<tr>") == 3


def test_two_runs_of_one_method_go_by_their_folders(bench, clips, score):
    for name in ("one", "two"):
        score("--out", name, "--save-frames")
    result = bench(
        "figure", "one", "two", "--root", clips, "--pairs", 0, "--out", "figure.png", "--html", "figure.html"
    )
    assert result.code == 0, result.err
    assert "blend (one), blend (two) on tiny" in (result.cwd / "figure.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pairs", "1,x"), "--pairs 1,x: give numbers with commas between, or most-different"),
        (("--pairs", "99"), "copy-source has no pair 99; its pairs are 0 to 15"),
        (("--metric", "ssim"), "not all of the runs have the metric 'ssim'"),
        (("--root", "nowhere", "--pairs", "0"), "nowhere"),
    ],
)
def test_a_wrong_option_of_figure(figure, options, message, place):
    assert message in figure(*options).complaint()
    assert not (place / "figure.png").exists()


def test_runs_that_do_not_go_together(bench, score, clips, runs, place):
    command = ("figure", "--root", clips, "--out", "figure.png")
    score("--out", "bare")
    assert "bare has no saved frames; run it again with --save-frames" in bench(*command, "bare").complaint()
    score("--out", "video", "--task", "reconstruction", "--save-frames")
    assert "not of the same pairs: same-identity and reconstruction" in bench(*command, "blend", "video").complaint()
    assert "needs two runs" in bench(*command, "blend").complaint()
    assert "nowhere holds no finished run" in bench(*command, "nowhere").complaint()
    (place / "blend" / "frames" / "000002.png").unlink()
    assert "blend has no frame of pair 2; choose other --pairs" in bench(*command, "blend", "--pairs", 2).complaint()


def test_labels_fit_their_columns():
    """Long ones are cut before the variant and made smaller; nothing is drawn over an image."""
    image = np.full((256, 256, 3), 200, np.uint8)
    labels = ["source", "a-method-with-a-very-long-name@and-a-long-variant-too"]
    figure = draw(Grid(labels, [("pair 123456", [image, image])] * 2, errors=True))
    dark = (figure < 100).any(axis=2)
    first = round(2 * TEXT * 256)
    assert dark[:, :first].any(), "the row's label"
    middle = first + 256 + 2
    assert not dark[:80, middle - 2 : middle + 2].any(), "between the columns"
    assert len(to_png(figure, 300)) < figure.size
