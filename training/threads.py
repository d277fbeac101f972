"""The threads that a CPU computes with, and whether there are cores for them."""

from __future__ import annotations

import os

import torch


def threads_note(threads: int, cores: int, busy: float, processes: int = 1) -> str:
    """One line on the threads of this machine's processes of the training, and the remedy where other work leaves fewer
    cores: OpenMP's threads wait for each other at full load, so one that gets no core holds up all.

    Args:
        threads: of all processes together.
        cores: that they may use.
        busy: cores that other work uses, in the mean.
    """
    line, free = f"computing with {_count(threads, 'thread')} on {_count(cores, 'core')}", round(cores - max(busy, 0))
    if threads <= max(free, processes):
        return line
    each = max(1, free // processes)
    return f"{line}, of which other work leaves {max(free, 0)}: with OMP_NUM_THREADS={each} steps may be faster"


def note() -> str:
    """`threads_note` of here and now."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    everywhere = os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everywhere
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return threads_note(processes * torch.get_num_threads(), cores, busy - (everywhere - cores), processes)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
