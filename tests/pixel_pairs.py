"""The image pairs of the pixel goldens, and the value of a metric for one of them."""

import numpy as np
import torch
from torch import Tensor

from talkbench import metrics

Pair = tuple[np.ndarray, np.ndarray]


def rebuilt(seed: int, height: int, width: int, cell: int, amplitude: int, smooth: bool = False, roll=None) -> Pair:
    """Truth and generated uint8 image of a golden entry, from the recipe that comes with the goldens."""
    rows, columns = -(-height // cell), -(-width // cell)
    base = np.random.RandomState(seed).randint(0, 256, (rows, columns, 3))
    truth = np.kron(base, np.ones((cell, cell, 1), int))[:height, :width]
    if smooth:
        truth = (truth + np.roll(truth, 1, 0) + np.roll(truth, 1, 1) + np.roll(truth, (1, 1), (0, 1))) // 4
    noise = np.random.RandomState(seed + 1000).randint(-amplitude, amplitude + 1, truth.shape)
    generated = np.clip(truth + noise, 0, 255) if roll is None else np.roll(truth, roll, (0, 1))
    return truth.astype(np.uint8), generated.astype(np.uint8)


def tensor(uint8: np.ndarray) -> Tensor:
    return torch.from_numpy(uint8 / 255).permute(2, 0, 1)[None]


def value(name: str, truth: np.ndarray, generated: np.ndarray) -> float:
    return metrics.create(name).compare(tensor(generated), tensor(truth))[0]


def check_goldens(golden: dict, name: str, tolerance: float) -> None:
    """The values of all golden pairs, and their mean, are the stored ones."""
    values = [value(name, *rebuilt(**entry["input"])) for entry in golden["pixel_pairs"]]
    expected = [entry[name] for entry in golden["pixel_pairs"]]
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.mean(values), golden["pixel_mean"][name], rtol=0, atol=tolerance)
