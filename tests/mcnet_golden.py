"""Fixtures of MCNet's reference outputs and of the full-size model that they belong to."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from reference_fill import fill_

from talkbench import methods
from talkbench.methods.interface import Method

GOLDEN = Path(__file__).parent / "golden" / "mcnet"
KEEP = ("down.weight", "jacobian.bias")


def image(seed: int) -> torch.Tensor:
    """``reference_fill.image(seed)`` for seeds 1 to 5, as stored: the last bit of a few pixels depends on
    torch's version there, and the outputs on it."""
    with Image.open(GOLDEN / "inputs.webp") as stacked:
        pixels = np.array(stacked.convert("RGB"))[256 * (seed - 1) : 256 * seed]
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255)


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
