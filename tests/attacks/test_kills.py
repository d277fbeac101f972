"""A sample of the kills of `kills`; all of them: python -m pytest tests/attacks/kills.py."""

from pathlib import Path

import numpy as np
import pytest
from attacks.double_starts import make_data
from attacks.kills import attack


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_data(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "seed"), [("run", 0), ("run", 2), ("prepare", 1), ("train", 0), ("export", 2), ("cache", 0)]
)
def test_a_killed_command_ends_its_work_when_it_is_given_again(data: Path, kind: str, seed: int) -> None:
    print(attack(kind, data, np.random.default_rng(seed)))
