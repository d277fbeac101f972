"""How much memory workers take, and how many of them there is room for."""

from __future__ import annotations

import re
from pathlib import Path

GIB = 2**30
SHARE = 1.5
"""What a worker takes at its largest, as a share of what this process takes when method and models are loaded."""


def worker_memory() -> int:
    """Bytes that a worker takes, about: `SHARE` of what this process takes now; 0 where Linux does not say so."""
    return round(SHARE * 1024 * _kilobytes(Path("/proc/self/status"), "VmRSS"))


def free_memory() -> int:
    """Bytes that new processes can have without swapping; 0 where Linux does not say so."""
    return 1024 * _kilobytes(Path("/proc/meminfo"), "MemAvailable")


def room(need: int, free: int) -> int:
    """How many workers that take `need` bytes there is room for, at least one."""
    return max(1, free // need) if need and free else 10**6


def _kilobytes(file: Path, name: str) -> int:
    try:
        matched = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(matched[1]) if matched else 0
