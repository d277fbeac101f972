"""Runs a command in a process group of its own: without a shell, with a time limit, and nothing of it left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from talkbench.core.errors import TalkbenchError
from talkbench.core.text import visible

GRACE = 5.0
"""Seconds that a process has to end itself before it is killed."""

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)

OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables of this environment that would spoil another one."""

TAIL, LONGEST = 3, 400
"""Lines of a log, and characters, that a message quotes."""

MOST_LOG = 2_000_000
"""Bytes of a log that are kept."""

ENOUGH = 64_000_000
"""Bytes free on a disk, below which a program that failed has most likely filled it."""


@dataclass(frozen=True)
class Ended:
    """How a process has ended.

    Attributes:
        problem: in words; "" if it was successful.
        timed_out: whether its time was up.
        seconds: how long it took.
    """

    problem: str
    timed_out: bool
    seconds: float


class Stopped(Exception):
    """The command that runs programs is being stopped, so a process was ended or not begun."""


class Processes:
    """Runs processes for several threads, and ends all of them when the command is stopped."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock, self._stopped = Lock(), False

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, log: Path
    ) -> Ended:
        """Run a command to its end; what it prints, and first the command itself, is added to the file `log`.

        Args:
            environment: variables that it gets besides those of this process.
            timeout: seconds after which its whole group of processes is ended.

        Raises:
            TalkbenchError: it cannot be started, so that trying again would not help.
            Stopped: `stop` was called.
        """
        variables = {name: value for name, value in os.environ.items() if name not in OURS} | dict(environment)
        began = time.monotonic()
        with log.open("ab") as output:
            output.write(f"$ cd {folder}\n$ {' '.join(map(_quoted, command))}\n".encode(errors="surrogateescape"))
            output.flush()
            process = self._start(command, folder, variables, output)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            end_group(process)
            return Ended(f"was ended after {timeout:g} s, its limit", True, time.monotonic() - began)
        finally:
            with self._lock:
                self._running.discard(process)
            _shorten(log)
        _signal(process, KILL)  # what it has left running
        if self._stopped:
            raise Stopped
        return Ended(_in_words(code), False, time.monotonic() - began)

    def _start(
        self, command: Sequence[str], folder: Path, variables: dict[str, str], output: object
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise Stopped
            try:
                process = subprocess.Popen(  # noqa: S603
                    command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output,  # type: ignore[call-overload]
                    start_new_session=True,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise TalkbenchError(
                    f"cannot run {command[0]} in {folder}: {reason.lower()}; mend the command of the card"
                ) from error
            self._running.add(process)
            return process

    def stop(self) -> None:
        """End all processes, and begin none any more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started: first asked to, then killed."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    _signal(process, KILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the group is gone
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:  # Windows has no groups
            process.send_signal(number)


def _in_words(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" if code else ""


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _shorten(log: Path) -> None:
    """Leave out the middle of a log that is too long to be kept for every call."""
    size, half = log.stat().st_size, MOST_LOG // 2
    if size > MOST_LOG:
        with log.open("r+b") as file:
            first = file.read(half)
            file.seek(-half, os.SEEK_END)
            last = file.read()
            file.seek(0)
            file.write(first + f"\n… {size - 2 * half} bytes are left out …\n".encode() + last)
            file.truncate()


def tail(log: Path) -> str:
    """The last lines of a log in one line, for a message."""
    with suppress(OSError):
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20 * LONGEST))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
        words = visible(" | ".join([line for line in lines if line and not line.startswith("$ ")][-TAIL:]))
        return words if len(words) <= LONGEST else f"… {words[-LONGEST:]}"
    return ""


def check_space(folder: Path) -> None:
    """Refuse to go on after a failure where the disk is full.

    Raises:
        TalkbenchError: fewer than `ENOUGH` bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < ENOUGH:
        raise TalkbenchError(f"the disk of {folder} is full ({free / 1e6:.0f} MB free); free some space and repeat")
