"""Checkpoints: the authors' layouts load, everything else is named and refused."""

import pickle
from pathlib import Path

import pytest
import torch

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.methods import cards
from talkbench.methods.checkpoints import read_metadata, save_networks
from talkbench.methods.interface import Method


@pytest.fixture(scope="module")
def trained() -> Method:
    torch.manual_seed(5)
    return methods.create("mcnet@demo")


def official(method: Method, prefix: str = "module.") -> dict[str, object]:
    """The dictionary that the authors' trainer saves."""
    states = {
        name: {prefix + key: value for key, value in network.state_dict().items()}
        for name, network in method.networks.items()
    }
    optimiser = torch.optim.Adam(method.networks["kp_detector"].parameters()).state_dict()
    return {**states, "discriminator": {f"{prefix}x": torch.zeros(2)}, "optimizer_kp_detector": optimiser, "epoch": 99}


def assert_same_weights(found: Method, wanted: Method) -> None:
    for name, network in wanted.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(found.networks[name].state_dict()[key], value), key


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old serialisation"])
@pytest.mark.parametrize("prefix", ["module.", ""], ids=["wrapped", "bare"])
def test_the_authors_layout_loads(trained: Method, tmp_path: Path, prefix: str, zipped: bool) -> None:
    path = tmp_path / "00000099-checkpoint.pth.tar"
    torch.save(official(trained, prefix), path, _use_new_zipfile_serialization=zipped)
    loaded = methods.create("mcnet@demo", weights=path)
    assert_same_weights(loaded, trained)
    assert loaded.checkpoint_sha256 == sha256_file(path)


def test_ours_carry_their_metadata(trained: Method, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_networks(trained.networks, path, {"steps": 12})
    assert_same_weights(methods.create("mcnet@demo", weights=path), trained)
    assert read_metadata(path) == {"steps": 12}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TalkbenchError, match=r"nowhere\.pth\.tar does not exist"):
        methods.create("mcnet@demo", weights=tmp_path / "nowhere.pth.tar")


@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(trained: Method, tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"half{suffix}"
    if suffix == ".safetensors":
        save_networks(trained.networks, path, {})
    else:
        torch.save(official(trained), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TalkbenchError, match="half") as caught:
        methods.create("mcnet@demo", weights=path)
    assert "\n" not in str(caught.value)


def test_another_configuration_is_told_by_its_keys(trained: Method, tmp_path: Path) -> None:
    state = official(trained)
    generator = dict(state["generator"])
    generator.pop("module.final.bias")
    generator["module.extra"] = torch.zeros(1)
    generator["module.final.weight"] = torch.zeros(3, 99, 7, 7)
    torch.save({**state, "generator": generator}, tmp_path / "other.pth.tar")
    with pytest.raises(TalkbenchError) as caught:
        methods.create("mcnet@demo", weights=tmp_path / "other.pth.tar")
    message = str(caught.value)
    assert "1 missing keys: final.bias" in message
    assert "1 unexpected keys: extra" in message
    assert "1 misshapen keys: final.weight (3, 99, 7, 7) instead of (3, 12, 7, 7)" in message


def test_another_method_is_told_by_its_parts(tmp_path: Path) -> None:
    torch.save({"encoder": {"x": torch.zeros(1)}}, tmp_path / "depth.pth")
    with pytest.raises(TalkbenchError, match=r"no kp_detector, generator among its parts \(encoder\)"):
        methods.create("mcnet@demo", weights=tmp_path / "depth.pth")


def test_a_checkpoint_that_is_no_dictionary(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(TalkbenchError, match="holds a Tensor"):
        methods.create("mcnet@demo", weights=tmp_path / "tensor.pth")


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("writer", ["torch", "torch, old", "pickle"])
def test_code_in_a_file_does_not_run(tmp_path: Path, writer: str) -> None:
    path, mark = tmp_path / "evil.pth.tar", tmp_path / "it-ran"
    if writer == "pickle":
        path.write_bytes(pickle.dumps({"generator": Malicious(mark)}))
    else:
        torch.save({"generator": Malicious(mark)}, path, _use_new_zipfile_serialization=writer == "torch")
    with pytest.raises(TalkbenchError, match=r"refused|damaged") as caught:
        methods.create("mcnet@demo", weights=path)
    assert not mark.exists()
    assert "\n" not in str(caught.value)


def test_a_bare_name_falls_back_to_the_demo_weights_aloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    found = cards.find_weights("mcnet")
    assert found.method == "mcnet@demo"
    assert found.path is not None
    assert found.path.name == "demo.safetensors"
    for part in ("00000099-checkpoint.pth.tar", "ICCV2023-MCNET", str(tmp_path / "weights" / "mcnet"), "mcnet@demo"):
        assert part in found.note


def test_official_weights_in_the_cache_are_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    path = tmp_path / "weights" / "mcnet" / "00000099-checkpoint.pth.tar"
    path.parent.mkdir(parents=True)
    path.touch()
    assert cards.find_weights("mcnet") == cards.Weights("mcnet", path, cards.card("mcnet").weights.source)


def test_a_variant_without_published_weights_says_so() -> None:
    with pytest.raises(TalkbenchError, match=r"no weights of mcnet@pe10 are published"):
        cards.find_weights("mcnet@pe10")


def test_a_named_checkpoint_comes_first(tmp_path: Path) -> None:
    found = cards.find_weights("mcnet@pe10", tmp_path / "mine.pth.tar")
    assert (found.method, found.path) == ("mcnet@pe10", tmp_path / "mine.pth.tar")


def test_every_method_is_described_by_its_card() -> None:
    for name in methods.registry.names():
        assert len(cards.describe(name)) > 10


def test_the_cards_count_of_parameters() -> None:
    with torch.device("meta"):
        mcnet = methods.create("mcnet")
    count = sum(p.numel() for network in mcnet.networks.values() for p in network.parameters())
    assert cards.card("mcnet").parameters == count
