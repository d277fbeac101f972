"""A thread of the driver that writes results in their order, while the next ones are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")

WAITING = 2
"""Results that may wait to be written; then the driver waits too, so that they do not fill the memory."""


class Writer(Generic[Result]):
    """Context manager that has results written. Where the block ends, all are, also where it ends with an error.

    Args:
        write: writes a result. After an error of its own it is not called again.
    """

    def __init__(self, write: Callable[[Result], None]) -> None:
        self._write, self._failed = write, False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._futures: deque[tuple[Result, Future[None]]] = deque()

    def __enter__(self) -> Writer[Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def put(self, result: Result) -> list[Result]:
        """Have a result written; returns those that have been since the last call.

        Raises:
            BaseException: what went wrong with an earlier one.
        """
        written = [*self._written(WAITING)]
        self._futures.append((result, self._pool.submit(self._guarded, result)))
        return written

    def finish(self) -> list[Result]:
        """Wait until all are written; returns and raises as `put`."""
        return [*self._written(0)]

    def _written(self, waiting: int) -> Iterator[Result]:
        while self._futures and (len(self._futures) > waiting or self._futures[0][1].done()):
            result, future = self._futures.popleft()
            future.result()
            yield result

    def _guarded(self, result: Result) -> None:
        if self._failed:
            return
        try:
            self._write(result)
        except BaseException:
            self._failed = True
            raise
