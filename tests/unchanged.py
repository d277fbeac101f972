"""What other people's models like to switch, and must find as it was."""

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def _state() -> dict[str, object]:
    cudnn = torch.backends.cudnn
    return {
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "default type": torch.get_default_dtype(),
        "cuDNN": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision),
        "torch's random state": torch.get_rng_state().tolist(),
        "NumPy's random state": [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
        "Python's random state": random.getstate(),
        "warning filters": list(warnings.filters),
        "environment": dict(os.environ),
    }


@contextmanager
def unchanged() -> Iterator[None]:
    """Fails if the code inside changes global settings; runs it under unusual ones, with two threads and autocast."""
    threads, weight = torch.get_num_threads(), torch.ones(3, requires_grad=True)
    torch.set_num_threads(2)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            before = _state()
            yield
            after = _state()
        assert [key for key in before if before[key] != after[key]] == []
        (weight * 2).sum().backward()
    finally:
        torch.set_num_threads(threads)
    assert weight.grad.tolist() == [2, 2, 2]
