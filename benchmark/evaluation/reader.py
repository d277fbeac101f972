"""Processes or a thread that read frames ahead of the model. This module imports nothing that is slow to import."""

from __future__ import annotations

import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from typing import NamedTuple
from zlib import crc32

import numpy as np

from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets import Frame, Pair, Split
from talkbench.datasets.packs import is_pack
from talkbench.results.content import UNDECODABLE, FrameContent, FrameName, content_of

CACHED_FRAMES = 256
MAX_WORKERS = 8
SMALL_RUN = 400
"""Up to so many pairs it takes longer to start processes than they save."""

ImageKey = Frame | int
"""A frame of the data set, or the number of a pair, which stands for its generated frame."""


def choose_workers(asked: int | None, pairs: int) -> int:
    """How many processes read the frames of a run of `pairs` pairs; 0: a thread of this process does.

    Args:
        asked: the number that the user asks for; None: one less than the processors, at least 2 and at most
            `MAX_WORKERS`, and none for a run of up to `SMALL_RUN` pairs.
    """
    if asked is not None:
        return asked
    if pairs <= SMALL_RUN:
        return 0
    return min(MAX_WORKERS, max(2, (os.cpu_count() or 1) - 1))


class ReadImage(NamedTuple):
    """An image as it was read.

    Attributes:
        pixels: uint8 (size, size, 3).
        content: what the frame of the data set decodes to; None for a generated frame.
    """

    pixels: np.ndarray
    content: FrameContent | None = None


@dataclass(frozen=True)
class ImageSource:
    """Where images come from, and the size that they must have. It is sent to the processes that read.

    Attributes:
        size: side in pixels; a frame of the data set that is stored in another size is resized.
        frames: the generated frames, if another program has made them.
    """

    split: Split
    size: int
    frames: GivenFrames | None = None

    def read(self, key: ImageKey) -> ReadImage:
        """Read an image.

        Raises:
            PairError: it cannot be read, or it is a generated frame of another size.
        """
        if isinstance(key, int):
            assert self.frames is not None
            return ReadImage(self.frames.read(key))
        image = self.split.read(key)
        return ReadImage(resize(image, self.size), content_of(image))


@dataclass(frozen=True)
class Item:
    """A pair with its number in the list and its images, uint8 (H, W, 3) at the evaluated size."""

    number: int
    pair: Pair
    source: np.ndarray
    driving: np.ndarray
    reference: np.ndarray | None = None
    frame: np.ndarray | None = None  # the generated frame, if another program has made it


class Requested(NamedTuple):
    """A pair whose images are being read; `images` has them by the names of the fields of `Item`."""

    number: int
    pair: Pair
    images: dict[str, Future[ReadImage]]


@dataclass
class Loaded:
    """The images of some pairs.

    Attributes:
        items: the pairs whose images could all be read.
        failed: the numbers of the others, and why not.
        contents: what the frames of all of them decode to.
    """

    items: list[Item] = field(default_factory=list)
    failed: list[tuple[int, PairError]] = field(default_factory=list)
    contents: dict[FrameName, FrameContent] = field(default_factory=dict)


class Reader:
    """Context manager that reads images before they are needed. The images do not depend on the order of reading.

    Args:
        workers: processes that read; 0: a thread of this one.

    Attributes:
        ahead: for how many batches to request the images before the first of these batches is used.
    """

    def __init__(self, images: ImageSource, workers: int = 0) -> None:
        self.images, self.ahead = images, 4 if workers else 1
        self._futures: OrderedDict[ImageKey, Future[ReadImage]] = OrderedDict()
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
        for future in self._futures.values():
            future.cancel()
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)

    def request(self, key: ImageKey) -> Future[ReadImage]:
        """Begin to read an image; one that was requested lately is not read again. `result` waits for the image."""
        future = self._futures.pop(key, None) or self._submit(key)
        self._futures[key] = future
        if len(self._futures) > CACHED_FRAMES:
            self._futures.popitem(last=False)
        return future

    def request_pairs(self, numbers: Sequence[int]) -> list[Requested]:
        """Begin to read the images of pairs; `load` waits for them."""
        requested = []
        for number in numbers:
            pair = self.images.split[number]
            frames = {"reference": pair.reference, "source": pair.source, "driving": pair.driving}
            keys: dict[str, ImageKey] = {role: frame for role, frame in frames.items() if frame is not None}
            if self.images.frames:
                keys["frame"] = number
            requested.append(Requested(number, pair, {role: self.request(key) for role, key in keys.items()}))
        return requested

    def _submit(self, key: ImageKey) -> Future[ReadImage]:
        executor = self._executors[self._place(key) % len(self._executors)]
        try:
            if isinstance(executor, ProcessPoolExecutor):
                return executor.submit(_read, key)
            return executor.submit(self.images.read, key)
        except BrokenProcessPool as error:
            raise _killed() from error

    def _place(self, key: ImageKey) -> int:
        if isinstance(key, int):
            assert self.images.frames is not None
            path = self.images.frames.video(key)
            return key if path is None else crc32(os.fsencode(path))
        try:
            place = self.images.split.store.path(key.clip)
            video = place.is_file() and not is_pack(place)
        except (TalkbenchError, OSError, ValueError):  # reading the frame will say what is wrong
            video = False
        return crc32(os.fsencode(key.clip)) + (0 if video else key.index)


def result(future: Future[ReadImage]) -> ReadImage:
    """The image, once it is read.

    Raises:
        PairError: it cannot be read.
        TalkbenchError: a process that reads was killed.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _killed() from error


def load(requested: Sequence[Requested]) -> Loaded:
    """The images of some pairs, once they are read.

    Raises:
        TalkbenchError: a process that reads was killed.
    """
    loaded = Loaded()
    for number, pair, futures in requested:
        pixels: dict[str, np.ndarray] = {}
        problems: list[PairError] = []
        for role, future in futures.items():
            content: FrameContent | None = UNDECODABLE
            try:
                pixels[role], content = result(future)
            except PairError as error:
                problems.append(error)
            if role != "frame" and content is not None:
                frame = getattr(pair, role)
                loaded.contents[FrameName(frame.clip, frame.index)] = content
        if problems:
            loaded.failed.append((number, problems[0]))
        else:
            loaded.items.append(Item(number, pair, **pixels))
    return loaded


def _killed() -> TalkbenchError:
    return TalkbenchError(
        "a process that reads frames was killed, perhaps for lack of memory; go on with the run with --resume, "
        "and with --workers 0 to read without further processes"
    )


_images: ImageSource  # of a process that reads


def _begin(images: ImageSource) -> None:
    """Set up a process that reads: it leaves interrupts to its parent, and ends when the parent ends."""
    global _images
    _images = images
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _read(key: ImageKey) -> ReadImage:
    return _images.read(key)
