"""`bench train` on several data sets, and on packed ones."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import synthetic_sets
from toy_training import SIZE, tiny, unmeasured

from talkbench.benchmark.evaluation.leakage import leakage
from talkbench.benchmark.evaluation.trainings import read_training
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.cards import Weights
from talkbench.methods.checkpoints import read_metadata
from talkbench.training import session


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with folders of two data sets, of two people each."""
    for name in ("folder", "voxceleb2"):
        synthetic_sets.make_training(tmp_path / "data" / name, name, frames=20, size=SIZE)
    return tmp_path / "data"


@pytest.fixture
def train(bench, monkeypatch) -> Callable:
    """Trains the tiny model for two steps."""
    model = tiny()
    monkeypatch.setattr(session.methods, "create", lambda name, weights=None: copy.deepcopy(model))
    settings = ("repeats=2", "epochs=1", "batch_size=4", "jitter=0", "validation=2", "schedule=milestones")
    usual = ["train", "--method", "mcnet@demo", "--config", "demo", "--device", "cpu"]
    usual += [word for one in settings for word in ("--set", one)]
    return lambda *options: bench(*usual, *options)


def test_two_data_sets(train, data, place):
    result = train("--dataset", "folder,voxceleb2", "--root", data)
    assert result.code == 0, result.err
    folder = place / "checkpoints" / "mcnet@demo-folder+voxceleb2"
    assert result.out == f"weights {folder.relative_to(place)}/weights.safetensors\n"
    assert json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["step"] == 4
    config = read_metadata(folder / "weights.safetensors")["config"]
    assert config["dataset"] == "folder,voxceleb2"
    weights = Weights("mcnet@demo", folder / "weights.safetensors", "own")
    pairs = [Pair(Frame("a", 0), Frame("a", 1))]
    for name, seen in (("voxceleb2", True), ("voxceleb1", False)):
        split = Split(name, "same-identity", "absolute", place, pairs, videos_named=True)
        words = leakage(weights, split, read_training(weights)).words
        assert (f"was trained on {name}" in words) == seen
    roots = ("--root", f"voxceleb2={data / 'voxceleb2'}", "--root", f"folder={data / 'folder'}")
    again = train("--dataset", "folder,voxceleb2", *roots, "--set", "epochs=2")
    assert again.code == 0, again.err
    assert f"continuing {folder.relative_to(place)} at step 4" in again.err


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("folder,liveportrait-samples",), "nothing is trained on liveportrait-samples, which is for evaluation only"),
        (("folder,nothing",), "unknown dataset 'nothing'"),
        (("folder,folder",), "dataset: name each data set once, with commas between"),
        (("folder,voxceleb2", "--root", "data"), "there is no folder"),
        (("folder,voxceleb2", "--root", "folder=a", "--root", "b"), "which data set it is of, NAME=FOLDER"),
        (("folder,voxceleb2", "--root", "folder=a", "--root", "folder=b"), "say once of each folder"),
        (("folder,voxceleb2", "--root", "hdtf=a"), "--root names a folder of hdtf, which is not trained on"),
        (("folder,voxceleb2", "--set", "shares={hdtf: 2}"), "hdtf is none of them"),
    ],
)
def test_what_is_refused(train, options, fault):
    assert fault in train("--dataset", *options).complaint()


def test_a_run_takes_what_a_training_on_several_sets_held_out(bench, train, data, place):
    assert train("--dataset", "folder,voxceleb2", "--root", data, "--out", "out").code == 0
    run = ["run", "--method", "mcnet@demo", "--dataset", "folder", "--root", data / "folder", "--metrics", "l1"]
    run += ["--checkpoint", "out/weights.safetensors", "--device", "cpu", "--limit", "2", "--out", "run"]
    result = bench(*run, "--split", "held-out")
    assert result.code == 0, result.err
    assert "these pairs are of 8 frames in 4 clips that the training of the weights held out" in result.err


def test_an_ablation_has_one_data_set(bench, data):
    result = bench("train", "--ablation", "table2", "--config", "demo", "--dataset", "folder,voxceleb2", "--root", data)
    assert result.code == 2
    assert "it would be scored on one data set; leave voxceleb2 out" in result.out


def test_packed_clips_train_to_the_same_weights(bench, train, data, place):
    assert bench("data", "pack", "folder", "--root", data / "folder", "--out", "packed", "--workers", 1).code == 0
    for root, out in ((data / "folder", "plain"), ("packed", "again")):
        result = train("--dataset", "folder", "--root", root, "--out", out)
        assert result.code == 0, result.err
    first, second = (unmeasured(place / out) for out in ("plain", "again"))
    assert first == second
    on = train("--dataset", "folder", "--root", "packed", "--out", "plain", "--set", "epochs=2")
    assert on.code == 0, on.err
    assert "continuing plain at step" in on.err
