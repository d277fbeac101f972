"""`bench data best-frames`: the references that are found for a list, and their use by relative-best."""

import csv
import shutil

import numpy as np
import pytest
import synthetic_sets

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Frame, Pair
from talkbench.metrics.extractors.fan import Fan68Flip
from talkbench.metrics.extractors.mtcnn import Mtcnn5

PAIRS = [("a", 0, "b", 3), ("a", 2, "b", 3), ("b", 1, "a", 4), ("a", 6, "b", 5)]
FACELESS = 6


@pytest.fixture
def root(clips, place):
    """The clips of tiny, which bear ten times their number in the corner, where they can be written to."""
    return shutil.copytree(clips, place / "data")


@pytest.fixture
def pairs(place):
    lines = ["source_clip,source_index,driving_clip,driving_index", *(",".join(map(str, pair)) for pair in PAIRS)]
    (place / "mine.csv").write_text("\n".join(lines) + "\n")
    return place / "mine.csv"


@pytest.fixture
def landmarks(monkeypatch, request):
    """Landmarks that look alike in frames i and 7 - i of either clip; returns the frames that were looked at.

    No other test's are in the cache.
    """
    looked: list[int] = []

    def extract(self, images, base=None):
        assert images.shape[1:] == (3, 256, 256)
        rng = np.random.default_rng(0)
        shape, change = rng.uniform(60, 200, (68, 2)), rng.uniform(-1, 1, (68, 2))
        numbers = (images[:, 0, 2, 2] * 25.5).round().int().tolist()
        looked.extend(numbers)
        likeness = [abs(number - 3.5) for number in numbers]
        return [None if n == FACELESS else shape + 9 * x * change for n, x in zip(numbers, likeness, strict=True)]

    monkeypatch.setattr(Fan68Flip, "problem", lambda self: None)
    monkeypatch.setattr(Fan68Flip, "id", f"fan68-flip@{request.node.name}")
    monkeypatch.setattr(Fan68Flip, "extract", extract)
    return looked


@pytest.fixture
def search(bench, root, pairs):
    return lambda *options: bench("data", "best-frames", "tiny", "--root", root, "--pairs", pairs, *options)


def test_the_list_and_its_use(search, bench, root, pairs, landmarks):
    """Each frame's likeness is its own, then that of its mirror image; frame 6 and so its pair have no face."""
    result = search()
    assert result.code == 0, result.err
    path = root / "lists" / "mine-best-fan68-flip.csv"
    assert result.out == f"list    {path}   (best frames of 3 of 4 pairs)\n"
    assert "warning: 1 of 4 pairs have no best frame" in result.err
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["reference_clip"], row["reference_index"]) for row in rows] == [
        ("b", "0"), ("b", "2"), ("a", "1"), ("b", "0"),
    ]  # fmt: skip
    assert {row["reference_by"] for row in rows} == {"fan68-flip@test_the_list_and_its_use@v1"}
    split = datasets.create("tiny", root=root).split("cross-identity", pairs=pairs, motion="relative-best")
    assert split[0] == Pair(Frame("a", 0), Frame("b", 3), Frame("b", 0))
    assert split.note.endswith(f"the reference frames are those of {path}")
    ran = bench(
        "run", "--method", "blend", "--dataset", "tiny", "--root", root, "--pairs", pairs, "--metrics", "l1",
        "--task", "same-identity", "--motion", "relative-best",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert f"the reference frames are those of {path}" in ran.err
    assert ran.record.dataset.pairs_sha256 == split.sha256


def test_each_frame_is_looked_at_once(search, landmarks):
    """Both in one search and in the next."""
    assert search("--batch-size", 3).code == 0
    first = list(landmarks)
    assert 0 < len(first) <= 16
    assert search("--out", "other.csv").code == 0
    assert landmarks == first


def test_all_images_of_a_person_are_the_video_of_celebv(bench, place, monkeypatch):
    """Their numbers begin anywhere; where there is no face the first of them is taken (docs/specs/evaluation.md 7)."""
    root = synthetic_sets.make(place / "celebv", "celebv", frames=4)
    synthetic_sets.accept(monkeypatch)
    shape = np.random.default_rng(0).uniform(60, 200, (68, 2))
    monkeypatch.setattr(Fan68Flip, "problem", lambda self: None)
    monkeypatch.setattr(Fan68Flip, "id", "fan68-flip@celebv")
    monkeypatch.setattr(Fan68Flip, "extract", lambda self, images, base=None: [shape, *[None] * (len(images) - 1)])
    result = bench("data", "best-frames", "celebv", "--root", root)
    assert result.code == 0, result.err
    data = datasets.create("celebv", root=root)
    split = data.split("cross-identity", motion="relative-best")
    assert split.note.endswith("-best-fan68-flip.csv")
    for pair in split:
        assert pair.reference.clip == pair.driving.clip
        assert pair.reference.index in data.store.open(pair.driving.clip).numbers
        assert data.read(pair.reference).shape == (64, 64, 3)


def test_what_cannot_be_read_costs_its_own_pairs(search, root, landmarks):
    (root / "b" / "0.png").write_bytes(b"no image")
    assert "best frames of 3 of 4 pairs" in search().out
    again = search("--pairs", "gone.csv")
    assert "gone.csv" in again.complaint()


def test_the_file_of_another_list_is_refused(search, root, pairs, landmarks):
    assert search().code == 0
    pairs.write_text(pairs.read_text().replace("a,2,b,3", "a,3,b,3"))
    data = datasets.create("tiny", root=root)
    with pytest.raises(TalkbenchError, match="was made for other pairs; make it anew"):
        data.split("cross-identity", pairs=pairs, motion="relative-best")
    assert data.split("cross-identity", pairs=pairs)[0].reference is None


def test_mtcnn_takes_its_place_aloud(search, root, monkeypatch):
    shape = np.random.default_rng(0).uniform(60, 200, (7, 2))
    monkeypatch.setattr(Mtcnn5, "problem", lambda self: None)
    monkeypatch.setattr(Mtcnn5, "id", "mtcnn5@test")
    monkeypatch.setattr(Mtcnn5, "extract", lambda self, images, base=None: [shape] * len(images))
    result = search()
    assert "warning: fan68-flip needs " in result.err
    assert "the best frame is searched by mtcnn5" in result.err
    assert (root / "lists" / "mine-best-mtcnn5.csv").is_file()


def test_data_without_a_face(search, root, landmarks, monkeypatch):
    monkeypatch.setattr(Fan68Flip, "extract", lambda self, images, base=None: [None] * len(images))
    result = search()
    assert result.code == 2
    assert "has a best frame: clips are missing or show no face" in result.err.splitlines()[-1]
    assert not (root / "lists").exists()


def test_a_list_with_all_references_needs_none(bench, root):
    complaint = bench("data", "best-frames", "tiny", "--root", root).complaint()
    assert "names a reference frame for every pair; use it with --motion relative-best" in complaint
