"""The engine that works in several processes of this machine."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from talkbench.benchmark.engines.interface import ATTEMPTS, Engine, Job, Place, Watch
from talkbench.benchmark.engines.memory import GIB, free_memory, room, worker_memory
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError

HERE, READY, DONE, FAILED, DEAD = "here", "ready", "done", "failed", "dead"
"""What a worker reports: it has begun, has its work open, is done with a chunk, or cannot go on; or it is dead."""


class ProcessesEngine(Engine):
    """Works in processes of this machine, which share its threads, or have a GPU each.

    Args:
        count: how many; None: one for each GPU if the work needs GPUs, else one for each thread, as far as there is
            memory for them.
        device: see `create_engine`.
        progress: told where memory is short.
    """

    name = "processes"

    def __init__(self, count: int | None, device: str, progress: Progress) -> None:
        threads = _threads_here()
        self.gpus = _gpus_here() if device == "cuda" else 0
        self.workers = count or self.gpus or threads
        need, free = worker_memory(), free_memory()
        if self.workers > room(need, free):
            fits = room(need, free)
            line = f"{self.workers} workers may take {need / GIB:.1f} GiB each, and {free / GIB:.1f} GiB are free"
            progress.warn(f"{line}; processes:{fits} fits" if count else f"{line}; {fits} are begun")
            self.workers = count or fits
        self.threads = max(1, threads // self.workers)

    def map(self, job: Job, chunks: Sequence[Any], watch: Watch) -> Iterator[Any]:
        work = packed(job)
        queue, attempts = deque(enumerate(chunks)), Counter[int]()
        workers: list[_Worker] = []
        try:
            while queue or any(worker.chunk is not None for worker in workers):
                for worker in workers:
                    if worker.idle and queue:
                        worker.send(queue.popleft())
                while len(workers) < self.workers and len(queue) > sum(worker.chunk is None for worker in workers):
                    workers.append(self._start(workers, work, watch))
                    watch.progress.workers(len(workers), self.workers)
                reports = [(worker, *worker.receive()) for worker in _reporting(workers)]
                for worker, kind, content in sorted(reports, key=lambda report: report[1] in (FAILED, DEAD)):
                    if kind == DONE:
                        if queue:  # it need not wait until the results are written
                            worker.send(queue.popleft())
                        yield from content
                    elif kind == FAILED:
                        raise content
                    elif kind == DEAD:
                        workers.remove(worker)
                        watch.progress.workers(len(workers), self.workers)
                        self._lost(worker, queue, attempts, watch)
        finally:
            for worker in workers:
                worker.kill()

    def _start(self, workers: Sequence[_Worker], work: bytes, watch: Watch) -> _Worker:
        number = min(set(range(self.workers)) - {worker.number for worker in workers})
        gpu = number % self.gpus if self.gpus else None
        return _Worker(number, work, Place(self.threads, gpu), watch.log_file(number) if watch.logs else None)

    def _lost(self, worker: _Worker, queue: deque[Any], attempts: Counter[int], watch: Watch) -> None:
        """Give the chunk of a dead worker to another.

        Raises:
            TalkbenchError: it has died too often.
        """
        index = worker.chunk[0] if worker.chunk else -1  # it died before it had one
        attempts[index] += 1
        end = worker.end()
        if attempts[index] >= ATTEMPTS:
            what = "at the same pairs" if worker.chunk else "before they were ready"
            raise TalkbenchError(
                f"{ATTEMPTS} workers have died {what}, the last {end}; go on with the run with --resume, with fewer "
                "workers if memory is short"
            )
        watch.progress.warn(f"worker {worker.number} has died, {end}; another does its work again")
        if worker.chunk:
            queue.appendleft(worker.chunk)


def _threads_here() -> int:
    """How many threads this process computes with."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else os.cpu_count() or 1


def _gpus_here() -> int:
    import torch

    return torch.cuda.device_count()


class _Worker:
    """A process, and what it works on.

    Attributes:
        chunk: with its number; None: nothing.
        idle: whether it waits for a chunk.
    """

    def __init__(self, number: int, work: bytes, place: Place, log: Path | None) -> None:
        self.number = number
        self.chunk: Any = None
        self.idle = False
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, place, log), name=f"talkbench worker {number}")
        with _threads(place.threads):
            self.process.start()
        theirs.close()
        self._work = work

    def receive(self) -> tuple[str, Any]:
        """What it reports, with the results of its chunk, or with its error."""
        try:
            kind, content = self.connection.recv()
            if kind == HERE:  # it waits for its work, which may be more than the pipe holds
                self.connection.send_bytes(self._work)
        except (EOFError, OSError):
            return DEAD, None
        if kind in (READY, DONE):
            self.chunk, self.idle = None, True
        return kind, content

    def send(self, chunk: Any) -> None:
        self.chunk, self.idle = chunk, False
        with suppress(OSError):  # it is dead, which the next look at it shows
            self.connection.send(chunk)

    def end(self) -> str:
        """How a dead one has ended, in words."""
        self.process.join(5)
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"with exit code {code}"
        name = signal.Signals(-code).name
        return f"killed by {name}" + (", perhaps for lack of memory" if name == "SIGKILL" else "")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def packed(job: Job) -> bytes:
    """The job as it is sent to another process.

    Raises:
        TalkbenchError: it cannot be.
    """
    try:
        return pickle.dumps(job)
    except Exception as error:  # pickling reports in many ways
        reason = " ".join(str(error).split())
        raise TalkbenchError(
            f"the work cannot be sent to another process ({reason}); define the method's class in a module, and keep "
            "open files and functions out of it, or take the engine local"
        ) from error


def _reporting(workers: Sequence[_Worker]) -> list[_Worker]:
    """The workers that have reported something, or have died; waits until there is one."""
    ready = connection.wait([worker.connection for worker in workers])
    return [worker for worker in workers if worker.connection in ready]


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """In the block, processes that are started compute with `count` threads; libraries read that when they load."""
    before = os.environ.get("OMP_NUM_THREADS")
    if count:
        os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _work(pipe: Connection, place: Place, log: Path | None) -> None:
    """What a process does: it leaves interrupts to its parent, and ends when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _write_to(log)
    try:
        pipe.send((HERE, None))
        job: Job = pickle.loads(pipe.recv_bytes())  # noqa: S301
        with job.open(place) as function:
            pipe.send((READY, None))
            while True:
                index, chunk = pipe.recv()
                with timed(index):
                    results = list(function(chunk))
                pipe.send((DONE, results))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        traceback.print_exc()
        pipe.send((FAILED, sendable(error)))


@contextmanager
def timed(index: int) -> Iterator[None]:
    """Log how long the chunk in the block took, and how much of that the processors worked on it."""
    began = time.monotonic(), time.process_time()
    yield
    seconds, worked = time.monotonic() - began[0], time.process_time() - began[1]
    print(f"chunk {index} in {seconds:.2f} s, {worked:.2f} s of processors", file=sys.stderr, flush=True)


def sendable(error: Exception) -> Exception:
    """An error as another process can raise it, with the traceback from here as a note."""
    text = traceback.format_exc()
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    if not isinstance(error, TalkbenchError):
        copy.add_note(f"in a worker:\n{text}")
    return copy


def _write_to(log: Path | None) -> None:
    """Send all that this process prints, by whatever library, to the file `log`."""
    if log is None:
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
