import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_fill import fill_, tensor_for

from talkbench import methods
from talkbench.methods.interface import Method

GOLDEN = Path(__file__).parents[1] / "golden" / "mcnet"
KEEP = ("down.weight", "jacobian.bias")


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden_a.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="session")
def manifest() -> dict:
    return json.loads((GOLDEN / "manifest.json").read_text())


def scaled(state: dict[str, torch.Tensor], factors: dict[str, float]) -> None:
    """Multiply the entries that golden.md names; the kernel only where it is the dynamic one."""
    for key, factor in factors.items():
        if key in state and not (key == "mbUnit.conv_kv.weight" and state[key].ndim != 5):
            state[key].mul_(factor)


@pytest.fixture(scope="session")
def mcnet(golden: dict[str, np.ndarray]) -> Method:
    """The paper's model with the weights of the goldens."""
    method = methods.create("mcnet")
    factors = json.loads(str(golden["fill"]))["scales_after_fill"]
    for name, network in method.networks.items():
        scaled(fill_(network, f"a/{name}", KEEP).state_dict(), factors)
    return method


@pytest.fixture
def variant(mcnet: Method, golden: dict[str, np.ndarray]) -> Callable[[str], Method]:
    """Builds an ablation variant; entries of the paper's shape are taken from `mcnet`, since filling is slow."""
    factors = json.loads(str(golden["fill"]))["scales_after_fill"]
    shared = mcnet.networks["generator"].state_dict()

    def build(slug: str) -> Method:
        method = methods.create(f"mcnet@{slug}")
        state = method.networks["generator"].state_dict()
        fresh: dict[str, torch.Tensor] = {}
        for key, value in state.items():
            if key in shared and shared[key].shape == value.shape:
                value.copy_(shared[key])
            elif not key.endswith(KEEP) and value.is_floating_point():
                value.copy_(torch.from_numpy(tensor_for("a/generator", key, tuple(value.shape))))
                fresh[key] = value
        scaled(fresh, factors)
        return method

    return build


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield
