"""`bench weights add` on files and folders as people have them."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from talkbench.methods import cards
from talkbench.methods.recognition import skeleton


@pytest.fixture(autouse=True)
def few_methods(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a store of the test's own; to build all methods takes seconds."""
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "home"))
    names = ["mcnet@demo", "fomm@vox-256", "fomm@taichi"]
    monkeypatch.setattr(cards, "known_names", lambda: names)
    monkeypatch.setattr("talkbench.methods.checkpoint_store.known_names", lambda: names)


def saved(path: Path, name: str, prefix: str = "") -> Path:
    """A checkpoint of the method, whose entries take no room in the file."""
    states = {
        part: {prefix + key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in state.items()}
        for part, state in ((part, network.state_dict()) for part, network in skeleton(name)[0].networks.items())
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(states, path)
    return path


def test_what_was_taken_off_is_printed(bench, place):
    result = bench(
        "weights", "add", saved(place / "x.safetensors", "fomm@vox-256", "module._orig_mod."), "--as", "fomm"
    )
    assert result.out.splitlines()[:3] == [
        "x.safetensors is fomm@vox-256 (generator, kp_detector)",
        "  it is not safetensors, whatever its name says",
        "  its keys are read without 'module.' and '_orig_mod.'",
    ]


def test_networks_that_several_models_share_are_asked_for(bench, place):
    saved(place / "vox-cpk.pth.tar", "fomm@vox-256")
    line = (
        "bench: vox-cpk.pth.tar may be fomm@vox-256 or fomm@taichi, or the authors' bair-256 or nemo-256 or "
        "fashion-256, which talkbench does not have (fomm@vox-256 by the name of the file, which proves nothing); its "
        "networks do not tell: say which with --as NAME"
    )
    assert bench("weights", "add", "vox-cpk.pth.tar").complaint() == line
    assert bench("weights", "convert", "vox-cpk.pth.tar").complaint() == line
    assert bench("weights", "add", "vox-cpk.pth.tar", "--as", "fomm@taichi").code == 0


def test_a_place_among_files_with_their_hashes_says_what_a_file_is(bench, place, monkeypatch):
    assert bench("weights", "add", saved(place / "x.pth", "fomm@vox-256"), "--as", "fomm@taichi").code == 0
    assert bench("weights", "export", "stick", "fomm").code == 2, "the others are missing"
    store = place / "home" / "weights"
    for folder in ("stick", store):
        monkeypatch.setenv("TALKBENCH_HOME", str(place / f"new-{Path(folder).name}"))
        result = bench("weights", "add", folder)
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[:2] == [
            "taichi-cpk.pth.tar is fomm@taichi (generator, kp_detector)",
            "  it is taken for what its place among files with their hashes says",
        ]
    (store / "fomm" / "taichi-cpk.pth.tar.sha256").unlink()
    assert "may be fomm@vox-256 or fomm@taichi" in bench("weights", "add", store).complaint()


def test_an_unpacked_checkpoint_is_named_once_and_the_others_are_taken(bench, place):
    saved(place / "stick" / "x.pth", "fomm@vox-256")
    with zipfile.ZipFile(place / "stick" / "x.pth") as archive:
        archive.extractall(place / "stick" / "vox-cpk.pth")
    (place / "stick" / "x.pth").unlink()
    shutil.copy(cards.find_weights("mcnet@demo").path, place / "stick" / "demo.safetensors")
    result = bench("weights", "add", "stick")
    assert "demo.safetensors is mcnet@demo" in result.out
    assert result.err == (
        "bench: stick/vox-cpk.pth is the unpacked folder of a checkpoint; give the .pth or .pth.tar file itself, which "
        "is not to be unpacked (fetch it anew if it is gone)\n"
    )
    assert bench("weights", "add", "stick/vox-cpk.pth").complaint() == result.err.rstrip("\n")


def test_a_pipe_is_not_waited_for(bench, place):
    os.mkfifo(place / "pipe.pth")
    assert "pipe.pth is a pipe; give a file" in bench("weights", "add", "pipe.pth").complaint()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\xff" * 64 + b"  x\x00y\n"])
def test_hashes_that_are_no_text(bench, place, content):
    (place / "stick").mkdir()
    shutil.copy(cards.find_weights("mcnet@demo").path, place / "stick" / "x.safetensors")
    (place / "stick" / "x.safetensors.sha256").write_bytes(content)
    assert bench("weights", "add", "stick").code == 0
    (place / "stick" / "SHA256SUMS").write_bytes(content)
    result = bench("weights", "add", "stick")
    assert result.code == 2
    assert result.err.startswith("bench: stick/")


def test_weights_of_a_wrong_type_are_not_stored(bench, place):
    networks = skeleton("mcnet@demo")[0].networks
    states = {part: dict(network.state_dict()) for part, network in networks.items()}
    empty = {
        part: {key: torch.zeros(value.shape).long() for key, value in state.items()} for part, state in states.items()
    }
    torch.save(empty, place / "x.pth")
    line = bench("weights", "add", "x.pth").complaint()
    assert line.startswith("bench: x.pth is mcnet@demo, but kp_detector has ")
    assert line.endswith("; save it as float32")
    assert not list((place / "home").rglob("*.safetensors"))
