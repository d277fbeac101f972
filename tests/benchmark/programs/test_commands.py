"""Commands in containers, config files, GPUs, and two runs that share the cache."""

import json
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml

from talkbench import datasets
from talkbench.benchmark.programs.calling import Caller
from talkbench.benchmark.programs.calls import Images, calls_of, key_of
from talkbench.benchmark.programs.frames import gpus
from talkbench.benchmark.programs.inputs import write_inputs, write_lossless
from talkbench.benchmark.programs.process import Processes
from talkbench.benchmark.programs.program import load
from talkbench.core.locks import locked
from talkbench.core.paths import home

DOCKER = """#!/bin/sh
printf '%s\\n' "$@" >> "$STATE".docker
test "$1" = kill && exit
while test "$1" != image; do shift; done
shift
exec "$@"
"""
"""Runs the command that follows the name of the image, and writes down its arguments."""


@pytest.fixture
def docker(place, monkeypatch):
    folder = place / "bin"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_program_in_a_container(card, drive, docker, state):
    """Its folders are mounted under their own names; one whose time is up is ended by name."""
    container = {"runtime": "docker", "image": "image", "arguments": ["--gpus", "all"]}
    result = drive(card(container=container, environment={"MODE": "a b"}, folder="/"), "--limit", 2)
    assert result.code == 2  # the command is run from / by our docker, where there is no animate.py
    words = (state.parent / f"{state.name}.docker").read_text().splitlines()
    path = load("mine.yaml").places["checkout"]
    assert f"--volume={path}:{path}:ro" in words
    assert {"--rm", "--workdir=/", "--env=MODE=a b", "--gpus"} <= set(words)
    name = next(word for word in words if word.startswith("--name=")).partition("=")[2]
    assert words[-2:] == ["kill", name]


def test_a_program_without_its_runtime(card, drive, place, monkeypatch):
    path = card(container={"runtime": "podman", "image": "image"})
    monkeypatch.setenv("PATH", str(place))
    assert "podman is not installed" in drive(path).err


@pytest.fixture
def split(clips):
    return datasets.create("tiny", root=clips).split("reconstruction", motion="relative-first")


@pytest.mark.parametrize(("name", "read"), [("call.yaml", yaml.safe_load), ("call.json", json.loads)])
def test_a_config_file_of_each_call(card, split, place, name, read):
    """Whatever characters a path has; a field alone keeps its type."""
    content = {
        "source_path": "{source}",
        "size": "{size}",
        "seed": "{seed}",
        "name": "{size}:{count}",
        "fixed": [1, None],
    }
    path = card(command=["{python}", "{config}", "{driving}", "{out}"], motions={"relative": []}, seed=9,
                config={"file": name, "content": content})  # fmt: skip
    images = Images(split)
    folder = place / "a: 'b' # c"
    folder.mkdir()
    program = load(str(path))
    call = calls_of(program.card, images)[0]
    values = write_inputs(call, program, images, 48, folder)
    expected = {"source_path": values["source"], "size": 48, "seed": 9, "name": "48:8", "fixed": [1, None]}
    assert read(Path(values["config"]).read_text()) == expected
    assert Path(values["source"]).parent == folder


def test_the_driving_video_loses_nothing(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (7, 50, 50, 3), dtype=np.uint8)
    write_lossless(tmp_path / "a.mp4", iter(frames), Fraction(24000, 1001))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames) == (Fraction(24000, 1001), 7)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert np.array_equal(decoded, frames)


def test_a_call_that_another_process_makes_is_left_to_it(card, split, state):
    """First there may be others to make; then it is waited for."""
    program, images = load(str(card())), Images(split)
    (call,) = calls_of(program.card, images)
    caller = Caller(program, images, "relative", 48, program.settings("relative"), Processes(), print)
    folder = home() / "programs" / "mine" / key_of(call, images, caller.settings, 48)
    with locked(folder, "is running mine in"):
        assert caller.make(call, None, wait=False) is None
    assert caller.make(call, None, wait=False).files


def test_two_runs_at_once_make_a_call_once(card, split, state):
    program, images = load(str(card())), Images(split)
    (call,) = calls_of(program.card, images)
    lines: list[str] = []
    callers = [
        Caller(program, images, "relative", 48, program.settings("relative"), Processes(), lines.append)
        for _ in range(2)
    ]
    with ThreadPoolExecutor(2) as executor:
        results = list(executor.map(lambda caller: caller.make(call, None), callers))
    assert sorted(one.kept for one in results) == [False, True]
    assert results[0].files == results[1].files
    assert len(state.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("visible", "count", "device", "names"),
    [
        ("", 2, "auto", ["0", "1"]),
        ("GPU-a,GPU-b", 2, "auto", ["GPU-a", "GPU-b"]),
        ("4,6", 2, "cuda:1", ["6"]),
        ("", 2, "cpu", [None]),
        ("", 0, "auto", [None]),
    ],
)
def test_each_gpu_gets_its_calls(monkeypatch, visible, count, device, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus(device) == names
