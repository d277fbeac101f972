"""The signals that end a training. In its loop they take effect between two steps: in the middle of one the state is
not consistent."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from talkbench.core.errors import Terminated

OTHERS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""The signals by which others than the user ask a process to end: ``kill``, ``torchrun``, a cluster."""


@contextmanager
def held_back() -> Iterator[Callable[[], int]]:
    """Hold back the first Ctrl-C and all of `OTHERS` in the block; the yielded function returns the number of the first
    signal that came, 0 before.

    A second Ctrl-C interrupts. More of the others change nothing, since one end may bring several: a cluster sends its
    signal to all processes, and ``torchrun`` sends it once more. Signals that the process ignores, as ``nohup`` has it,
    or that the program at hand handles itself, are left alone.
    """
    first = 0

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        first = first or number
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    usual = (signal.default_int_handler, signal.SIG_DFL, _terminate)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *OTHERS)}
    before = {number: handler for number, handler in before.items() if handler in usual}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: first
    finally:
        for number, handler in before.items():
            ending = first in OTHERS and handler is _terminate  # `terminable` is left soon, and puts back what was
            signal.signal(number, signal.SIG_IGN if ending else handler)


def end_by(number: int) -> KeyboardInterrupt:
    """The exception by which a training ends after the signal `number`."""
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)


@contextmanager
def terminable() -> Iterator[None]:
    """In the block `OTHERS` raise Terminated, as Ctrl-C raises KeyboardInterrupt; after the first one of them the block
    has its time to end."""
    before = {number: signal.getsignal(number) for number in OTHERS}
    before = {number: handler for number, handler in before.items() if handler is signal.SIG_DFL}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    for number in before:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_others() -> None:
    """What a process does that reads frames: the signals may reach it too, and the process that trains ends it."""
    for number in OTHERS:
        signal.signal(number, signal.SIG_IGN)


def _terminate(number: int, _frame: FrameType | None) -> None:
    for each in OTHERS:
        signal.signal(each, signal.SIG_IGN)
    raise Terminated(number)
