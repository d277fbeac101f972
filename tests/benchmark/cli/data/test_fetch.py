"""`bench data fetch`, and what is done with data that are for evaluation only."""

import re
import shutil
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml
from file_server import FileServer, serving
from made_videos import write_video

from talkbench import datasets
from talkbench.core import model_files
from talkbench.core.images import read_image
from talkbench.datasets import fetched, official_lists
from talkbench.datasets.fetched import FetchedDataset
from talkbench.datasets.pairs import write_pairs
from talkbench.datasets.preparation import face_clips
from talkbench.results.entries import Entry

NAME = "liveportrait-samples"
PATHS = {"d0": "driving/d0.mp4", "d3": "driving/d3.mp4", "s13": "source/s13.mp4"}
FETCH = ("data", "fetch", NAME, "--workers", 1)
RUN = ("run", "--method", "copy-source", "--dataset", NAME, "--metrics", "l1", "--limit", 12)


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, bytes]:
    """By the names of their clips, videos of 16, 17 and 18 frames."""
    folder = tmp_path_factory.mktemp("videos")
    return {clip: write_video(folder / f"{clip}.mp4", images=16 + more).read_bytes() for more, clip in enumerate(PATHS)}


@pytest.fixture
def server(videos, monkeypatch, tmp_path) -> Iterator[FileServer]:
    """Publishes a set of three people in the layout of the real one, which is registered in its place."""
    card = yaml.safe_load(datasets.create(NAME).card_path.read_text())
    examples = Path(card["videos"]["d0"]["path"]).parents[1]
    card["videos"] = {
        clip: {
            "path": str(examples / PATHS[clip]),
            "sha256": sha256(content).hexdigest(),
            "size": len(content),
            "frames": 16 + more,
            "rate": 25,
        }
        for more, (clip, content) in enumerate(videos.items())
    }
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    factory = partial(FetchedDataset, card=folder / "card.yaml")
    monkeypatch.setattr(fetched, "COUNT", 40)
    for task, pairs in factory().card.drawn().items():
        write_pairs(folder / f"{task}.csv", pairs)
    monkeypatch.setitem(datasets.registry._factories, NAME, factory)
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(face_clips, "find_faces", lambda clip: [np.array([[8, 8, 24, 24]])])
    with serving() as published:
        monkeypatch.setattr(official_lists, "RAW", published.url)
        for clip, content in videos.items():
            published.files[f"/{card['repository']}/{card['commit']}/{examples / PATHS[clip]}"] = content
        yield published


@pytest.fixture
def root(server, tmp_path) -> Path:
    return tmp_path / "home" / "datasets" / NAME


def path_of(server: FileServer, clip: str) -> str:
    return next(path for path in server.files if path.endswith(f"/{clip}.mp4"))


def test_videos_are_fetched_checked_and_prepared_once(bench, server, root):
    result = bench(*FETCH)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == f"videos  3 of 3 fetched   ({root / 'videos'})"
    assert lines[2:] == [
        *("made    3 of 3 clips", "there   0 of 3 clips"),
        "  cut to the square around the face: d0, d3, s13",
    ]
    assert [len(list((root / clip).glob("*.png"))) for clip in PATHS] == [16, 17, 18]
    assert read_image(root / "d3" / "0000016.png").shape == (256, 256, 3)
    assert len(server.requests) == 3
    assert "there   3 of 3 clips" in bench(*FETCH).out
    shutil.rmtree(root / "videos")
    assert bench(*FETCH).code == 0
    assert len(server.requests) == 3


def test_a_download_that_broke_off_goes_on(bench, server, root, videos, monkeypatch):
    monkeypatch.setattr(model_files, "CHUNK", 100)
    server.cut = 1000
    (root / "videos" / ".partial-killed").mkdir(parents=True)
    result = bench(*FETCH)
    assert (result.code, len(result.err.splitlines())) == (2, 2)  # a bar, and what is wrong
    assert f"cannot fetch d0.mp4 from {server.url}{path_of(server, 'd0')} (the connection broke" in result.err
    assert "made    2 of 2 clips" in result.out
    assert bench(*FETCH).code == 0
    assert [ranges for path, ranges in server.requests if path == path_of(server, "d0")] == [None, "bytes=999-"]
    assert len(server.requests) == 4
    assert (root / "videos" / "d0.mp4").read_bytes() == videos["d0"]
    assert not list(root.rglob(".partial-*"))
    assert len(list((root / "d0").glob("*.png"))) == 16


