"""What an extractor must leave as it found it."""

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def state():
    cudnn = torch.backends.cudnn
    return {
        "gradients": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "threads": torch.get_num_threads(),
        "cudnn": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision),
        "torch's random state": torch.get_rng_state().tolist(),
        "NumPy's random state": str(np.random.get_state()),
        "Python's random state": random.getstate(),
        "warning filters": list(warnings.filters),
        "environment": dict(os.environ),
    }


@contextmanager
def unchanged() -> Iterator[None]:
    """Fails if the body leaves a setting of the process changed, or gradients that do not flow."""
    before = state()
    yield
    after = state()
    assert {name for name in before if before[name] != after[name]} == set()
    weight = torch.ones(3, requires_grad=True)
    (weight * 2).sum().backward()
    assert weight.grad.tolist() == [2, 2, 2]
