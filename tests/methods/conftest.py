import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from mcnet_golden import KEEP, scaled
from reference_fill import tensor_for

from talkbench import methods
from talkbench.methods.interface import Method


@pytest.fixture
def variant(mcnet: Method, golden: dict[str, np.ndarray]) -> Callable[[str], Method]:
    """Builds an ablation variant; entries of the paper's shape are taken from `mcnet`, since filling is slow."""
    factors = json.loads(str(golden["fill"]))["scales_after_fill"]
    shared = mcnet.networks["generator"].state_dict()

    def build(slug: str) -> Method:
        with torch.device("meta"):  # random weights, which nobody needs, would take seconds
            method = methods.create(f"mcnet@{slug}")
        state = method.networks["generator"].to_empty(device="cpu").state_dict()
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
