"""What a training begins with: the stage before, another configuration, files of networks that do not learn."""

from pathlib import Path

import pytest
import torch
from toy_training import SIZE

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import dagan, fomm
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.checkpoints import save_networks
from talkbench.methods.dagan.model import DaGANConfig
from talkbench.methods.fomm import FOMMConfig
from talkbench.training import objectives
from talkbench.training.beginning import start
from talkbench.training.config import TrainConfig, load_config

SHAPE = HourglassConfig(8, max_features=16, num_blocks=2, scale_factor=0.5)


@pytest.mark.parametrize("recipe", ["tpsm/avd-demo", "tpsm/avd", "mraa/avd"])
def test_a_second_stage_before_the_first(recipe: str) -> None:
    config = load_config(recipe)
    with pytest.raises(TalkbenchError, match=r"^stages out of order: train the main model first, and name its weights"):
        start(config, None, False, print)


def test_a_second_stage_goes_on_from_weights_or_from_its_own_state(tmp_path: Path) -> None:
    config = load_config("tpsm/avd-demo")
    path = tmp_path / "weights.safetensors"
    main = methods.create("tpsm@demo")
    networks = {name: network for name, network in main.networks.items() if name != "avd_network"}
    save_networks(networks, path, {"method": "tpsm@demo"})
    begun = start(config, path, False, print)
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(begun.networks[name].state_dict()[key], value)
    assert start(config, None, True, print).checkpoint_sha256 is None


def test_a_stage_that_there_is_not() -> None:
    with pytest.raises(TalkbenchError, match=r"^fomm is not trained in a stage 'avd': known: main"):
        objectives.find(methods.class_of("fomm"), "fomm", "avd")
    with pytest.raises(TalkbenchError, match=r"^tpsm is not trained in a stage 'advd': did you mean avd"):
        objectives.find(methods.class_of("tpsm"), "tpsm", "advd")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """FOMM's configurations take milliseconds."""
    for name, conditional in (("vox-256", False), ("vox-adv", True)):
        own = FOMMConfig(resolution=SIZE, kp_detector=SHAPE, dense_motion=SHAPE, block_expansion=8, max_features=32,
                         conditional_discriminator=conditional)  # fmt: skip
        monkeypatch.setitem(fomm.VARIANTS, name, own)


def test_fine_tuning_takes_the_weights_of_the_other_configuration(small: None, tmp_path: Path) -> None:
    config, said = load_config("fomm/vox-adv"), []
    plain, path = methods.create("fomm@vox-256"), tmp_path / "weights.safetensors"
    save_networks(plain.networks, path, {"method": "fomm@vox-256"})
    begun = start(config, path, False, said.append)
    assert said == [f"{path} is fomm@vox-256, which becomes fomm@vox-adv"]
    assert (begun.name, len(begun.checkpoint_sha256)) == ("fomm@vox-adv", 64)
    assert torch.equal(begun.generator.final.weight, plain.generator.final.weight)
    save_networks(plain.networks, path, {"method": "fomm@vox-adv"})
    assert start(config, path, False, said.append).name == "fomm@vox-adv"
    assert len(said) == 1
    save_networks(plain.networks, path, {"method": "fomm@taichi"})
    with pytest.raises(TalkbenchError, match="is fomm@taichi; expected fomm@vox-adv"):
        start(config, path, False, said.append)


def test_a_depth_network_is_loaded_or_missed_aloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    tiny = DaGANConfig(
        resolution=64, num_kp=5, kp_detector=SHAPE, dense_motion=SHAPE, block_expansion=8, max_features=32
    )
    monkeypatch.setitem(dagan.VARIANTS, dagan.DEFAULT, tiny)
    config = TrainConfig(method="dagan", dataset="toy", epochs=1, batch_size=2)
    other, said = methods.create("dagan"), []
    folder = tmp_path / "weights" / "dagan" / "depth_resnet18"
    folder.mkdir(parents=True)
    encoder = {**other.depth_encoder.state_dict(), "height": 256}
    torch.save(encoder, folder / "encoder.pth")
    begun = start(config, None, False, said.append)
    assert [line.split(" (")[0] for line in said] == ["no depth.pth"]
    assert torch.equal(begun.depth_encoder.encoder.conv1.weight, other.depth_encoder.encoder.conv1.weight)
    torch.save({"x": torch.zeros(1)}, folder / "depth.pth")
    with pytest.raises(TalkbenchError, match=r"depth.pth is not the depth_decoder of dagan \(\d+ missing keys"):
        start(config, None, False, said.append)
