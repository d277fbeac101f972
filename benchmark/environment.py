"""What a number was made with: versions, device, state of the checkout."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import commit

if TYPE_CHECKING:
    from talkbench.results.record import GitState

RECORDED = ("torch", "torchvision", "numpy", "scipy", "scikit-image", "pillow", "av", "facenet-pytorch", "mlflow")


def choose_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one, else the CPU) or a torch device name.

    Raises:
        TalkbenchError: torch knows no such device, or this machine does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise TalkbenchError(f"device {name!r} cannot be used here ({reason}); try --device cpu") from error
    return device


def device_name(device: torch.device) -> str:
    """The product name of `device`, or the kind of processor where the system does not tell the product."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    processors = Path("/proc/cpuinfo")
    lines = processors.read_text().splitlines() if processors.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@contextmanager
def reproducible() -> Iterator[None]:
    """In the block torch computes in true float32 (no TF32) and gives the same bits for the same inputs; afterwards its
    settings are as before."""
    cudnn, convolution = torch.backends.cudnn, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = cudnn.deterministic, convolution.fp32_precision
    cudnn.deterministic, convolution.fp32_precision = True, "ieee"
    try:
        yield
    finally:
        cudnn.deterministic, convolution.fp32_precision = before


@contextmanager
def memory_advice(batch_size: int | None) -> Iterator[None]:
    """In the block running out of memory, on any device, becomes an error of one line that names the remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # What the CPU cannot allocate is a RuntimeError that only its text tells from others.
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            smaller = "--batch-size 1" if batch_size is None else f"a smaller --batch-size than {batch_size}"
            remedy = f"try {'another --device' if batch_size == 1 else smaller}"
            raise TalkbenchError(f"out of memory; {remedy}") from error
        raise


@cache
def libraries() -> Mapping[str, str]:
    """Versions of Python and of the libraries that can change a number."""
    versions = {"python": platform.python_version()}
    for package in RECORDED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return MappingProxyType(versions)


def git_state() -> GitState | None:
    """The commit of the checkout that this package runs from; None outside a checkout."""
    from talkbench.results.record import GitState

    state = commit()
    return GitState(commit=state[0], dirty=state[1]) if state else None
