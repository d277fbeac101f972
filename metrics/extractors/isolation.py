"""Running other people's models so that nothing of what they switch stays switched."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def isolated(threads: int | None = None) -> Iterator[None]:
    """The same float32 arithmetic whatever the caller runs under, and the caller's settings back at the end.

    Inside: no gradients, no autocast, no TF32. Afterwards as before: autograd (py-feat switches it off for the whole
    process), torch's thread count, the flags of cuDNN (face-alignment sets ``benchmark``), the random state of torch,
    NumPy and Python, the warning filters, and the environment (py-feat sets ``OMP_NUM_THREADS``).

    Args:
        threads: of torch on the CPU; one for networks so small that a second would only wait. None: as they are.
    """
    cudnn, convolution = torch.backends.cudnn, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    product = torch.backends.cuda.matmul
    precision = product.fp32_precision
    flags = cudnn.enabled, cudnn.benchmark, cudnn.deterministic, convolution.fp32_precision
    gradients, count, environment = torch.is_grad_enabled(), torch.get_num_threads(), dict(os.environ)
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.autocast("cpu", enabled=False))
        stack.enter_context(torch.autocast("cuda", enabled=False))
        try:
            convolution.fp32_precision = product.fp32_precision = "ieee"
            torch.set_grad_enabled(False)
            if threads:
                torch.set_num_threads(threads)
            yield
        finally:
            cudnn.enabled, cudnn.benchmark, cudnn.deterministic, convolution.fp32_precision = flags
            product.fp32_precision = precision
            torch.set_grad_enabled(gradients)
            if torch.get_num_threads() != count:
                torch.set_num_threads(count)
            np.random.set_state(states[0])  # noqa: NPY002
            random.setstate(states[1])
            if dict(os.environ) != environment:
                os.environ.clear()
                os.environ.update(environment)
