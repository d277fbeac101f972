"""The part of every data set that training may use: what is in it, what is kept out, and what is wrong named."""

import os

import pytest
import synthetic_sets

from talkbench import datasets
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets import Frame

TRAINED = ("voxceleb1", "voxceleb2", "hdtf", "ted-talks", "folder")


@pytest.fixture(autouse=True)
def published(monkeypatch):
    synthetic_sets.accept(monkeypatch)


@pytest.fixture
def made(tmp_path):
    """Makes a data set with a test part and a training part of four clips of two people."""

    def make(name, **options):
        small = {"frames": 3, "size": 16} | options
        if name != "folder":
            synthetic_sets.make(tmp_path / name, name, pairs=4, **small)
        return datasets.create(name, synthetic_sets.make_training(tmp_path / name, name, **small))

    return make


def bare(root, *clips, frames=2):
    """Clips whose frames are empty files."""
    for clip in clips:
        (root / clip).mkdir(parents=True)
        for index in range(frames):
            (root / clip / f"{index:07d}.png").touch()


def clips_tested(data):
    return {frame.clip for pair in data.split(data.tasks[0]) for frame in (pair.source, pair.driving)}


@pytest.mark.parametrize("videos", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_training_clips_are_found_and_read(made, name, videos):
    data = made(name, videos=videos)
    clips = data.training_clips()
    assert clips == sorted(synthetic_sets.training_names(name))
    assert len({data.identity(clip) for clip in clips}) == 2
    assert [list(data.training_numbers(clip)) for clip in clips] == [[0, 1, 2]] * 4
    assert all(data.read(Frame(clip, 2)).shape == (16, 16, 3) for clip in clips)
    data.check_training(clips)


@pytest.mark.parametrize("name", ["voxceleb1", "hdtf", "ted-talks"])
def test_nothing_of_the_test_part_is_trained_on(made, name):
    data = made(name)
    clips = data.training_clips()
    people = {data.identity(clip) for clip in clips_tested(data)}
    assert people
    assert not people & {data.identity(clip) for clip in clips}


@pytest.mark.parametrize(
    ("name", "clips", "trained"),
    [
        ("voxceleb1", ("id10001#{}", "id10285#{}", "id10306#{}", "test/id10002#{}"), "id10001#{}"),
        ("voxceleb1", ("train/id10001#{}", "train/id10285#{}", "id10003#{}"), "train/id10001#{}"),
        ("ted-talks", ("train/zzzzzzzzzzz{}", "train/A2DzsgJSwcc{}", "test/yyyyyyyyyyy{}"), "train/zzzzzzzzzzz{}"),
        ("ted-talks", ("zzzzzzzzzzz{}", "A2DzsgJSwcc{}", "test/yyyyyyyyyyy{}"), "zzzzzzzzzzz{}"),
        ("voxceleb2", ("dev/mp4/id00012/{}/00001", "mp4/id00017/{}/00001"), "dev/mp4/id00012/{}/00001"),
        ("folder", ("anna/one", "test/ben/one"), "anna/one"),
        ("folder", ("carl/one", "test/ben/one", "train/anna/one"), "train/anna/one"),
    ],
)
def test_which_clips_are_for_training(tmp_path, name, clips, trained):
    tails = {"voxceleb1": "Zbz058o9j6s#004557#004656.mp4", "ted-talks": "#009831#010018.mp4"}
    tail = tails.get(name, "5MkXgwdrmJw")
    bare(tmp_path, *(clip.format(tail) for clip in clips))
    assert datasets.create(name, tmp_path).training_clips() == [trained.format(tail)]


def test_hdtf_needs_its_lists_to_tell_what_is_tested(made):
    data = made("hdtf")
    (data.root / "lists" / "HDTF_cross_id_v2 copy.csv").unlink()
    with pytest.raises(TalkbenchError, match=r"the list hdtf-cross of hdtf is not in .*; bench data fetch-lists hdtf"):
        data.training_clips()


@pytest.mark.parametrize(
    ("clip", "identity"),
    [
        ("voxceleb1 train/id10001#Zbz058o9j6s#004557#004656.mp4", "id10001"),
        ("voxceleb2 dev/mp4/id00012/5MkXgwdrmJw/00001", "id00012"),
        ("hdtf train/WDA_ScottPeters0_000.mp4", "ScottPeters"),
        ("ted-talks train/A2DzsgJSwcc#009831#010018.mp4", "A2DzsgJSwcc"),
        ("folder train/anna/one.mp4", "anna"),
        ("folder train/one.mp4", "one.mp4"),
    ],
)
def test_who_is_in_a_training_clip(clip, identity):
    name, clip = clip.split()
    assert datasets.create(name).identity(clip) == identity


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("celebv", "celebv has no training part; choose another one"),
        ("voxceleb1", "no clip for training in .*bench data prepare voxceleb1, then name its folder with --root"),
        ("voxceleb2", "there is no folder .*/dev with clips for training; .*for training get the dev part"),
        ("ted-talks", "no clip for training in .*bench data prepare ted-talks"),
        ("folder", "no videos and no frames for training; add some"),
    ],
)
def test_no_training_part(tmp_path, name, message):
    bare(tmp_path, "test/mp4/id00017/5MkXgwdrmJw/00001")
    with pytest.raises(TalkbenchError, match=message):
        datasets.create(name, tmp_path).training_clips()


@pytest.mark.parametrize("name", TRAINED)
def test_no_data_at_all(tmp_path, name):
    with pytest.raises(TalkbenchError, match=r"there is no folder .*/nowhere; "):
        datasets.create(name, tmp_path / "nowhere").training_clips()


def test_a_clip_of_one_frame_is_named(tmp_path):
    anna, short, empty = (f"id1000{n}#Zbz058o9j6s#004557#004656.mp4" for n in range(3))
    bare(tmp_path, anna)
    bare(tmp_path, short, frames=1)
    bare(tmp_path, empty, frames=0)
    data = datasets.create("voxceleb1", tmp_path)
    with pytest.raises(
        PairError, match=rf"{short} has one frame, and training takes pairs; remove such clips"
    ) as caught:
        data.training_numbers(short)
    assert caught.value.reason == "short-clip"
    with pytest.raises(TalkbenchError, match=r"no clip of id10001, id10002 has two frames, .*prepare them anew"):
        data.check_training(data.training_clips())
    bare(tmp_path, short.replace("4557", "4000"), empty.replace("4557", "5000"))
    data.check_training(data.training_clips())


def test_nothing_is_listed_that_need_not_be(tmp_path, monkeypatch):
    clips = [f"train/id1{n // 2:04d}#Zbz058o9j6s#{n:06d}#004656.mp4" for n in range(20)]
    bare(tmp_path, *clips)
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: looked.append(place) or scandir(place))
    data = datasets.create("voxceleb1", tmp_path)
    assert data.training_clips() == clips
    assert looked == [tmp_path / "train"]
    data.check_training(clips)
    assert looked[1:] == [tmp_path / clip for clip in clips[::2]]
