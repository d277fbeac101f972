"""What may go wrong in a training: each ends with one line, and nothing that was reached is lost."""

from pathlib import Path

import pytest
import torch

from talkbench.core.errors import TalkbenchError
from talkbench.training.config import load_config
from talkbench.training.losses import load_vgg19
from talkbench.training.world import join


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lr", -1, "lr: Input should be greater than 0"),
        ("lr", float("inf"), "lr: Input should be a finite number"),
        ("epochs", 0, "epochs: Input should be greater than 0"),
        ("epochs", "many", "epochs: Input should be a valid integer"),
        ("milestones", [-3], "milestones.0: Input should be greater than or equal to 0"),
        ("seed", 1 << 40, "seed: Input should be less than 2147483648"),
        ("precision", "fp8", "precision: Input should be 'float32' or 'bf16'"),
        ("weights.consistency", -1, "weights.consistency: Input should be greater than or equal to 0"),
        ("weights.consistency", float("nan"), "weights.consistency: Input should be"),
        ("weights", 3, "weights: Input should be a valid dictionary"),
        ("lr.x", 3, "lr.x: lr has no entries of its own"),
    ],
)
def test_an_entry_that_makes_no_sense(key: str, value: object, message: str) -> None:
    with pytest.raises(TalkbenchError, match=f"^training config mcnet/demo: {message}"):
        load_config("mcnet/demo", {key: value})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a page of a dead link", "vgg.pth is damaged or no checkpoint"),
        ({"a": torch.zeros(1)}, "vgg.pth does not hold torchvision's VGG-19 .32 missing keys: "),
        ({"features.0.weight": torch.zeros(1)}, "31 missing keys: .*; 1 misshapen keys: 0.weight"),
    ],
)
def test_another_file_in_the_place_of_vgg19(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "vgg.pth"
    if isinstance(content, str):
        path.write_text(content)
    else:
        torch.save(content, path)
    with pytest.raises(TalkbenchError, match=message):
        load_vgg19(path)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("two", "WORLD_SIZE=two is no number of processes; unset it"),
        ("0", "WORLD_SIZE=0 is no number of processes; unset it"),
        ("2", "WORLD_SIZE=2, but no RANK; unset it, or start the processes with torchrun"),
    ],
)
def test_an_environment_that_torchrun_does_not_make(monkeypatch: pytest.MonkeyPatch, size: str, message: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(TalkbenchError, match=message), join(torch.device("cpu")):
        pass
