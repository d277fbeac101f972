"""Training as processes of their own: several together, and one that is killed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

STEPS = 12
SCRIPT = Path(__file__).parents[1] / "train_toy.py"


def start(folder: Path, kind: str, **environment: object) -> subprocess.Popen:
    known = {**os.environ, "PYTHONPATH": str(SCRIPT.parent), **{key: str(value) for key, value in environment.items()}}
    command = [sys.executable, str(SCRIPT), str(folder), str(STEPS), kind]
    return subprocess.Popen(command, env=known, stdout=subprocess.PIPE, text=True)


def losses(process: subprocess.Popen) -> np.ndarray:
    """What the process has printed, (steps, 1 + terms); it must have ended well."""
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return np.array([[float(word) for word in line.split()] for line in printed.splitlines()])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


Whole = tuple[str, np.ndarray, Path]


@pytest.fixture(scope="module", params=["adversarial", "avd"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A kind of training, and the losses and the weights of one process that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    return request.param, losses(start(folder, request.param)), folder / "weights.safetensors"


def test_two_processes_learn_as_one_with_the_whole_batch(whole: Whole, tmp_path: Path) -> None:
    kind, curve, weights = whole
    meeting = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    together = [start(tmp_path, kind, RANK=rank, LOCAL_RANK=rank, **meeting) for rank in (0, 1)]
    shared, silent = (losses(process) for process in together)
    assert len(shared) == STEPS
    assert len(silent) == 0
    np.testing.assert_allclose(shared, curve, rtol=1e-4)
    one, two = (load_file(path) for path in (weights, tmp_path / "weights.safetensors"))
    for key, value in one.items():
        if "running" in key:
            np.testing.assert_allclose(two[key], value, rtol=1e-2, atol=1e-3, err_msg=key)


def test_a_killed_training_continues_to_the_very_same_weights(whole: Whole, tmp_path: Path) -> None:
    kind, curve, weights = whole
    killed = start(tmp_path, kind)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("7 "):
            killed.send_signal(signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    rest = losses(start(tmp_path, kind))
    assert 1 < rest[0, 0] <= 8
    np.testing.assert_array_equal(rest, curve[-len(rest) :])
    assert (tmp_path / "weights.safetensors").read_bytes() == weights.read_bytes()
