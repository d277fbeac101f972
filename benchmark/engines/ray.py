"""The engine that works on a Ray cluster: an actor for each GPU, or for each processor."""

from __future__ import annotations

import io
import os
import platform
import signal
import socket
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from talkbench.benchmark.engines.interface import ATTEMPTS, Engine, Job, Place, Watch
from talkbench.benchmark.engines.memory import GIB, worker_memory
from talkbench.benchmark.engines.processes import sendable, timed
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError

ANSWER, START, LOST = 10.0, 180.0, 300.0
"""Seconds to wait for the address of a cluster, for Ray to connect, and for a worker where none works."""

STARTS = 3
"""How often a cluster of this machine alone is begun, which fails now and then where the machine is busy."""

RESTARTS = 5
"""How often Ray begins an actor anew, on another node if its own is gone."""


def check_installed() -> None:
    """Check that Ray is there.

    Raises:
        TalkbenchError: it is not.
    """
    if find_spec("ray") is None:
        raise TalkbenchError("engine ray needs the package ray: pip install 'talkbench[ray]'")


class RayEngine(Engine):
    """Works on a Ray cluster, for one `map`.

    The nodes see the working folder, the data, the model files and the code under the same paths as this process does;
    each worker checks that before it begins.

    Args:
        address: of the cluster, ``host:6379``, or ``auto`` for the one that this machine is part of; "": that of
            ``RAY_ADDRESS``, else a cluster of this machine alone, which ends with the work.
        device: see `choice.create_engine`.
        progress: told where memory is short, and where the start takes another try.
    """

    name = "ray"

    def __init__(self, address: str, device: str, progress: Progress) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS", "")
        _connect(self.address, progress)
        self.gpus = 1 if device.startswith("cuda") else 0
        self.memory = worker_memory()
        self.threads = 1
        try:
            self.workers = self._count(progress)
        except TalkbenchError:
            _disconnect()
            raise

    def _count(self, progress: Progress) -> int:
        """How many workers there is room for.

        Raises:
            TalkbenchError: for none.
        """
        import ray

        nodes: list[Mapping[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        kind, what = ("GPU", "GPUs") if self.gpus else ("CPU", "processors")
        slots = [int(node.get(kind, 0)) for node in nodes]
        if not sum(slots):
            raise TalkbenchError(
                f"the Ray cluster of {len(nodes)} nodes has no {what}; "
                + ("leave --device cuda out, or add nodes with GPUs" if self.gpus else "add nodes with processors")
            )
        fitting = [int(node.get("memory", 0) // max(1, self.memory)) for node in nodes]
        count = sum(min(pair) for pair in zip(slots, fitting, strict=True))
        size = f"a worker may take {self.memory / GIB:.1f} GiB"
        if not count:
            largest = max(node.get("memory", 0) for node in nodes) / GIB
            raise TalkbenchError(
                f"no node of the Ray cluster has room for a worker: {size}, and the largest has {largest:.1f}"
            )
        if count < sum(slots):
            progress.warn(f"{count} workers for {sum(slots)} {what}: {size}, and there is memory for no more")
        return count

    def map(self, job: Job, chunks: Sequence[Any], watch: Watch) -> Iterator[Any]:
        import ray

        work = ray.put(_packed(job))
        count = min(self.workers, len(chunks))
        with ExitStack() as stack:
            stack.callback(_disconnect)
            if watch.logs is not None:  # Ray tells of lost nodes on the standard output
                watch.logs.mkdir(parents=True, exist_ok=True)
                stack.enter_context(redirect_stdout(stack.enter_context((watch.logs / "ray.log").open("a"))))
            options = {"num_cpus": 1, "num_gpus": self.gpus, "memory": self.memory, "max_restarts": RESTARTS}
            kind = ray.remote(_Actor).options(**options, runtime_env={"env_vars": _environment()})
            actors = [kind.remote(Place(self.threads)) for _ in range(count)]
            stack.callback(_end, actors)
            yield from _Work(actors, work, chunks, watch).results()


class _Work:
    """The chunks that are left, and what the actors do."""

    def __init__(self, actors: Sequence[Any], work: Any, chunks: Sequence[Any], watch: Watch) -> None:
        self.actors, self.work, self.watch = actors, work, watch
        self.queue, self.attempts = deque(enumerate(chunks)), Counter[int]()
        self.pending: dict[Any, tuple[int, Any]] = {}  # by what is waited for: the actor, and its chunk if it has one
        self.idle: list[int] = []

    def results(self) -> Iterator[Any]:
        """As `Engine.map`."""
        for number in range(len(self.actors)):
            self._open(number)
        while self.queue or any(chunk is not None for _, chunk in self.pending.values()):
            while self.queue and self.idle:
                self._give(self.idle.pop())
            done = self._wait()
            number, chunk = self.pending.pop(done)
            results = self._result(done, number, chunk)
            if results is not None:
                if self.queue:
                    self._give(number)
                else:
                    self.idle.append(number)
                self._tell()
                yield from results

    def _open(self, number: int) -> None:
        """Let an actor get ready, wherever Ray has begun it, as soon as it is there."""
        self.pending[self.actors[number].open.options(max_task_retries=-1).remote(self.work)] = number, None

    def _give(self, number: int) -> None:
        chunk = self.queue.popleft()
        self.pending[self.actors[number].run.remote(self.work, *chunk)] = number, chunk

    def _wait(self) -> Any:
        """The first that is done of what is waited for.

        Raises:
            TalkbenchError: no worker works, and none begins.
        """
        import ray

        began = time.monotonic()
        while self.pending:
            done, _ = ray.wait(list(self.pending), timeout=1.0)
            if done:
                return done[0]
            working = self.idle or any(chunk is not None for _, chunk in self.pending.values())
            if not working and time.monotonic() - began > LOST:
                raise TalkbenchError(
                    f"no worker has begun in {LOST:.0f} s: the Ray cluster is busy or has lost its nodes; go on with "
                    "the run with --resume when it has room"
                )
        raise TalkbenchError("all workers have died more often than Ray begins them; go on with the run with --resume")

    def _result(self, done: Any, number: int, chunk: Any) -> list[Any] | None:
        """What an actor has done; None if it has died, and its chunk is to be done again."""
        import ray
        from ray.exceptions import ActorDiedError, RayError, RayTaskError

        try:
            results, log, error = ray.get(done)
        except RayTaskError as error:  # of Ray's making: the function itself raises nothing
            raise TalkbenchError(f"a worker cannot begin: {_last_line(error)}") from error
        except RayError as error:
            if chunk is None and isinstance(error, ActorDiedError):
                self._tell()
                if "Error" in str(error) and "creation task" in str(error):
                    raise TalkbenchError(f"a worker cannot begin: {_last_line(error)}") from error
                return None
            self._lost(number, chunk)
            return None
        self.watch.log(number, log)
        if error is not None:
            raise error
        return list(results)

    def _lost(self, number: int, chunk: Any) -> None:
        """Give the chunk of a dead actor to another.

        Raises:
            TalkbenchError: it has been tried too often.
        """
        if chunk is not None:
            self.attempts[chunk[0]] += 1
            if self.attempts[chunk[0]] >= ATTEMPTS:
                raise TalkbenchError(
                    f"{ATTEMPTS} workers have died at the same pairs; go on with the run with --resume, with fewer "
                    "workers if memory is short"
                )
            self.watch.progress.warn(f"worker {number} has died, or its node has; another does its work again")
            self.queue.appendleft(chunk)
        self._open(number)
        self._tell()

    def _tell(self) -> None:
        alive = len(self.idle) + sum(chunk is not None for _, chunk in self.pending.values())
        self.watch.progress.workers(alive, len(self.actors))


class _Actor:
    """A worker. Its methods give results, log and error, so that Ray wraps none of them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stack, self._function = ExitStack(), None  # type: ignore[var-annotated]

    def open(self, work: bytes) -> tuple[list[Any], str, Exception | None]:
        with _logged() as log:
            error = self._ready(work)
            return [], log.getvalue(), error

    def run(self, work: bytes, index: int, chunk: Any) -> tuple[list[Any], str, Exception | None]:
        with _logged() as log:
            error = self._ready(work)
            results: list[Any] = []
            if error is None:
                try:
                    assert self._function is not None
                    with timed(index):
                        results = list(self._function(chunk))
                except Exception as failure:
                    error = self._closed(failure)
            return results, log.getvalue(), error

    def _ready(self, work: bytes) -> Exception | None:
        """Open the work if that is not done; returns what keeps it from that."""
        if self._function is None:
            try:
                from ray import cloudpickle

                self._function = self._stack.enter_context(cloudpickle.loads(work).open(self._place))
            except ImportError as error:
                return TalkbenchError(f"on {platform.node()}: {error}; install there what is installed here")
            except Exception as error:
                return _sendable(error)
        return None

    def _closed(self, failure: Exception) -> Exception:
        """The failure, as the context of the work sees it on its way out."""
        try:
            if self._stack.__exit__(type(failure), failure, failure.__traceback__):
                return failure
        except Exception as error:
            return _sendable(error)
        return _sendable(failure)


def _sendable(error: Exception) -> Exception:
    traceback.print_exception(error)
    return sendable(error)


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    log = io.StringIO()
    with redirect_stderr(log):
        yield log


def _packed(job: Job) -> bytes:
    from ray import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(job)
    except Exception as error:  # pickling reports in many ways
        reason = " ".join(str(error).split())
        raise TalkbenchError(f"the work cannot be sent to other machines ({reason}); take the engine local") from error
    return packed


def _environment() -> dict[str, str]:
    """The environment of a worker: its threads, and what finds code that is not installed."""
    installed = {"site-packages", "dist-packages", Path(os.__file__).parent.name}
    own = [path for path in sys.path if Path(path).is_absolute() and installed.isdisjoint(Path(path).parts)]
    kept = {name: value for name, value in os.environ.items() if name.startswith("TALKBENCH_")}
    return {"PYTHONPATH": os.pathsep.join(own), "OMP_NUM_THREADS": "1", **kept}


def _connect(address: str, progress: Progress) -> None:
    """Connect to the cluster, or begin one.

    Raises:
        TalkbenchError: it does not answer, or is of another version of Ray or Python.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address.startswith("ray://"):
        raise TalkbenchError(f"{address} is of a Ray client; give the cluster's own address, host:6379")
    if address and address != "auto":
        _check_answer(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    options |= {"address": address} if address else {"address": "local", "include_dashboard": False}
    for attempt in range(1, STARTS + 1):
        failure = _begin(options)
        if failure is None:
            return
        _disconnect()
        if address or attempt == STARTS:
            if address == "auto" and isinstance(failure, ConnectionError):
                raise TalkbenchError("no Ray cluster runs here; write ray:host:6379, or ray for one of this machine")
            where = f"the Ray cluster at {address} cannot be used" if address else "Ray does not start here"
            raise TalkbenchError(f"{where}: {_last_line(failure)}")
        progress.say(f"Ray has not started ({_last_line(failure)}); trying again")


def _begin(options: Mapping[str, Any]) -> BaseException | None:
    """Begin Ray; returns why it has not begun. Connecting may take for ever and hear no signal, so that is done in a
    thread of its own. A cluster that begins here would end with that thread."""
    failures: list[BaseException] = [TimeoutError(f"no answer in {START:.0f} s; check what listens there")]

    def begin() -> None:
        import ray

        try:
            ray.init(**options)
            failures.clear()
        except (Exception, SystemExit) as error:
            failures[:] = [error]

    if options["address"] == "local":
        before = signal.getsignal(signal.SIGTERM)
        begin()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray would end this process, where the command ends Ray
    else:
        thread = threading.Thread(target=begin, daemon=True)
        thread.start()
        thread.join(START)
    return failures[0] if failures else None


def _check_answer(address: str) -> None:
    """Check that somebody listens there; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise TalkbenchError(f"{address!r} is no address of a Ray cluster; write host:6379, or auto")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TalkbenchError(f"no Ray cluster answers at {address} ({reason}); check the address") from error
    with connection:
        if "RAY_USE_TLS" not in os.environ and not _speaks_grpc(connection):
            raise TalkbenchError(f"what answers at {address} is no Ray cluster; check the address")


def _speaks_grpc(connection: socket.socket) -> bool:
    """Whether the other side answers as a server of gRPC: the first frame of HTTP/2 has type 4, SETTINGS (RFC 9113,
    section 3.4). One that says nothing may be busy and is believed."""
    try:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        answer = connection.recv(9)
    except TimeoutError:
        return True
    except OSError:
        return False
    return answer[3:4] == b"\x04"


def _disconnect() -> None:
    import ray

    with suppress(Exception):
        ray.shutdown()


def _end(actors: Sequence[Any]) -> None:
    """End the actors at once, whatever they do."""
    import ray

    for actor in actors:
        with suppress(Exception):
            ray.kill(actor)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
