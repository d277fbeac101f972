"""The state of a training is a checkpoint of what the training would end with."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_training import make_trainer

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_checkpoint, read_metadata, save_states
from talkbench.methods.loading import load_networks
from talkbench.training.loop import Trainer

Trained = Callable[..., tuple[Trainer, Path]]


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    def run(name: str, **changes: object) -> tuple[Trainer, Path]:
        trainer = make_trainer(name, tmp_path, steps=2, **changes)
        with torch.enable_grad():
            trainer.run()
        return trainer, tmp_path / "state" / "00000002.pt"

    return run


def same(states: dict[str, dict[str, torch.Tensor]], others: dict[str, dict[str, torch.Tensor]]) -> bool:
    return states.keys() == others.keys() and all(
        state.keys() == others[name].keys()
        and all(torch.equal(value, others[name][key]) for key, value in state.items())
        for name, state in states.items()
    )


@pytest.mark.parametrize("ema", [None, 0.5])
@pytest.mark.parametrize("named", [True, False], ids=["with the names of buffers", "as states were before"])
def test_its_networks_are_those_of_the_weights_file(trained: Trained, ema: float | None, named: bool) -> None:
    trainer, path = trained("mcnet", ema=ema)
    if not named:
        content = torch.load(path)
        torch.save({key: value for key, value in content.items() if key not in ("buffers", "metadata")}, path)
    file = read_checkpoint(path, "mcnet@demo")
    assert same(file.states, trainer.states())
    averaged = ", averaged over its steps" if ema else ""
    assert file.told(file.states) == [f"its networks are those of a training at step 2{averaged}"]
    assert (file.metadata["method"], file.metadata["steps"]) == ("mcnet@demo", 2)
    assert read_metadata(path) == file.metadata
    trainer.write_weights(path.with_name("weights.safetensors"), {})
    if named:
        assert read_metadata(path.with_name("weights.safetensors"))["data"] == file.metadata["data"]


def test_a_discriminator_is_in_it(trained: Trained) -> None:
    trainer, path = trained("dagan")
    assert "discriminator" in trainer.states()
    assert same(read_checkpoint(path, "dagan").states, trainer.states())


def test_it_loads_and_another_method_is_refused_by_name(trained: Trained) -> None:
    trainer, path = trained("mcnet")
    networks = trainer.method.networks
    before = {name: {key: value.clone() for key, value in net.state_dict().items()} for name, net in networks.items()}
    for network in networks.values():
        for parameter in network.parameters():
            parameter.data.zero_()
    load_networks(networks, path, "mcnet@demo")
    assert same({name: net.state_dict() for name, net in networks.items()}, before)
    with pytest.raises(
        TalkbenchError, match=r"00000002.pt is mcnet@demo; expected mcnet@pe10: run the method it belongs"
    ):
        load_networks(networks, path, "mcnet@pe10")


def test_what_is_no_whole_state(trained: Trained) -> None:
    _, path = trained("mcnet", ema=0.5)
    content, whole = torch.load(path), path.read_bytes()
    path.write_bytes(whole[:5000])
    with pytest.raises(TalkbenchError, match=r"00000002.pt is a damaged or incomplete zip; get it anew"):
        read_checkpoint(path, "mcnet@demo")
    key = next(key for key in content["average"] if key.endswith("weight"))
    del content["average"][key]
    torch.save(content, path)
    with pytest.raises(
        TalkbenchError, match=r"is the state of a training whose average lacks \S+; take another state$"
    ):
        read_checkpoint(path, "mcnet@demo")
    torch.save({"step": 2, "config": {}, "networks": {"a": 1}}, path)
    assert read_metadata(path) == {}


def test_metadata_are_read_without_the_weights(tmp_path: Path) -> None:
    save_states({"net": {"weight": torch.zeros(1)}}, tmp_path / "a.safetensors", {"steps": 3})
    assert read_metadata(tmp_path / "a.safetensors") == {"steps": 3}
    for zipped in (True, False):
        torch.save({"net": {"weight": torch.zeros(1)}}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
        assert read_metadata(tmp_path / "a.pth") == {}
