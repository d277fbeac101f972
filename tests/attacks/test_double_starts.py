"""A sample of the double starts of `double_starts`; all of them: python -m pytest tests/attacks/double_starts.py."""

from pathlib import Path

import numpy as np
import pytest
from attacks.double_starts import attack, make_data, targets


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_data(folder)
    return folder


@pytest.mark.parametrize(("kind", "seed"), [("run", 0), ("run", 1), ("run", 4), ("prepare", 0), ("train", 1)])
def test_a_double_start_loses_nothing(data: Path, kind: str, seed: int) -> None:
    chosen = targets(data, kind)
    print(attack(chosen[seed % len(chosen)], data, np.random.default_rng(seed)))
