"""Fixtures of MCNet's reference outputs and of the full-size model that they belong to."""

import json
from collections.abc import Iterator

import goldens
import numpy as np
import pytest
import torch
from golden_models import kept
from reference_fill import fill_

from talkbench import methods
from talkbench.methods.inference import InferenceForm
from talkbench.methods.interface import Method

KEEP = ("down.weight", "jacobian.bias")


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    return goldens.load("mcnet")


@pytest.fixture(scope="session")
def manifest() -> dict:
    return goldens.load_manifest("mcnet")


def scaled(state: dict[str, torch.Tensor], factors: dict[str, float]) -> None:
    """Multiply the entries that tests/golden/mcnet/golden.md names; the kernel only where it is the dynamic one."""
    for key, factor in factors.items():
        if key in state and not (key == "mbUnit.conv_kv.weight" and state[key].ndim != 5):
            state[key].mul_(factor)


@pytest.fixture(scope="module")
def mcnet() -> Iterator[Method]:
    """The paper's model with the weights of the goldens."""
    with InferenceForm(method := filled()):
        yield method


@kept
def filled() -> Method:
    method = methods.create("mcnet")
    factors = json.loads(str(goldens.load("mcnet")["fill"]))["scales_after_fill"]
    for name, network in method.networks.items():
        scaled(fill_(network, f"a/{name}", KEEP).state_dict(), factors)
    return method
