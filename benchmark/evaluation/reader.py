"""Reading frames ahead of the model, by processes or by one thread. Imports nothing that is slow to import."""

from __future__ import annotations

import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from zlib import crc32

import numpy as np

from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets import Frame, Split

CACHED_FRAMES = 256
MAX_WORKERS = 8
SMALL_RUN = 400
"""Pairs up to which starting processes takes longer than they save."""

Wanted = Frame | int
"""A frame of the data set, or the number of a pair whose generated frame is meant."""


def choose_workers(asked: int | None, pairs: int) -> int:
    """How many processes read the frames of a run of `pairs` pairs; 0: a thread of this process does.

    Args:
        asked: by the user, and then so many; None: one less than the processors, at least 2 and at most
            `MAX_WORKERS`, and none for a run of up to `SMALL_RUN` pairs.
    """
    if asked is not None:
        return asked
    if pairs <= SMALL_RUN:
        return 0
    return min(MAX_WORKERS, max(2, (os.cpu_count() or 1) - 1))


@dataclass(frozen=True)
class Images:
    """Where images come from, and the size that they must have; travels to other processes.

    Attributes:
        size: side in pixels.
        resized: whether frames of another size are resized; else they are failures.
        given: the generated frames, if another program has made them.
    """

    split: Split
    size: int
    resized: bool
    given: GivenFrames | None = None

    def read(self, wanted: Wanted) -> np.ndarray:
        """The image, uint8 (size, size, 3).

        Raises:
            PairError: it cannot be read or has another size.
        """
        if isinstance(wanted, int):
            assert self.given is not None
            return self.given.read(wanted)
        image = self.split.read(wanted)
        if self.resized:
            return resize(image, self.size)
        if image.shape[:2] != (self.size, self.size):
            where, (height, width) = f"frame {wanted.index} of {wanted.clip}", image.shape[:2]
            raise PairError("wrong-size", f"{where} is {width}x{height}, the others {self.size}x{self.size}")
        return image


class Reader:
    """Reads images before they are needed, in any order; what comes out does not depend on it. A context manager.

    Args:
        workers: processes that read; 0: a thread of this one.

    Attributes:
        ahead: how many batches should be asked for before the first of them is used.
    """

    def __init__(self, images: Images, workers: int = 0) -> None:
        self.images, self.ahead = images, 4 if workers else 1
        self._known: OrderedDict[Wanted, Future[np.ndarray]] = OrderedDict()
        self._executors: list[Executor] = []
        # Each process has a queue of its own, so that the frames of a video always go to the one that has it open.
        for _ in range(workers):
            pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin, initargs=(images,))
            self._executors.append(pool)
        if not workers:
            self._executors.append(ThreadPoolExecutor(1))

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._known.values():
            future.cancel()
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)

    def request(self, wanted: Wanted) -> Future[np.ndarray]:
        """Begin to read an image; it is one of those kept, if it was asked for lately. See `result`."""
        future = self._known.pop(wanted, None) or self._submit(wanted)
        self._known[wanted] = future
        if len(self._known) > CACHED_FRAMES:
            self._known.popitem(last=False)
        return future

    def _submit(self, wanted: Wanted) -> Future[np.ndarray]:
        executor = self._executors[self._place(wanted) % len(self._executors)]
        try:
            if isinstance(executor, ProcessPoolExecutor):
                return executor.submit(_read, wanted)
            return executor.submit(self.images.read, wanted)
        except BrokenProcessPool as error:
            raise _killed() from error

    def _place(self, wanted: Wanted) -> int:
        if isinstance(wanted, int):
            assert self.images.given is not None
            path = self.images.given.video(wanted)
            return wanted if path is None else crc32(os.fsencode(path))
        try:
            video = self.images.split.store.path(wanted.clip).is_file()
        except (TalkbenchError, OSError, ValueError):  # reading it will say what is wrong
            video = False
        return crc32(os.fsencode(wanted.clip)) + (0 if video else wanted.index)


def results(futures: Sequence[Future[np.ndarray]]) -> list[np.ndarray]:
    """The images, once they are read.

    Raises:
        PairError: one cannot be read.
        TalkbenchError: a process that reads was killed.
    """
    try:
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise _killed() from error


def _killed() -> TalkbenchError:
    return TalkbenchError(
        "a process that reads frames was killed, for want of memory perhaps; --resume goes on with the run, "
        "--workers 0 reads without further processes"
    )


_images: Images  # of a process that reads


def _begin(images: Images) -> None:
    """What a process does first: an interrupt is for the parent to handle, and its end is the end of this one too."""
    global _images
    _images = images
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _read(wanted: Wanted) -> np.ndarray:
    return _images.read(wanted)
