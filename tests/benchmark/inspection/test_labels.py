"""How checkpoints are called: by training and step."""

from pathlib import Path

import pytest
import torch

from talkbench.benchmark.inspection.labels import check_once, file_ending, labels
from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import save_states


@pytest.fixture
def weights(place):
    """Writes a small file of weights of so many steps."""

    def write(name: str, **metadata: object) -> Path:
        path = place / name
        save_states({"net": {"w": torch.zeros(1)}}, path, {"method": "mcnet@demo", **metadata})
        return path

    return write


def test_one_training_at_several_steps(weights):
    files = [weights("runs/a/weights.safetensors", steps=300), weights("runs/a/best.safetensors", steps=200)]
    (files[0].parent / "state").mkdir()
    files.append(files[0].parent / "state" / "00000300.pt")
    files[2].touch()
    assert labels(files) == ["a, step 300", "a/best, step 200", "a/state, step 300"]


def test_folders_are_named_as_far_up_as_tells_them_apart(weights):
    names = ("x/run/weights", "y/run/weights", "alone/weights")
    files = [weights(f"{name}.safetensors", steps=3) for name in names]
    assert labels(files) == ["x/run, step 3", "y/run, step 3", "alone, step 3"]
    assert labels(files[:1]) == ["run, step 3"]


def test_files_that_no_training_wrote(weights, place):
    official = place / "00000099-checkpoint.pth.tar"
    official.touch()
    files = [official, weights("with.safetensors"), weights("demo.safetensors", steps=2200)]
    assert labels(files) == ["00000099-checkpoint.pth.tar", "with.safetensors", "demo.safetensors, step 2200"]


def test_any_weights_in_the_folder_of_a_training(weights, place):
    file = weights("a/kept-00000100.safetensors", steps=100)
    (place / "a" / "training.json").touch()
    assert labels([file]) == ["a/kept-00000100, step 100"]


def test_names_that_differ_in_the_ending_alone(weights):
    files = [weights("a/weights.safetensors"), weights("a/weights.pth.tar")]
    assert labels(files) != labels(files[::-1])
    assert [label.split("(")[1] for label in labels(files)] == ["weights.safetensors)", "weights.pth.tar)"]


def test_nothing_to_label():
    assert labels([]) == []


def test_a_file_by_two_paths_is_named_twice(weights, place):
    file = weights("a/weights.safetensors")
    (place / "b").symlink_to("a")
    with pytest.raises(TalkbenchError, match="named twice"):
        check_once([file, place / "b" / "weights.safetensors"])


def test_the_ends_of_file_names_tell_contents_apart():
    ending = file_ending(["mcnet@demo-demo/best, step 3"], ["1"])
    assert ending.startswith("mcnet-demo-demo-best-step-3-")
    assert ending != file_ending(["mcnet@demo-demo/best, step 3"], ["2"])
    assert len(file_ending(["long " * 100], ["1"])) < 100
    assert "/" not in file_ending(["…/ü, step 3", ".."], ["1", "2"])
