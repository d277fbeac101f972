"""The pictures of a run: of every clip, and of the best and the worst pair."""

import numpy as np
import pytest

from talkbench.benchmark.videos.pictured_pairs import spread_over_clips
from talkbench.core.images import read_image, write_png
from talkbench.datasets import Frame, Pair
from talkbench.reports.pages.strips import strip
from talkbench.results import RunStore


def pairs_of(**clips: int) -> list[Pair]:
    return [Pair(Frame(clip, 0), Frame(clip, index)) for clip, count in clips.items() for index in range(count)]


def clips_of(pairs: list[Pair], numbers: list[int]) -> str:
    return "".join(pairs[number].driving.clip for number in numbers)


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        ({"a": 100}, "aaaaaaaa"),
        ({"a": 100, "b": 100}, "aaaabbbb"),
        ({"a": 100, "b": 1, "c": 2}, "aaaaabcc"),
        (dict.fromkeys("abcdefgh", 3), "abcdefgh"),
        (dict.fromkeys("abcdefghijklmnop", 3), "acegjlnp"),
        ({"a": 1, "b": 2}, "abb"),
    ],
)
def test_all_clips_have_their_share(clips, expected):
    pairs = pairs_of(**clips)
    numbers = spread_over_clips(pairs, 8)
    assert len(set(numbers)) == len(numbers)
    assert clips_of(pairs, numbers) == expected


def test_within_a_clip_pictures_are_spread_too():
    assert spread_over_clips(pairs_of(a=80), 4) == [10, 30, 50, 70]


def values(result) -> dict[int, float]:
    return dict(sorted(result.values("l1").items()))


@pytest.mark.parametrize("size", [1, 5, 16])
def test_the_best_and_the_worst_pair_are_among_them_in_any_batches(score, clips, size):
    result = score("--batch-size", size)
    folder, numbers = result.store.folder, values(result)
    best, worst = min(numbers, key=numbers.get), max(numbers, key=lambda number: (numbers[number], number))
    spread = [int(path.stem) for path in (folder / "pictures").glob("[0-9]*.png")]
    assert len(spread) == 8
    names = {path.stem for path in (folder / "pictures").glob("*-*.png")}
    ends = {"best": best, "worst": worst}.items()
    assert names == {f"{place}-{number:06d}" for place, number in ends if number not in spread}
    source, driving = clips_and_frames(result, worst, clips)
    (path,) = (folder / "pictures").glob(f"*{worst:06d}.png")
    picture = read_image(path)
    assert (picture[:, :96] == strip(source, driving, driving)[:, :96]).all(), "exact"
    page = (folder / "index.html").read_text()
    assert page.index("best pair by l1") < page.index("worst pair by l1")
    assert page.count(f"<strong>Pair {best}</strong>") == page.count(f"<strong>Pair {worst}</strong>") == 1


def clips_and_frames(result, number, clips):
    row = result.rows[result.rows["pair"] == number].iloc[0]
    paths = (clips / row[f"{role}_clip"] / f"{row[f'{role}_index']}.png" for role in ("source", "driving"))
    return tuple(map(read_image, paths))


def test_higher_is_better_where_the_metric_says_so(score):
    result = score("--metrics", "psnr")
    numbers = result.values("psnr")
    best = max(numbers, key=lambda number: (numbers[number], -number))
    page = (result.store.folder / "index.html").read_text()
    assert f"best pair by psnr</strong> <strong>Pair {best}</strong>" in page


def test_a_run_that_is_continued_has_the_same_pictures(score, monkeypatch):
    written = []

    def append(store, rows, original=RunStore.append):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(rows)
        original(store, rows)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", append)
        assert score("--batch-size", 3, "--out", "mine").code == 130
    again, whole = score("--batch-size", 3, "--out", "mine", "--resume"), score("--batch-size", 3, "--out", "whole")
    pictures = [
        {path.name: path.read_bytes() for path in (result.store.folder / "pictures").iterdir()}
        for result in (again, whole)
    ]
    assert pictures[0] == pictures[1]


def test_one_pair_alone_is_neither_best_nor_worst(score):
    result = score("--limit", 1)
    page = (result.store.folder / "index.html").read_text()
    assert "pair by" not in page
    assert page.count('<figure class="pair">') == 1


def test_the_page_of_an_older_run_has_its_pictures(score):
    """Which were drawn of other pairs, and not of the best and the worst."""
    result = score("--out", "old")
    pictures, numbers = result.store.folder / "pictures", values(result)
    for path in pictures.iterdir():
        path.unlink()
    middle = sorted(numbers, key=numbers.get)[5:8]
    for number in middle:
        write_png(pictures / f"{number:06d}.png", np.zeros((48, 192, 3), np.uint8))
    assert score("--out", "old", "--resume").code == 0
    page = (result.store.folder / "index.html").read_text()
    assert page.count('<figure class="pair">') == 3
    assert all(f"<strong>Pair {number}</strong>" in page for number in middle)
    assert "pair by" not in page
