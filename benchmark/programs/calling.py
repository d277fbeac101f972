"""Makes the frames of a call: from what is kept of an earlier one, else by running the program."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from talkbench.benchmark.evaluation.given_frames import frame_name
from talkbench.benchmark.programs.calls import Call, Images, key_of
from talkbench.benchmark.programs.commands import command_of
from talkbench.benchmark.programs.inputs import write_inputs
from talkbench.benchmark.programs.outputs import frames_of, named_below
from talkbench.benchmark.programs.process import Ended, Processes, check_space, tail
from talkbench.benchmark.programs.program import Program
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import PARTIAL, atomic_folder, sweep, write_atomic
from talkbench.core.images import write_png
from talkbench.core.locks import FOREVER, locked
from talkbench.core.paths import home

LOG, RESULT, FACTS = "log.txt", "result", "call.json"

DAY = 24 * 3600.0


def cache_folder() -> Path:
    """Where the frames of programs are kept."""
    return home().absolute() / "programs"


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for the time of a command, in the cache folder; what killed commands have left there is deleted."""
    root, work = cache_folder(), "is working in"
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(f"{PARTIAL}*"):
        with suppress(TalkbenchError, OSError):
            if time.time() - leftover.stat().st_mtime > DAY:
                with locked(leftover, work):
                    shutil.rmtree(leftover, ignore_errors=True)
    with TemporaryDirectory(prefix=PARTIAL, dir=root) as folder, locked(Path(folder), work):
        path = Path(folder, "work")
        path.mkdir()
        yield path


@dataclass(frozen=True)
class CallResult:
    """What came of a call.

    Attributes:
        files: the images of its frames, by the places of the pairs in the call.
        kinds: how the program stored each of them.
        kept: whether they are of an earlier run.
        fault: why there are none: the reason for the rows, and the message; None if the call went well.
    """

    call: Call
    files: dict[int, Path]
    kinds: dict[int, str]
    kept: bool = False
    fault: tuple[str, str] | None = None


@dataclass(frozen=True)
class Caller:
    """Makes the frames of calls; of several threads, each may make those of another call.

    Attributes:
        motion: of the card's.
        size: side in pixels of the images that the program gets.
        settings: what decides the frames besides the input, see `Program.settings`.
    """

    program: Program
    images: Images
    motion: str
    size: int
    settings: dict[str, Any]
    processes: Processes
    say: Callable[[str], None]

    def make(self, call: Call, gpu: str | None, wait: bool = True) -> CallResult | None:
        """The frames of a call. Those of an earlier call with the same program, card and input are kept in the cache
        folder.

        Args:
            wait: for another process that is making them; else None is returned, and there may be other calls to make.

        Raises:
            TalkbenchError: the program cannot be started, or the disk is full.
            Stopped: the command is being stopped.
        """
        key = key_of(call, self.images, self.settings, self.size)
        folder = cache_folder() / self.program.name / key
        with ExitStack() as stack:
            try:
                work = f"is running {self.program.name} in"
                stack.enter_context(locked(folder, work, FOREVER if wait else 0.0, self.say))
            except TalkbenchError:
                if wait:
                    raise
                return None
            if (folder / RESULT).is_dir():
                return _read(call, folder / RESULT, kept=True)
            sweep(folder)
            return self._try(call, folder, gpu)

    def _try(self, call: Call, folder: Path, gpu: str | None) -> CallResult:
        """Run the program until a call goes well, or it has been tried as often as it may be."""
        (folder / LOG).unlink(missing_ok=True)
        for attempt in range(1 + self.program.retries):
            try:
                with atomic_folder(folder / RESULT) as result:
                    self._run(call, folder, result, gpu, attempt + 1)
                return _read(call, folder / RESULT)
            except PairError as error:
                check_space(folder)
                fault = error.reason, self._told(call, error, folder / LOG, attempt + 1)
        return CallResult(call, {}, {}, fault=fault)

    def _run(self, call: Call, folder: Path, result: Path, gpu: str | None, attempt: int) -> None:
        with TemporaryDirectory(prefix=PARTIAL, dir=folder) as place:
            files = Path(place)
            ended = run_once(
                self.program, self.images, call, self.motion, self.size, files, self.processes, gpu, folder / LOG
            )
            if ended.problem:
                raise PairError("program-timeout" if ended.timed_out else "program-failed", ended.problem)
            kinds, out = {}, files / "out"
            with named_below(out):
                for number, frame, kind in frames_of(self.program.card, call, out, self.size):
                    write_png(result / frame_name(number), frame)
                    kinds[number] = kind
            facts = {"kinds": kinds, "seconds": ended.seconds, "attempt": attempt, "ended": time.time()}
            write_atomic(result / FACTS, json.dumps(facts))

    def _told(self, call: Call, error: PairError, log: Path, attempts: int) -> str:
        """What the rows say of a call that failed."""
        times = f" ({attempts} attempts)" if attempts > 1 else ""
        last = tail(log)
        said = f"its last words: {last}" if last else "it printed nothing"
        return f"{self.program.name}, {call.pairs}{times}: {error.message}; {said}; log: {log}"


def run_once(
    program: Program,
    images: Images,
    call: Call,
    motion: str,
    size: int,
    folder: Path,
    processes: Processes,
    gpu: str | None,
    log: Path,
) -> Ended:
    """Write the input of a call into `folder` and run the program, which writes into ``out`` there; raises as
    `Processes.run`."""
    values = write_inputs(call, program, images, size, folder)
    command = command_of(program, motion, values, folder, gpu)
    try:
        ended = processes.run(command.words, command.folder, command.environment, program.timeout, log)
    except BaseException:
        command.end()
        raise
    if ended.problem:
        command.end()
    return ended


def _read(call: Call, result: Path, kept: bool = False) -> CallResult:
    """The frames that are kept of a call.

    Raises:
        TalkbenchError: the folder is damaged.
    """
    with suppress(OSError, ValueError, KeyError, AttributeError):
        facts = json.loads((result / FACTS).read_text(encoding="utf-8"))
        kinds = {int(number): str(kind) for number, kind in facts["kinds"].items()}
        files = {number: result / frame_name(number) for number in kinds}
        if all(path.is_file() for path in files.values()):
            return CallResult(call, files, kinds, kept)
    raise TalkbenchError(f"{result} is damaged; delete this folder, and the call is made anew")