def test_another_file_is_not_kept_and_one_that_is_gone_is_named(bench, server, root):
    server.files[path_of(server, "d0")] = b"x" * len(server.files[path_of(server, "d0")])
    gone = path_of(server, "s13")
    content = server.files.pop(gone)
    result = bench(*FETCH)
    assert result.code == 2
    wrong, missing = (line for line in result.err.splitlines() if line.startswith("bench: "))
    assert "is not the published d0.mp4: it has the sha256" in wrong
    by_hand = f"download it elsewhere (sha256 {sha256(content).hexdigest()}) and put it into {root / 'videos'}"
    assert f"cannot fetch s13.mp4 from {server.url}{gone} (404 Not Found); {by_hand}" in missing
    assert "made    1 of 1 clips" in result.out
    result = bench(*RUN)
    assert "2 of 3 clips are missing (d0, s13), so " in result.err
    assert f"pairs fail; bench data fetch {NAME}\n" in result.err
    assert set(result.rows["reason"]) == {"", "missing-clip"}
    (root / "videos" / "s13.mp4").write_bytes(content)  # by hand
    assert "made    1 of 2 clips" in bench(*FETCH).out


def test_without_a_network_one_line_says_what_to_do(bench, server, root, monkeypatch):
    monkeypatch.setattr(official_lists, "RAW", "http://127.0.0.1:9")
    line = bench(*FETCH).complaint()
    assert re.search(r"d0\.mp4 from http://127\.0\.0\.1:9/KwaiVGI/.*/d0\.mp4 \(no connection\); .*sha256 \w{64}", line)
    assert (
        f"put it into {root / 'videos'}, or name a copy of https://github.com/KwaiVGI/LivePortrait with --from" in line
    )
    assert line.endswith("; not tried: 2 more")


def test_videos_that_are_there_are_known_by_their_hashes(bench, server, root, videos, tmp_path):
    copies = tmp_path / "copies" / "deeper"
    copies.mkdir(parents=True)
    (copies / "driving_d0.mp4").write_bytes(videos["d0"])
    (copies / "anything").write_bytes(videos["s13"])
    (copies / "d3.mp4").write_bytes(b"another")
    result = bench(*FETCH, "--from", copies.parent)
    assert (result.code, server.requests) == (2, [])
    assert result.out.startswith("videos  2 of 3 fetched")
    lacking = (
        f"lacks 1 of the 3 videos: d3.mp4, which has 7 bytes instead of {len(videos['d3'])}; bench data fetch {NAME}"
    )
    assert lacking in result.err.splitlines()[-1]
    assert (root / "videos" / "d0.mp4").read_bytes() == videos["d0"]
    assert bench(*FETCH).code == 0
    assert len(server.requests) == 1
    none = bench(*FETCH, "--root", tmp_path / "new", "--from", root / "d0").complaint()
    assert "lacks 3 of the 3 videos: d0.mp4; d3.mp4; s13.mp4; " in none
    assert none.endswith(f"bench data fetch {NAME} --root {tmp_path / 'new'} without --from downloads them")
    assert "nowhere is not a folder" in bench(*FETCH, "--from", "nowhere").complaint()


def test_a_run_without_data_names_the_command(bench, server, tmp_path):
    assert f"; bench data fetch {NAME} downloads and prepares them" in bench(*RUN).complaint()
    assert f"bench data fetch {NAME} --root {tmp_path / 'my'} downloads" in bench(*RUN, "--root", "my").complaint()
    prepare = bench("data", "prepare", NAME, "--raw", ".", "--out", "out").complaint()
    assert f"{NAME} is not cut by bench data prepare; bench data fetch {NAME} downloads" in prepare
    assert (
        "celebv is not among what bench data fetch downloads; get the archive"
        in bench("data", "fetch", "celebv").complaint()
    )


def test_a_clip_that_is_shorter_than_the_list_is_not_used(bench, server, root):
    assert bench(*FETCH).code == 0
    for number in range(2, 16):
        (root / "d0" / f"{number:07d}.png").unlink()
    rows = bench(*RUN, "--task", "reconstruction").rows
    assert set(rows.loc[rows["driving_clip"] == "d0", "reason"]) == {"index-beyond-clip"}
    assert set(rows.loc[rows["driving_clip"] == "d3", "reason"]) == {""}


def test_nothing_of_it_is_trained_on_or_shown(bench, server):
    assert bench(*FETCH).code == 0
    result = bench("train", "--method", "mcnet@demo", "--config", "demo", "--dataset", NAME)
    assert f"nothing is trained on {NAME}, which is for evaluation only (The repository is MIT;" in result.complaint()
    assert bench(*RUN, "--out", "run", "--save-frames").code == 0
    exported = bench("results", "export", "run", "--out", "entries")
    assert exported.err == "no thumbnail and no clip shows d0, d3, s13: no picture of these clips is published\n"
    entry = Entry.load(next(Path("entries").iterdir()))
    assert entry.info.thumbnails == ()
    assert not (entry.folder / "thumbnails").exists()
    assert bench(*RUN, "--out", "again", "--save-frames").code == 0
    figure = bench("figure", "run", "again", "--out", "figure.png").complaint()
    assert f"of all these pairs no picture may be published (bench show dataset {NAME})" in figure
