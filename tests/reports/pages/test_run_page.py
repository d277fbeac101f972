"""A run's page: complete, escaped, well formed, and without anything that a strict policy refuses."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import write_png
from talkbench.reports.pages.run_page import Strip, write_page
from talkbench.reports.pages.strips import strip
from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import published_table
from talkbench.results import RunStore

MakeStore = Callable[..., RunStore]
HTML = "<script>alert('1')</script>\"'&"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(store: RunStore, **options: object) -> str:
    return write_page(store, **options).read_text(encoding="utf-8")  # type: ignore[arg-type]


def picture(store: RunStore, name: str = "pictures/pair 1#.png", error: bool = True) -> Strip:
    image = np.zeros((8, 8, 3), np.uint8)
    write_png(store.folder / name, strip(image, image, image, error))
    return Strip(name, 1, error)


def test_the_page_tells_what_was_run_and_what_came_out(make_store: MakeStore) -> None:
    values = {"l1": [0.1] * 4, "psnr": [20, 21, 22, 23], "akd@mtcnn5": [1, "no-face-generated", 2, 3]}
    unavailable = [{"name": "lpips@vgg", "reason": "vgg16.pth is missing"}]
    store = make_store(values=values, message="no face in frame 7", unavailable=unavailable)
    page = page_of(store, strips=[picture(store)], tables=[published_table([Run.load(store)])])
    assert write_page(store).name == "index.html"
    text = re.sub(r"<[^>]+>", " ", page)
    for expected in (
        "was run on 4 pairs of the demo set",
        "21.50",
        "no-face-generated",
        "no face in frame 7",
        "Not computed here: 1 of 4 metrics",
        "vgg16.pth is missing",
        "face.mp4, frame 0 → face.mp4, frame 1",
        "Table 1(a) of the MCNet paper",
        store.read_record().protocol_id("psnr"),
        "0.5 or more",
    ):
        assert expected in text
    assert "This run is incomplete" not in text


def test_values_that_differ_by_rounding_alone_are_one_bar(make_store: MakeStore) -> None:
    page = page_of(make_store(values={"l1": [1.0, 1.0 + 2**-52, 1.0, 1.0]}))
    assert page.count("<rect") == 1


def test_it_is_well_formed_and_runs_nothing(make_store: MakeStore) -> None:
    store = make_store()
    page = page_of(store, strips=[picture(store)])
    tags = Tags(page)
    assert not any(tag in ("script", "link", "iframe", "form") for tag, _ in tags.seen)
    assert not any(name == "style" or name.startswith("on") for _, attrs in tags.seen for name in attrs)
    policy = next(attrs["content"] for _, attrs in tags.seen if attrs.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert f"'sha256-{digest}'" in policy
    assert "http" not in re.sub(r'http-equiv="', "", page)
    images = [attrs for tag, attrs in tags.seen if tag == "img"]  # each panel is a part of the same picture
    expected = ("pictures/pair%201%23.png", "8", "8")
    assert [(image["src"], image["width"], image["height"]) for image in images] == [expected] * 4


def test_every_text_is_escaped(make_store: MakeStore) -> None:
    store = make_store(
        HTML,
        values={"l1": [HTML] * 4},
        clip=HTML,
        message=HTML,
        method={
            "checkpoint": HTML,
            "origin": HTML,
            "settings": {HTML: HTML},
            "frames": {"sha256": HTML, "pairs": 4, "kinds": {HTML: 4}, "sizes": {HTML: 4}},
        },
        dataset={"name": HTML, "task": HTML, "motion": HTML, "pairs_file": HTML},
        metrics=[{"name": "l1", "version": 1, "direction": "lower", "unit": HTML, "backend": HTML, "extractor": HTML}],
        unavailable=[{"name": HTML, "reason": HTML}],
        command=HTML,
        device_name=HTML,
        libraries={HTML: HTML},
        platform=HTML,
        git={"commit": HTML, "dirty": True},
    )
    page = page_of(store, strips=[picture(store)], tables=[published_table([Run.load(store)])])
    Tags(page)
    assert "<script" not in page
    assert "alert('1')" not in page


def test_a_page_of_a_cross_identity_run_has_no_error_map(make_store: MakeStore) -> None:
    store = make_store(dataset={"task": "cross-identity"})
    page = page_of(store, strips=[picture(store, error=False)])
    assert "<span>generated<img" in page
    assert "<span>error<img" not in page
    assert "The error map" not in page


def test_an_unfinished_run_is_called_so(make_store: MakeStore) -> None:
    store = make_store(dataset={"pairs": 10})
    assert "4 of 10 pairs have been evaluated" in page_of(store)
    empty = make_store(values={"l1": []})
    assert "0 of 4 pairs" in page_of(empty)


def test_the_same_files_give_the_same_bytes(make_store: MakeStore) -> None:
    store = make_store()
    assert page_of(store) == page_of(store)


def test_a_missing_picture_is_named(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    with pytest.raises(TalkbenchError, match=r"pictures/none\.png"):
        write_page(store, [Strip("pictures/none.png", 0)])
