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


def start(folder: Path, steps: int, **environment: object) -> subprocess.Popen:
    known = {**os.environ, "PYTHONPATH": str(SCRIPT.parent), **{key: str(value) for key, value in environment.items()}}
    command = [sys.executable, str(SCRIPT), str(folder), str(steps)]
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, Path]:
    """The losses and the weights of one process that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    return losses(start(folder, STEPS)), folder / "weights.safetensors"


def test_two_processes_learn_as_one_with_the_whole_batch(whole: tuple[np.ndarray, Path], tmp_path: Path) -> None:
    meeting = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    together = [start(tmp_path, STEPS, RANK=rank, LOCAL_RANK=rank, **meeting) for rank in (0, 1)]
    curve, silent = (losses(process) for process in together)
    assert len(curve) == STEPS
    assert len(silent) == 0
    np.testing.assert_allclose(curve, whole[0], rtol=1e-4)
    one, two = (load_file(path) for path in (whole[1], tmp_path / "weights.safetensors"))
    for key, value in one.items():
        if "running" in key:
            np.testing.assert_allclose(two[key], value, rtol=1e-2, atol=1e-3, err_msg=key)


def test_a_killed_training_continues_to_the_very_same_weights(whole: tuple[np.ndarray, Path], tmp_path: Path) -> None:
    killed = start(tmp_path, STEPS)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("7 "):
            killed.send_signal(signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    rest = losses(start(tmp_path, STEPS))
    assert 1 < rest[0, 0] <= 8
    np.testing.assert_array_equal(rest, whole[0][-len(rest) :])
    assert (tmp_path / "weights.safetensors").read_bytes() == whole[1].read_bytes()
