"""Checkpoints as people have them: what training programs put around the networks, values of numpy, damage."""

import json
import logging
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import checkpoint_store
from talkbench.methods.checkpoints import read_checkpoint, save_networks
from talkbench.methods.interface import Method

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def trained() -> Method:
    torch.manual_seed(5)
    return methods.create("mcnet@demo")


@pytest.fixture
def states(trained: Method) -> dict[str, State]:
    return {name: dict(network.state_dict()) for name, network in trained.networks.items()}


def prefixed(states: dict[str, State], prefix: str) -> dict[str, State]:
    return {name: {prefix + key: value for key, value in state.items()} for name, state in states.items()}


def flat(states: dict[str, State], prefix: str = "") -> State:
    return {f"{prefix}{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def assert_loads(path: Path, wanted: Method) -> None:
    loaded = methods.create("mcnet@demo", weights=path)
    for name, network in wanted.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(loaded.networks[name].state_dict()[key], value), key


def refusal(path: Path) -> str:
    """The one line by which loading and adding refuse a file, which must be the same in its beginning."""
    lines = []
    for read in (lambda: methods.create("mcnet@demo", weights=path), lambda: checkpoint_store.identify(path)):
        with pytest.raises(TalkbenchError) as caught:
            read()
        lines.append(str(caught.value))
        assert path.name in lines[-1]
        assert lines[-1].isprintable()
    return lines[0]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old serialisation"])
def test_values_of_numpy_beside_the_networks(
    trained: Method, states: dict[str, State], tmp_path: Path, zipped: bool
) -> None:
    extra = {"epoch": np.int64(3), "best": np.float64(0.5), "losses": np.zeros(3), "type": np.dtype("f4")}
    torch.save(states | extra, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    assert_loads(tmp_path / "x.pth", trained)


WRAPPED: dict[str, tuple[Callable[[dict[str, State]], dict], str]] = {
    "compiled": (lambda states: prefixed(states, "_orig_mod."), "without '_orig_mod.'"),
    "parallel, compiled": (lambda states: prefixed(states, "module._orig_mod."), "without 'module.' and '_orig_mod.'"),
    "compiled, parallel": (lambda states: prefixed(states, "_orig_mod.module."), "without 'module.' and '_orig_mod.'"),
    "Lightning": (
        lambda states: {"state_dict": flat(states), "epoch": 3, "pytorch-lightning_version": "2.5"},
        "its networks stand in 'state_dict'; the names of its networks begin its keys",
    ),
    "Lightning, attribute": (lambda states: {"state_dict": flat(states, "model.")}, "stand in 'model'"),
    "model": (lambda states: {"model": states, "epoch": 3}, "stand in 'model'"),
    "params": (lambda states: {"params": flat(prefixed(states, "module."))}, "stand in 'params'"),
    "two wrappers": (lambda states: {"model": {"state_dict": states}}, "stand in 'model'; its networks stand in 'stat"),
    "flat": (lambda states: flat(states, "module."), "the names of its networks begin its keys"),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_what_is_put_around_the_networks_is_taken_off_and_said(
    kind: str, trained: Method, states: dict[str, State], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch
) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    wrap, said = WRAPPED[kind]
    torch.save(wrap(states), tmp_path / "x.pth")
    assert_loads(tmp_path / "x.pth", trained)
    assert said in "; ".join(record.getMessage().partition(": ")[2] for record in caplog.records)
    match, file, remarks = checkpoint_store._identify(tmp_path / "x.pth", "")
    assert (match.method, file.kind) == ("mcnet@demo", "torch")
    assert said in "; ".join(remarks)


def test_a_single_network_in_a_wrapper(states: dict[str, State], tmp_path: Path) -> None:
    torch.save({"model": states["generator"], "step": torch.tensor(3)}, tmp_path / "x.pth")
    stored = read_checkpoint(tmp_path / "x.pth", "a method")
    assert stored.states[""].keys() == states["generator"].keys()
    assert stored.told([""]) == ["its networks stand in 'model'"]


def test_safetensors_with_dots_in_its_keys(trained: Method, states: dict[str, State], tmp_path: Path) -> None:
    save_file(flat(states), tmp_path / "x.safetensors")
    assert_loads(tmp_path / "x.safetensors", trained)


def test_the_prefix_of_authors_is_no_news(
    states: dict[str, State], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(prefixed(states, "module."), tmp_path / "x.pth")
    methods.create("mcnet@demo", weights=tmp_path / "x.pth")
    assert caplog.records == []
    assert "its keys are read without 'module.'" in checkpoint_store._identify(tmp_path / "x.pth", "")[2]


def test_the_contents_tell_the_format_not_the_name(
    trained: Method, states: dict[str, State], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch
) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    save_networks(trained.networks, tmp_path / "x.pth", {"method": "mcnet@demo"})
    torch.save(states, tmp_path / "y.safetensors")
    for name, said in (("x.pth", "it is safetensors"), ("y.safetensors", "it is not safetensors")):
        caplog.clear()
        assert_loads(tmp_path / name, trained)
        assert f"{name}: {said}, whatever its name says" in caplog.text
    added = checkpoint_store.add(tmp_path / "x.pth")
    assert added.path.name == "demo.safetensors"
    assert added.remarks == ("it is safetensors, whatever its name says", "its metadata says so")


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn], ids=str)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_that_are_no_floats(states: dict[str, State], tmp_path: Path, dtype: torch.dtype, suffix: str) -> None:
    states["generator"]["final.bias"] = torch.zeros(3).to(dtype)
    path = tmp_path / f"x{suffix}"
    if suffix == ".pth":
        torch.save(states, path)
    else:
        save_file(flat(states), path)
    name = str(dtype).removeprefix("torch.")
    assert f"generator has 1 entries of a wrong type: final.bias is {name}; save it as float32" in refusal(path)


def test_half_precision_is_a_float(states: dict[str, State], tmp_path: Path) -> None:
    states["generator"]["final.bias"] = torch.ones(3, dtype=torch.bfloat16)
    torch.save(states, tmp_path / "x.pth")
    loaded = methods.create("mcnet@demo", weights=tmp_path / "x.pth")
    assert torch.equal(loaded.networks["generator"].state_dict()["final.bias"], torch.ones(3))


def test_weights_that_are_nan_are_said(
    states: dict[str, State], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    states["generator"]["final.bias"] = torch.full((3,), torch.nan)
    torch.save(states, tmp_path / "x.pth")
    methods.create("mcnet@demo", weights=tmp_path / "x.pth")
    said = "generator has NaN or infinite values in 1 entries: final.bias"
    assert f"x.pth: {said}" in caplog.text
    assert said in checkpoint_store._identify(tmp_path / "x.pth", "")[2]


def test_one_key_twice(states: dict[str, State], tmp_path: Path) -> None:
    twice = {"module.final.bias": torch.zeros(3)}
    torch.save(states | {"generator": states["generator"] | twice}, tmp_path / "x.pth")
    line = "holds final.bias and module.final.bias, which are one key of generator; save one"
    assert line in refusal(tmp_path / "x.pth")
    torch.save(states | {"model": {"generator": states["generator"]}}, tmp_path / "x.pth")
    assert "holds generator in two places; save only the one that is meant" in refusal(tmp_path / "x.pth")


def quantised() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8)


STRANGE: dict[str, Callable[[dict[str, State]], dict]] = {
    "integer keys": lambda states: {"generator": dict(enumerate(states["generator"].values())), 3: {4: torch.zeros(1)}},
    "a tensor as key": lambda states: {
        torch.zeros(2): states["generator"],
        "generator": {torch.zeros(1): torch.ones(1)},
    },
    "quantised": lambda states: {**states, "generator": {**states["generator"], "final.bias": quantised()}},
    "sparse": lambda states: {**states, "generator": {"final.bias": torch.zeros(3).to_sparse()}},
    "meta": lambda states: {**states, "generator": {"final.bias": torch.zeros(3, device="meta")}},
    "nested": lambda states: {"generator": {"final.bias": torch.nested.nested_tensor([torch.zeros(2)])}},
    "escapes in a key": lambda states: {**states, "generator": {"\x1b[31m\nred\u202e": torch.zeros(1)}},
    "nothing": lambda states: {},
    "itself": lambda states: cycle(),
}


def cycle() -> dict:
    content: dict = {"generator": {"x": torch.zeros(1)}}
    content["model"] = content
    return content


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_contents_are_one_line(kind: str, states: dict[str, State], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(STRANGE[kind](states), tmp_path / "x.pth")
    line = refusal(tmp_path / "x.pth")
    if kind == "quantised":
        assert "holds no plain array in generator/final.bias (quantised or sparse)" in line


def header(metadata: object, tensors: str = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}') -> bytes:
    text = ('{"__metadata__":' + json.dumps(metadata) + f",{tensors}}}").encode()
    return struct.pack("<Q", len(text)) + text + bytes(4)


DEEP = "[" * 100_000
METADATA = {
    "no JSON": (header({"talkbench": "{"}), "the talkbench metadata of .* is not JSON"),
    "no object": (header({"talkbench": "[1]"}), "the talkbench metadata of .* is no JSON object"),
    "deep": (header({"talkbench": DEEP}), "the talkbench metadata of .* is not JSON"),
    "a long number": (header({"talkbench": '{"epochs": ' + "9" * 5000 + "}"}), "is not JSON"),
    "a method that is a list": (header({"talkbench": '{"method": ["mcnet"]}'}), "is not a checkpoint of mcnet@demo"),
    "of another kind": (header({"talkbench": 5}), "is not a readable safetensors file"),
    "deep header": (struct.pack("<Q", len(DEEP) + 5) + b'{"a":' + DEEP.encode(), "is not a readable safetensors file"),
    "unknown type": (header({}, '"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}'), "safetensors|not a checkpoint"),
    "one byte": (b"\x80", "is damaged or no checkpoint"),
    "empty": (b"", "is empty; get it anew"),
}


@pytest.mark.parametrize("kind", METADATA)
def test_strange_metadata_is_one_line(kind: str, tmp_path: Path) -> None:
    content, said = METADATA[kind]
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(TalkbenchError, match=said):
        methods.create("mcnet@demo", weights=path)
    refusal(path)


def test_epochs_that_are_no_number_are_the_first(trained: Method, tmp_path: Path) -> None:
    save_networks(trained.networks, tmp_path / "x.safetensors", {"method": "mcnet@demo", "epochs": "many"})
    assert checkpoint_store.convert_official(tmp_path / "x.safetensors")[1].name == "00000000-checkpoint.pth.tar"


def test_a_forbidden_function_is_named(tmp_path: Path) -> None:
    torch.save({"generator": logging.getLogger}, tmp_path / "x.pth")
    assert "x.pth holds more than tensors (logging.getLogger), so reading it could run its code" in refusal(
        tmp_path / "x.pth"
    )


@pytest.mark.parametrize("shape", [(), (10**12, 512), (64, 3)])
def test_the_size_of_a_network_is_not_taken_from_a_file_unseen(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """TPSM's AVD network had another size once, which is read from the file."""
    torch.save({"avd_network": {"id_encoder.9.weight": torch.zeros(()).expand(shape)}}, tmp_path / "x.pth")
    with pytest.raises(TalkbenchError, match=r"x\.pth is not a checkpoint of tpsm@demo"):
        methods.create("tpsm@demo", weights=tmp_path / "x.pth")
