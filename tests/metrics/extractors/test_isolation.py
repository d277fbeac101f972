"""Float32 stays float32 inside, and the caller's choice stands afterwards."""

import os
import random
import warnings

import numpy as np
import torch
from unchanged import unchanged

from talkbench.metrics.extractors.isolation import isolated


def test_no_tf32_inside():
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "tf32"
        with isolated():
            assert [backend.fp32_precision for backend in backends] == ["ieee", "ieee"]
        assert [backend.fp32_precision for backend in backends] == ["tf32", "tf32"]
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


def test_what_is_switched_inside_is_switched_back():
    with unchanged(), isolated():
        torch.set_grad_enabled(True)
        torch.set_num_threads(5)
        torch.backends.cudnn.enabled = False
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.conv.fp32_precision = "tf32"
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        warnings.simplefilter("error")
        os.environ["A_LIBRARY_WAS_HERE"] = "1"


def test_threads_are_as_many_as_asked_for_inside():
    with unchanged():
        with isolated(threads=1):
            assert torch.get_num_threads() == 1
        with isolated():
            assert torch.get_num_threads() == 2
