"""What other people's models like to switch, and must find as it was."""

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import get_num_threads


def _state() -> dict[str, object]:
    cudnn = torch.backends.cudnn
    return {
        "threads": (torch.get_num_threads(), get_num_threads()),
        "gradients": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "default type": torch.get_default_dtype(),
        "cuDNN": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision),
        "torch's random state": torch.get_rng_state().tolist(),
        "NumPy's random state": [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
        "Python's random state": random.getstate(),
        "warning filters": list(warnings.filters),
        "environment": dict(os.environ),
        "names in the main program": {name: id(value) for name, value in vars(sys.modules["__main__"]).items()},
    }


@contextmanager
def unchanged() -> Iterator[None]:
    """Fails if the code inside changes global settings; runs it under unusual ones, with autocast and two threads.

    The second thread is pretended: where a machine is shared, two wait for one another for seconds.
    """
    threads, weight = [2], torch.ones(3, requires_grad=True)
    with (
        patch.object(torch, "get_num_threads", lambda: threads[-1]),
        patch.object(torch, "set_num_threads", threads.append),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        before = _state()
        yield
        after = _state()
        assert [key for key in before if before[key] != after[key]] == []
    (weight * 2).sum().backward()
    assert weight.grad.tolist() == [2, 2, 2]
