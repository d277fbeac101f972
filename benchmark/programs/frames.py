"""The frames that a program makes of the pairs of a split: all calls, several at once, and what came of them."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

import torch

from talkbench.benchmark.evaluation.given_frames import GivenFrames, check_name, frame_name, lossy
from talkbench.benchmark.evaluation.motions import MOTIONS
from talkbench.benchmark.programs.calling import Caller, CallResult, work_folder
from talkbench.benchmark.programs.calls import Call, Images, calls_of
from talkbench.benchmark.programs.outputs import LOST, lost, shrunk
from talkbench.benchmark.programs.process import Processes
from talkbench.benchmark.programs.program import Program
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import read_image, write_png
from talkbench.datasets import Split

TOLD = 3
"""Calls that fail are told one by one up to so many, and then counted."""


class ProgramFrames(GivenFrames):
    """The frames that a program has made here.

    Attributes:
        absent: why a pair has none, by its number: reason and message.
    """

    def __init__(
        self,
        program: Program,
        folder: Path,
        split: Split,
        size: int,
        kinds: dict[int, str],
        absent: dict[int, tuple[str, str]],
    ) -> None:
        super().__init__(program.name, folder, split.pairs, len(split), size)
        self.absent = absent
        facts = {"kinds": dict(Counter(kinds.values())), "program": str(program.version)}
        self.info = self.info.model_copy(update=facts)
        self.settings = program.settings(MOTIONS[split.motion])
        self.remarks = [*lossy(self.info)]

    def read(self, number: int) -> object:  # type: ignore[override]
        if number in self.absent:
            raise PairError(*self.absent[number])
        return super().read(number)


@dataclass
class Maker:
    """Makes the frames of a run by a program (`evaluation.given_frames.FrameMaker`).

    Attributes:
        jobs: how many calls run at once, on each GPU if there are any.
        device: on whose GPUs: ``auto``, or one device of torch's.
        results: what came of the calls.
    """

    program: Program
    folder: Path
    jobs: int = 1
    device: str = "auto"
    results: list[CallResult] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the method in the record."""
        return self.program.name

    @property
    def origin(self) -> str:
        """What the record says of the frames."""
        return f"a program in an environment of its own ({self.program.version})"

    @property
    def size(self) -> int | None:
        """Side in pixels of the images that are compared, unless the user wants another."""
        return self.program.card.input.size or self.program.card.output.size

    def check(self, motion: str) -> None:
        """Refuse a name or a motion that cannot be.

        Raises:
            TalkbenchError: it cannot be.
        """
        check_name(self.name, f"{self.program.path}:")
        if MOTIONS[motion] not in self.program.card.motions:
            choices = [name for name, kind in MOTIONS.items() if kind in self.program.card.motions]
            raise TalkbenchError(f"{self.name} has no motion {motion}; give --motion {' or '.join(choices)}")

    def make(self, split: Split, size: int, progress: Progress) -> ProgramFrames:
        """Run the program over a split, as far as earlier runs have not.

        Raises:
            TalkbenchError: it cannot be started, the disk is full, or not one call went well.
        """
        card = self.program.card
        side = card.input.size or size
        images, processes = Images(split), Processes()
        if card.crop == "crop":
            progress.warn(
                f"{self.name} crops the faces, so its frames do not lie on the driving frames (crop of its card)"
            )
        motion = MOTIONS[split.motion]
        settings = self.program.settings(motion)
        caller = Caller(self.program, images, motion, side, settings, processes, progress.say)
        calls = calls_of(card, images)
        progress.say(f"running {self.name}: {_calls(len(calls))} for {len(split)} pairs")
        progress.start(0, len(split))
        self._call_all(caller, calls, progress)
        return self._collect(split, size, side, progress)

    def _call_all(self, caller: Caller, calls: Sequence[Call], progress: Progress) -> None:
        slots: Queue[str | None] = Queue()
        for gpu in gpus(self.device) * self.jobs:
            slots.put(gpu)

        def make(call: Call, wait: bool) -> CallResult | None:
            gpu = slots.get()
            try:
                return caller.make(call, gpu, wait)
            finally:
                slots.put(gpu)

        with ThreadPoolExecutor(slots.qsize()) as executor:
            try:
                for wait in (False, True):  # first what no other process is making at the moment
                    done = {result.call for result in self.results}
                    futures = [executor.submit(make, call, wait) for call in calls if call not in done]
                    for future in as_completed(futures):
                        if result := future.result():
                            self._take(result, progress)
            except BaseException:
                caller.processes.stop()
                executor.shutdown(wait=False, cancel_futures=True)
                raise

    def _take(self, result: CallResult, progress: Progress) -> None:
        self.results.append(result)
        failed = sum(one.fault is not None for one in self.results)
        if result.fault and failed <= TOLD:
            progress.warn(result.fault[1])
        progress.advance(len(result.call.numbers))

    def _collect(self, split: Split, size: int, side: int, progress: Progress) -> ProgramFrames:
        """The frames of all calls in one folder, under the numbers of their pairs."""
        card, kinds, absent = self.program.card, dict[int, str](), dict[int, tuple[str, str]]()
        written = card.output.size or side
        for result in sorted(self.results, key=lambda result: result.call.numbers):
            gone = lost(card, result.call)
            for number, place in zip(result.call.numbers, result.call.places, strict=True):
                if result.fault:
                    absent[number] = result.fault
                elif number in gone:
                    absent[number] = LOST, gone[number]
                elif place in result.files:
                    kinds[number] = result.kinds[place]
                    try:
                        _put(result.files[place], self.folder / frame_name(number), size)
                    except PairError as error:
                        folder = result.files[place].parent
                        raise TalkbenchError(
                            f"{folder} is damaged; delete this folder, and the call is made anew"
                        ) from error
                else:
                    absent[number] = "missing-frame", f"{self.name} wrote no frame of pair {number}"
        self._report(split, absent, progress)
        frames = ProgramFrames(self.program, self.folder, split, size, kinds, absent)
        if written != size:
            frames.settings["resized"] = f"{written} to {size}"
            ratio = written // size
            how = f"the mean of {ratio}x{ratio} pixels" if written % size == 0 else "bilinear resizing"
            frames.remarks.append(f"the frames of {written}x{written} are compared at {size}x{size}, by {how}")
        for remark in frames.remarks:
            progress.warn(remark)
        return frames

    def _report(self, split: Split, absent: dict[int, tuple[str, str]], progress: Progress) -> None:
        """Say how many calls were made, kept and failed, and which pairs have no frame.

        Raises:
            TalkbenchError: none has.
        """
        failed = [result for result in self.results if result.fault]
        kept = sum(result.kept for result in self.results)
        if failed and len(failed) == len(self.results):
            reason = failed[0].fault
            assert reason is not None
            said = "the only call failed" if len(failed) == 1 else f"not one of {len(failed)} calls went well"
            raise TalkbenchError(f"{said}; {reason[1]}")
        if not self.results:
            raise TalkbenchError("no pair has frames that can be read; check the data with bench data verify")
        counts = Counter(reason for reason, _ in absent.values())
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
        progress.say(
            f"{_calls(len(self.results))} of {self.name}: {len(self.results) - kept - len(failed)} made, "
            f"{kept} kept from before, {len(failed)} failed"
            + (f"; {len(absent)} of {len(split)} pairs have no frame ({told})" if absent else "")
        )


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _put(file: Path, target: Path, size: int) -> None:
    """A frame under another name, at `size` x `size`."""
    with suppress(OSError):
        os.link(file, target)
    if not target.exists():
        shutil.copyfile(file, target)
    image = read_image(target)
    if len(image) != size:
        target.unlink()
        write_png(target, shrunk(image, size))


def gpus(device: str) -> list[str | None]:
    """The GPUs for programs, as ``CUDA_VISIBLE_DEVICES`` names them; [None]: there is nothing to choose."""
    count = torch.cuda.device_count() if device == "auto" or device.startswith("cuda") else 0
    if not count:
        return [None]
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = visible if len(visible) == count else [str(index) for index in range(count)]
    chosen = device.partition(":")[2]
    return [names[int(chosen)]] if chosen else list(names)


@contextmanager
def making(program: Program, jobs: int, device: str) -> Iterator[Maker]:
    """What makes the frames of a run, and keeps them in one folder until the run has ended."""
    with work_folder() as folder:
        yield Maker(program, folder, jobs, device)
