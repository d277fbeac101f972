"""Weight files that fit, those that are refused in one line, and settings that stand after a network ran."""

import os
import random
import re
import subprocess
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from unchanged import unchanged

from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import RemoteFile
from talkbench.metrics import weights
from talkbench.metrics.networks import fill, isolated, read_state

NAME, WHAT = "body-pose", "a small network"


@pytest.fixture
def network():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


@pytest.fixture
def path(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    path = weights.store() / weights.files()[NAME].path
    path.parent.mkdir(parents=True)
    return path


def refusal(path, reason, remedy="bench weights add FILE --as body-pose"):
    return f"^{re.escape(str(path))} is not {WHAT} \\({reason}.*\\); delete it and fetch it anew: {remedy}$"


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_fills_the_network(network, path, prefix, zipped):
    state = {prefix + key: torch.full_like(value, 2) for key, value in network.state_dict().items()}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    filled = fill(network, read_state(NAME, WHAT), NAME, WHAT)
    assert all(torch.all(value == 2) for value in filled.state_dict().values())
    assert not filled.training
    assert not any(parameter.requires_grad for parameter in filled.parameters())


def test_counters_of_batch_normalisation_may_lack(network):
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    fill(network, state, NAME, WHAT)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"0.bias": None}, r'Missing key\(s\) in state_dict: "0.bias"'),
        ({"2.weight": torch.zeros(1)}, r'Unexpected key\(s\) in state_dict: "2.weight"'),
        ({"0.bias": torch.zeros(5)}, "size mismatch for 0.bias"),
        ({f"{i}.weight": torch.zeros(1) for i in range(2, 99)}, "Unexpected key.*…"),
        ({"0.bias": torch.zeros(4).long()}, "0.bias is torch.int64"),
    ],
)
def test_weights_of_another_network_are_refused(network, path, change, reason):
    path.touch()
    state = {key: value for key, value in (network.state_dict() | change).items() if value is not None}
    with pytest.raises(TalkbenchError, match=refusal(path, reason)):
        fill(network, state, NAME, WHAT)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(network, path, share, zipped):
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(TalkbenchError, match=refusal(path, "")):
        read_state(NAME, WHAT)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, nn.Linear(1, 1), subprocess.run])
def test_what_is_no_state_dict_is_refused_and_never_run(path, content):
    torch.save(content, path)
    with pytest.raises(TalkbenchError, match=refusal(path, "")):
        read_state(NAME, WHAT)


@pytest.mark.parametrize("content", [b"<html>not found</html>", b""])
def test_what_no_one_can_read_is_refused(path, content, monkeypatch):
    monkeypatch.setattr(RemoteFile, "fault", lambda self, path: None)
    path.write_bytes(content)
    with pytest.raises(TalkbenchError, match=refusal(path, "")):
        read_state(NAME, WHAT)


def test_safetensors_are_read_too(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    path = weights.store() / weights.files()["arcface-r50"].path
    path.parent.mkdir(parents=True)
    save_file({"0.bias": torch.ones(4)}, path)
    assert read_state("arcface-r50", WHAT)["0.bias"].tolist() == [1, 1, 1, 1]
    path.write_bytes(b"\x00")
    with pytest.raises(TalkbenchError, match=refusal(path, "", "bench weights pull arcface-r50")):
        read_state("arcface-r50", WHAT)


def test_no_tf32_inside():
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "tf32"
        with isolated():
            assert [backend.fp32_precision for backend in backends] == ["ieee", "ieee"]
        assert [backend.fp32_precision for backend in backends] == ["tf32", "tf32"]
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


def test_what_is_switched_inside_is_switched_back():
    with unchanged(), isolated():
        torch.set_grad_enabled(True)
        torch.set_num_threads(5)
        torch.backends.cudnn.enabled = False
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.conv.fp32_precision = "tf32"
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        warnings.simplefilter("error")
        os.environ["A_LIBRARY_WAS_HERE"] = "1"


def test_threads_are_as_many_as_asked_for_inside():
    with unchanged():
        with isolated(threads=1):
            assert torch.get_num_threads() == 1
        with isolated():
            assert torch.get_num_threads() == 2
