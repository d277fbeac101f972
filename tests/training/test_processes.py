"""Training as processes of their own: several together, and one that is killed."""

import signal
import socket
from pathlib import Path

import forked
import numpy as np
import pytest
import train_toy
from forked import Forked
from safetensors.numpy import load_file

STEPS = 12


def start(folder: Path, kind: str, steps: int = STEPS, **environment: object) -> Forked:
    return forked.start(train_toy.main, folder, steps, kind, **environment)


def losses(training: Forked) -> np.ndarray:
    """What the process has printed, (steps, 1 + terms); it must have ended well."""
    with training.printed as printed:
        lines = printed.read().splitlines()
    training.process.join(240)
    assert training.process.exitcode == 0
    return np.array([[float(word) for word in line.split()] for line in lines])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


Whole = tuple[str, np.ndarray, Path]


@pytest.fixture(scope="module", params=["adversarial", "portions", "avd"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A kind of training, and the losses and the weights of one process that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    return request.param, losses(start(folder, request.param)), folder / "weights.safetensors"


def test_two_processes_learn_as_one_with_the_whole_batch(whole: Whole, tmp_path: Path) -> None:
    kind, curve, weights = whole
    meeting = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    together = [start(tmp_path, kind, RANK=rank, LOCAL_RANK=rank, **meeting) for rank in (0, 1)]
    shared, silent = (losses(training) for training in together)
    assert len(shared) == STEPS
    assert len(silent) == 0
    np.testing.assert_allclose(shared, curve, rtol=1e-4)
    one, two = (load_file(path) for path in (weights, tmp_path / "weights.safetensors"))
    for key, value in one.items():
        if "running" in key:
            np.testing.assert_allclose(two[key], value, rtol=1e-2, atol=1e-3, err_msg=key)


def test_a_killed_training_continues_to_the_very_same_weights(whole: Whole, tmp_path: Path) -> None:
    kind, curve, weights = whole
    killed, printed = start(tmp_path, kind)
    with printed:
        for line in printed:
            if line.startswith("7 "):
                killed.kill()
                break
    killed.join(240)
    assert killed.exitcode == -signal.SIGKILL
    rest = losses(start(tmp_path, kind))
    assert 1 < rest[0, 0] <= 8
    np.testing.assert_array_equal(rest, curve[-len(rest) :])
    assert (tmp_path / "weights.safetensors").read_bytes() == weights.read_bytes()


def test_all_processes_end_alike_where_one_is_told_to_and_lose_no_step(tmp_path: Path) -> None:
    meeting = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    together = [start(tmp_path, "adversarial", 1000, RANK=rank, LOCAL_RANK=rank, **meeting) for rank in (0, 1)]
    steps: list[int] = []
    with together[0].printed as printed:
        for line in printed:
            steps.append(int(line.split()[0]))
            if steps[-1] == 3:
                together[1].process.terminate()
    for training in together:
        training.process.join(240)
    assert [training.process.exitcode for training in together] == [128 + signal.SIGTERM] * 2
    assert steps[-1] < 1000
    assert sorted(path.name for path in (tmp_path / "state").iterdir())[-1] == f"{steps[-1]:08d}.pt"
