"""Splits of a small data set of one's own: tasks, motion, own pair lists, paths."""

import importlib.util
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Frame, Pair

MODULE = """
from talkbench.datasets import Dataset

class Toy(Dataset):
    name = "toy"
    def prepare(self): ...
"""
CARD = "{title: Toy, tasks: {same-identity: {list: same.csv}, cross-identity: {list: cross.csv}}}"
HEADER = "source_clip,source_index,driving_clip,driving_index,reference_clip,reference_index\n"


@pytest.fixture
def toy(tmp_path):
    """A package's data set: clips ``one`` (3 frames) and ``two`` (2), and a file outside its root."""
    package, root = tmp_path / "package", tmp_path / "root"
    package.mkdir()
    (package / "toy.py").write_text(MODULE)
    (package / "card.yaml").write_text(CARD)
    (package / "same.csv").write_text(HEADER + "one,0,one,2,,\none,1,one,0,,\n")
    (package / "cross.csv").write_text(HEADER + "one,0,two,1,two,0\n")
    for clip, count in (("root/one", 3), ("root/two", 2), ("outside", 2)):
        (tmp_path / clip).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(np.full((4, 6, 3), index, np.uint8)).save(tmp_path / clip / f"{index}.png")
    spec = importlib.util.spec_from_file_location("toy", package / "toy.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy"] = module
    spec.loader.exec_module(module)
    yield module.Toy(root)
    del sys.modules["toy"]


def test_split(toy):
    split = toy.split("same-identity")
    assert toy.tasks == ("same-identity", "cross-identity")
    assert (split.dataset, split.task, split.motion, split.has_truth) == ("toy", "same-identity", "absolute", True)
    assert list(split) == [Pair(Frame("one", 0), Frame("one", 2)), Pair(Frame("one", 1), Frame("one", 0))]
    assert (len(split), split[1].source) == (2, Frame("one", 1))
    image = split.read(Frame("one", 2))
    assert (image.shape, image.dtype, image.max()) == ((4, 6, 3), np.uint8, 2)
    assert not toy.split("cross-identity").has_truth


def test_head(toy):
    split = toy.split("same-identity", motion="relative-first")
    head = split.head(1)
    assert (list(head), head.motion, head.root) == (split.pairs[:1], split.motion, split.root)
    assert head.sha256 != split.sha256 == split.head(9).sha256


def test_split_travels_to_other_processes(toy):
    split = pickle.loads(pickle.dumps(toy.split("same-identity")))  # noqa: S301
    assert split.read(split[0].driving).max() == 2


def test_motion_decides_the_reference(toy):
    splits = [toy.split("cross-identity", motion=motion) for motion in ("absolute", "relative-first", "relative-best")]
    assert [split[0].reference for split in splits] == [None, Frame("two", 0), Frame("two", 0)]
    assert splits[0].sha256 != splits[1].sha256
    assert splits[1].sha256 == splits[2].sha256


def test_relative_best_needs_references(toy):
    with pytest.raises(TalkbenchError, match=r"same\.csv does not name a reference"):
        toy.split("same-identity", motion="relative-best")


def test_own_pairs(toy, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("source_clip,source_index,driving_clip,driving_index\ntwo,1,one,2\n")
    split = toy.split("cross-identity", pairs=path, motion="relative-first")
    assert list(split) == [Pair(Frame("two", 1), Frame("one", 2), Frame("one", 0))]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("one,0,two,2,,", "line 2, column driving_index: 2 is beyond the clip 'two', whose last frame is 1"),
        ("three,0,two,0,,", "line 2, column source_clip: there is no clip"),
        ("../outside,0,two,0,,", r"line 2, column source_clip: path '../outside' leaves the data root"),
        ("{outside},0,two,0,,", "line 2, column source_clip: path .* leaves the data root"),
        ("one,0,link,0,,", "line 2, column driving_clip: path 'link' leaves the data root"),
        ("one,0,two,0,../outside,0", "line 2, column reference_clip: path .* leaves the data root"),
        ("o\0ne,0,two,0,,", "line 2, column source_clip: .*null"),
        (f"{'x' * 300},0,two,0,,", "line 2, column source_clip: .*too long"),
    ],
)
def test_own_pairs_that_do_not_fit(toy, tmp_path, row, message):
    (toy.root / "link").symlink_to(tmp_path / "outside")
    path = tmp_path / "own.csv"
    path.write_text(HEADER + row.replace("{outside}", str(tmp_path / "outside")) + "\n")
    with pytest.raises(TalkbenchError, match=message) as caught:
        toy.split("same-identity", pairs=path)
    assert str(caught.value).startswith(str(path))


def test_unknown_names_offer_the_nearest(toy):
    with pytest.raises(TalkbenchError, match="no task 'cross-identities': did you mean cross-identity"):
        toy.split("cross-identities")
    with pytest.raises(TalkbenchError, match="unknown motion 'relative': did you mean relative-"):
        toy.split("same-identity", motion="relative")
    with pytest.raises(TalkbenchError, match="unknown dataset 'demos': did you mean demo"):
        datasets.create("demos")


def test_default_root_is_in_the_cache(toy, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    assert type(toy)().root == tmp_path / "datasets" / "toy"
    assert datasets.create("demo").root == tmp_path / "datasets" / "demo-v1"
    assert datasets.create("demo", root=str(tmp_path)).root == tmp_path


def test_import_is_light():
    heavy = {"torch", "av", "PIL", "skimage", "facenet_pytorch", "feat", "rich", "yaml"}
    code = f"import sys; from talkbench import datasets; datasets.create('demo'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
