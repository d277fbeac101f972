"""The state of a training is a checkpoint of what the training would end with."""

import copy
from pathlib import Path

import pytest
import torch
from small_training import make_trainer
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_checkpoint, read_metadata, save_states
from talkbench.methods.loading import load_networks
from talkbench.training.loop import Trainer

States = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Path]:
    """Two steps, with an average, and the state after them."""
    folder = tmp_path_factory.mktemp("training")
    with torch.enable_grad():
        trainer = make_trainer("mcnet", folder, steps=2, ema=0.5)
        trainer.run()
    return trainer, folder / "state" / "00000002.pt"


def changed(trained: tuple[Trainer, Path], folder: Path, **changes: object) -> Path:
    """The state with other entries; None: without."""
    content = {**torch.load(trained[1], weights_only=True), **changes}
    path = folder / "00000002.pt"
    torch.save({key: value for key, value in content.items() if value is not None}, path)
    return path


def same(states: States, others: States) -> bool:
    return {name: state.keys() for name, state in states.items()} == {
        name: state.keys() for name, state in others.items()
    } and all(torch.equal(value, others[name][key]) for name, state in states.items() for key, value in state.items())


def test_its_networks_and_metadata_are_those_of_the_weights_file(trained: tuple[Trainer, Path], tmp_path: Path) -> None:
    trainer, path = trained
    file = read_checkpoint(path, "mcnet@demo")
    assert same(file.states, trainer.states())
    assert file.told(file.states) == ["its networks are those of a training at step 2, averaged over its steps"]
    trainer.write_weights(tmp_path / "weights.safetensors", {})
    assert read_metadata(path)["data"] == read_metadata(tmp_path / "weights.safetensors")["data"]
    older = changed(trained, tmp_path, buffers=None, metadata=None)
    assert same(read_checkpoint(older, "mcnet@demo").states, trainer.states())
    metadata = read_metadata(older)
    assert (metadata["method"], metadata["steps"], metadata["config"]["ema"]) == ("mcnet@demo", 2, 0.5)


def test_without_an_average_they_are_the_last_and_a_discriminator_is_with_them(
    trained: tuple[Trainer, Path], tmp_path: Path
) -> None:
    judge = {"discriminator.down.weight": torch.ones(2)}
    file = read_checkpoint(changed(trained, tmp_path, average=None, opponents=judge), "mcnet@demo")
    last = {name: dict(network.state_dict()) for name, network in trained[0].networks.items()}
    assert same(file.states, {**last, "discriminator": {"down.weight": torch.ones(2)}})
    assert file.told(file.states) == ["its networks are those of a training at step 2"]


def test_it_loads_and_another_method_is_refused_by_name(trained: tuple[Trainer, Path]) -> None:
    trainer, path = trained
    networks = copy.deepcopy(trainer.method.networks)
    load_networks(networks, path, "mcnet@demo")
    assert same({name: dict(network.state_dict()) for name, network in networks.items()}, trainer.states())
    with pytest.raises(TalkbenchError, match="pt is mcnet@demo; expected mcnet@pe10: name the method it belongs to"):
        load_networks(networks, path, "mcnet@pe10")


def test_what_is_no_whole_state(trained: tuple[Trainer, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.pt"
    cut.write_bytes(trained[1].read_bytes()[:5000])
    with pytest.raises(TalkbenchError, match=r"cut.pt is a damaged or incomplete zip; get it anew"):
        read_checkpoint(cut, "mcnet@demo")
    lacking = changed(trained, tmp_path, average={"n_averaged": torch.tensor(2)})
    with pytest.raises(
        TalkbenchError, match=r"is the state of a training whose average lacks \S+; take another state$"
    ):
        read_checkpoint(lacking, "mcnet@demo")
    assert read_metadata(changed(trained, tmp_path, networks={"a": 1})) == {}


def test_metadata_are_read_without_the_weights(tmp_path: Path) -> None:
    save_states({"net": {"weight": torch.zeros(1)}}, tmp_path / "a.safetensors", {"steps": 3})
    assert read_metadata(tmp_path / "a.safetensors") == {"steps": 3}
    for zipped in (True, False):
        torch.save({"net": {"weight": torch.zeros(1)}}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
        assert read_metadata(tmp_path / "a.pth") == {}
