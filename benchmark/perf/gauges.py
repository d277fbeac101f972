"""Time and memory of what runs on a device."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import torch

WARM_UP = 3  # runs before the first that counts: the first two compile, choose kernels and reserve memory

Stages = dict[str, Callable[[], object]]


def turn(stages: Stages, device: torch.device) -> dict[str, float]:
    """Seconds of each stage, in order; the device has finished one before the next begins."""
    seconds = {}
    for name, stage in stages.items():
        synchronise(device)
        start = perf_counter()
        stage()
        synchronise(device)
        seconds[name] = perf_counter() - start
    return seconds


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done all that it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def peak(stage: Callable[[], object], device: torch.device) -> float:
    """MiB at the peak of one run.

    On CUDA of what torch has allocated, weights included; elsewhere of the resident set of the whole process, libraries
    included (``ru_maxrss``; since its start where the system, unlike Linux, cannot forget an earlier peak).
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        stage()
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    with suppress(OSError):  # Linux forgets the peak so far when told to
        Path("/proc/self/clear_refs").write_text("5")
    stage()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def memory(device: torch.device) -> str:
    """What `peak` is the peak of."""
    return "allocated by torch" if device.type == "cuda" else "resident set of the process"
