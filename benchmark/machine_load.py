"""How busy the machine is while a run goes on, under the names that MLflow has for it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

EVERY = 10.0
"""Seconds from one sample to the next, as in MLflow."""

MIB = 2**20
Sample = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step: seconds since the run began."""


class MachineLoad:
    """Samples the load in a thread of its own, and calls nothing of MLflow's.

    Args:
        began: when the run began, in milliseconds of the clock.

    Raises:
        ImportError: psutil is not installed.
    """

    def __init__(self, began: int) -> None:
        import psutil

        self._psutil, self._process = psutil, psutil.Process()
        self._began, self._end = began, threading.Event()
        self._samples: list[Sample] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def taken(self) -> list[Sample]:
        """The samples since the last call."""
        samples, self._samples = self._samples, []
        return samples

    def stop(self) -> list[Sample]:
        """End the thread, which takes one more sample; returns the samples since the last call."""
        self._end.set()
        self._thread.join(1.0)
        return self.taken()

    def _work(self) -> None:
        self._psutil.cpu_percent()  # each call says how busy the processors were since the one before in its thread
        pause = 1.0  # a short run has a sample too
        while not self._end.wait(pause):
            self._sample()
            pause = EVERY
        self._sample()

    def _sample(self) -> None:
        now = int(time.time() * 1000)
        step = max(0, now - self._began) // 1000
        self._samples += [(f"system/{name}", value, now, step) for name, value in self._gauges()]

    def _gauges(self) -> Iterator[tuple[str, float]]:
        memory = self._psutil.virtual_memory()
        yield "cpu_utilization_percentage", self._psutil.cpu_percent()
        yield "system_memory_usage_megabytes", memory.used / MIB
        yield "system_memory_usage_percentage", memory.percent
        yield "process_memory_usage_megabytes", self._process.memory_info().rss / MIB
        torch: Any = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():
            return
        used = (number for number in range(torch.cuda.device_count()) if torch.cuda.memory_reserved(number))
        for device in used:  # asking others for their memory would take some of it
            free, total = torch.cuda.mem_get_info(device)
            yield f"gpu_{device}_memory_usage_megabytes", (total - free) / MIB
            yield f"gpu_{device}_memory_usage_percentage", 100 * (1 - free / total)
