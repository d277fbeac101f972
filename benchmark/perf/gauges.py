"""Time and memory that work on a device takes."""

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
    """Run the stages in order and return the seconds of each; the device finishes one before the next begins."""
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
    """Run the stage and return the peak of the memory that was in use, in MiB.

    On CUDA that is the memory that torch has allocated, weights included. Elsewhere it is the resident set of the whole
    process, libraries included (``ru_maxrss``); on systems other than Linux an earlier, higher peak remains.
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
    """The kind of memory that `peak` measures."""
    return "allocated by torch" if device.type == "cuda" else "resident set of the process"
