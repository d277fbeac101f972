"""What the golden tests of all methods share: input images, stored arrays, hooks and comparison."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "golden"
INPUTS = {256: FOLDER / "inputs.webp", 384: FOLDER / "inputs_384.webp"}

Golden = dict[str, np.ndarray]


@cache
def image(seed: int, size: int = 256) -> Tensor:
    """``reference_fill.image(seed, size)`` for seeds 1 to 5 (1 to 3 of 384), as stored: the last bit of a few
    pixels depends on torch's version there, and the outputs on it."""
    with Image.open(INPUTS[size]) as stacked:
        pixels = np.array(stacked.convert("RGB"))[size * (seed - 1) : size * seed]
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255)


@cache
def load(method: str) -> Golden:
    """The reference outputs of a method, by the names of the golden.md beside them."""
    with np.load(FOLDER / method / "golden_a.npz") as archive:
        return dict(archive)


@cache
def load_manifest(method: str) -> dict:
    return json.loads((FOLDER / method / "manifest.json").read_text())


def scale(network: nn.Module, factors: dict[str, float]) -> None:
    """Multiply the entries whose key ends with a suffix, as the adjustments of golden.md after the fill ask."""
    for key, value in network.state_dict().items():
        for suffix, factor in factors.items():
            if key.endswith(suffix):
                value.mul_(factor)


class Recorder:
    """Inputs and outputs of modules by name, one entry per call; use as a context manager around the calls."""

    def __init__(self, network: nn.Module) -> None:
        self.inputs: dict[str, list[tuple]] = defaultdict(list)
        self.outputs: dict[str, list] = defaultdict(list)
        self._network = network

    def __enter__(self) -> "Recorder":
        modules = self._network.named_modules()
        self._handles = [module.register_forward_hook(self._hook(name)) for name, module in modules]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Callable:
        def keep(_module: nn.Module, inputs: tuple, output: object) -> None:
            self.inputs[name].append(inputs)
            self.outputs[name].append(output)

        return keep


class Watch:
    """What a method of an object returns while the context lasts, one entry per call."""

    def __init__(self, owner: nn.Module, name: str) -> None:
        self.results: list = []
        self._owner, self._name, self._plain = owner, name, getattr(owner, name)

    def __enter__(self) -> "Watch":
        def watched(*arguments: object) -> object:
            self.results.append(self._plain(*arguments))
            return self.results[-1]

        setattr(self._owner, self._name, watched)
        return self

    def __exit__(self, *_: object) -> None:
        delattr(self._owner, self._name)


def assert_golden(
    golden: Golden,
    name: str,
    found: Tensor,
    tolerance: float,
    relative: bool = False,
    strides: tuple[int, ...] | None = None,
) -> None:
    """`found` strided as the stored array is, within `tolerance`; with `relative`, times the stored map's std.

    The mean and the std that are stored of whole maps are checked too, so that what lies between the samples
    counts. `strides` by axis are needed only where the ratio of the sizes does not tell them.
    """
    stored = golden[name]
    assert found.ndim == stored.ndim, name
    if strides is None:
        strides = tuple(-(-full // kept) for full, kept in zip(found.shape, stored.shape, strict=True))
    part = found[tuple(slice(None, None, stride) for stride in strides)]
    assert part.shape == stored.shape, name
    spread = float(golden.get(f"{name}_std", stored.std()))
    bound = tolerance * spread if relative else tolerance
    np.testing.assert_allclose(part.detach().numpy(), stored, rtol=0, atol=bound, err_msg=name)
    assert_statistics(golden, name, found, bound)


def assert_statistics(golden: Golden, name: str, found: Tensor, tolerance: float) -> None:
    """The stored mean and population std of a whole map, where there are any."""
    if f"{name}_mean" in golden:
        assert found.double().mean().item() == pytest.approx(float(golden[f"{name}_mean"]), abs=tolerance), name
        assert found.double().std(correction=0).item() == pytest.approx(float(golden[f"{name}_std"]), abs=tolerance)


def gradient_norm(parameters: Iterable[nn.Parameter]) -> float:
    """L2 norm of the gradient over all parameters, those without one left out.

    Summed in float64: over millions of numbers float32 loses 0.2 %.
    """
    squares = [parameter.grad.double().square().sum() for parameter in parameters if parameter.grad is not None]
    return torch.stack(squares).sum().sqrt().item() if squares else 0.0


def assert_manifest(network: nn.Module, entries: dict[str, list]) -> None:
    """Keys in order and shapes; an entry is [*shape, dtype]."""
    state = network.state_dict()
    assert list(state) == list(entries)
    assert {key: [*value.shape] for key, value in state.items()} == {key: entry[:-1] for key, entry in entries.items()}
