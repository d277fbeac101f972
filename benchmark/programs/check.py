"""`bench check program`: whether a card says what its program does, by a dry run on two short clips."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from talkbench import datasets
from talkbench.benchmark.evaluation.motions import MOTIONS
from talkbench.benchmark.evaluation.plan import commonest_side
from talkbench.benchmark.programs import judging
from talkbench.benchmark.programs.calling import run_once, work_folder
from talkbench.benchmark.programs.calls import Call, Images, calls_of
from talkbench.benchmark.programs.frames import gpus
from talkbench.benchmark.programs.judging import Finding, Sample
from talkbench.benchmark.programs.outputs import list_file, named_below, pictures
from talkbench.benchmark.programs.process import Processes, tail
from talkbench.benchmark.programs.program import Program, load
from talkbench.benchmark.programs.templates import fields_of
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import read_image, resize
from talkbench.core.text import few
from talkbench.datasets import Frame, Pair, Split

FRAMES, STEP = 24, 3
"""Driving frames of a clip, and every how many-th frame they are, so that they move visibly."""
DESCRIBED = ("short", "paper", "code", "licence.code", "licence.weights", "memory", "python")
"""What a card should say, though no number follows from it."""


@dataclass(frozen=True)
class ProgramCheck:
    """What the user asks for; see ``bench check program --help`` for each."""

    card: str
    dataset: str = "demo"
    root: Path | None = None
    image_size: int | None = None
    device: str = "auto"
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class DryRun:
    """Runs a program on the calls of a split without keeping anything.

    Attributes:
        size: side in pixels of the images that it gets.
    """

    program: Program
    images: Images
    motion: str
    size: int
    gpu: str | None

    def sample(self, call: Call, folder: Path) -> list[Sample]:
        """What the program writes of a call; of a whole list a sample for each clip.

        Raises:
            PairError: it fails, or writes nothing that the card names.
        """
        folder.mkdir()
        log = folder / "log.txt"
        ended = run_once(self.program, self.images, call, self.motion, self.size, folder, Processes(), self.gpu, log)
        try:
            if ended.problem:
                raise PairError("program-timeout" if ended.timed_out else "program-failed", f"it {ended.problem}")
            with named_below(folder / "out"):
                return [_of_one_size(sample) for sample in self._samples(call, folder / "out")]
        except PairError as error:
            last = tail(log)
            raise PairError(error.reason, f"{error.message}" + (f"; its last words: {last}" if last else "")) from error

    def _samples(self, call: Call, out: Path) -> Iterator[Sample]:
        output = self.program.card.output
        if call.source is not None:
            written = pictures(output, out)
            frames = [written.read(index) for index in range(len(written))]
            yield Sample(self._read(call.source), [*map(self._read, call.drivings)], frames, call.rate)
            return
        for source in dict.fromkeys(pair.source for pair in self.images.split):
            numbers = [number for number in call.numbers if self.images.split[number].source == source]
            files = [list_file(output, out, number) for number in numbers]
            frames = [read_image(file) for file in files if file.is_file()]
            if not frames:
                raise PairError(
                    "no-output", f"it wrote no {files[0].relative_to(out)}, as output.files of its card says"
                )
            drivings = [self._read(self.images.split[number].driving) for number in numbers]
            yield Sample(self._read(source), drivings, frames, call.rate)

    def _read(self, frame: Frame) -> np.ndarray:
        return resize(self.images.read(frame), self.size)


def _of_one_size(sample: Sample) -> Sample:
    sizes = {f"{picture.shape[1]}x{picture.shape[0]}": None for picture in sample.pictures}
    if len(sizes) > 1:
        raise PairError("wrong-size", f"it wrote frames of several sizes in one call: {few(list(sizes))}")
    return sample


def check_program(options: ProgramCheck, progress: Progress | None = None) -> list[Finding]:
    """Look at a card and at what its program makes of two short clips of a data set.

    Raises:
        TalkbenchError: the card is faulty, a place is missing, the program cannot be started, or the data set has no
            two clips of `FRAMES` frames.
    """
    progress = progress or Progress()
    program = load(options.card, options.settings)
    card = program.card
    motion = next(name for name, kind in MOTIONS.items() if kind in card.motions and name != "relative-best")
    split = _split(options, motion)
    size = card.input.size or options.image_size or card.output.size or commonest_side(split)
    findings = [_described(program), _places(program)]
    dry = DryRun(program, Images(split), MOTIONS[motion], size, gpus(options.device)[0])
    calls = calls_of(card, dry.images)
    calls = [calls[0], calls[-1]] if card.granularity == "pair" else calls
    progress.start(0, len(calls) + (2 if _seeded(program) else 0))
    with work_folder() as folder:
        try:
            samples = []
            for number, call in enumerate(calls):
                samples += dry.sample(call, folder / str(number))
                progress.advance(1)
        except PairError as error:
            return [*findings, Finding("run", "fault", error.message)]
        findings.append(
            Finding(
                "run", "sound", f"{len(calls)} call{'s' * (len(calls) > 1)}, motion {motion}, images of {size}x{size}"
            )
        )
        findings += _judged(program, samples, size)
        findings.append(_seed(dry, calls[0], samples[0], folder, progress))
    return findings


def _split(options: ProgramCheck, motion: str) -> Split:
    """The first frame of each of two clips, driven by frames of the same clip."""
    data = datasets.create(options.dataset, root=options.root)
    tasks = sorted(data.tasks, key=lambda task: task != "reconstruction")
    whole = data.split(tasks[0])
    clips: list[list[Frame]] = []
    for name in dict.fromkeys(frame.clip for task in tasks for frame in _frames(data, task)):
        numbers = whole.clip(name).numbers
        if len(numbers) >= judging.FEWEST:
            step = max(1, min(STEP, len(numbers) // FRAMES))
            clips.append([Frame(name, number) for number in numbers[::step][:FRAMES]])
        if len(clips) == 2:
            break
    if len(clips) < 2:
        raise TalkbenchError(f"{options.dataset} has no two clips of {judging.FEWEST} frames; take another --dataset")
    pairs = [
        Pair(frames[0], frame, frames[0] if motion == "relative-first" else None)
        for frames in clips
        for frame in frames
    ]
    return Split(whole.dataset, "reconstruction", motion, whole.root, pairs, whole.store, rates=whole.rates)


def _frames(data: datasets.Dataset, task: str) -> Iterator[Frame]:
    """The driving frames, then the sources, of the pairs of a task."""
    split = data.split(task)
    yield from (pair.driving for pair in split)
    yield from (pair.source for pair in split)


def _described(program: Program) -> Finding:
    lacking = []
    for name in DESCRIBED:
        part, _, inner = name.partition(".")
        value = getattr(program.card, part)
        if not (getattr(value, inner) if inner else value):
            lacking.append(name)
    if lacking:
        return Finding("card", "unsaid", f"all is there that decides a number; not stated: {', '.join(lacking)}")
    return Finding("card", "sound", "every field is there")


def _places(program: Program) -> Finding:
    """What code and interpreter are found."""
    python, version = program.places.get("python"), program.version
    told = f"{program.places['checkout']}, {version}"
    if python:
        try:
            asked = subprocess.run([python, "--version"], capture_output=True, text=True, timeout=60)  # noqa: S603
            told += f"; {(asked.stdout or asked.stderr).strip().splitlines()[0]}"
        except (OSError, subprocess.TimeoutExpired, IndexError) as error:
            return Finding("places", "fault", f"{python} does not tell its version ({error}); give the interpreter")
    if not version.commit:
        return Finding("places", "unsaid", f"{told}: without a commit nobody can fetch the same code")
    return Finding("places", "unsaid" if version.dirty else "sound", told)


def _judged(program: Program, samples: list[Sample], size: int) -> Iterator[Finding]:
    card = program.card
    finding, cut = judging.montage(samples, card.output.cut)
    yield finding
    samples = [sample.cut(cut) for sample in samples]
    yield judging.size(samples, card.output.size or size, size)
    yield from judging.order(samples, card.frames)
    yield judging.crop(samples, card.crop)


def _seeded(program: Program) -> bool:
    card = program.card
    config = card.config.content if card.config else ""
    return "seed" in fields_of([card.command, card.environment, card.motions, config])


def _seed(dry: DryRun, call: Call, first: Sample, folder: Path, progress: Progress) -> Finding:
    """Whether a second call gives the same, and one with another seed something else."""
    if not _seeded(dry.program):
        again = "the card has no {seed}; if the program draws random numbers, give it one"
        return Finding("seed", "unclear", again)
    other = replace(dry, program=replace(dry.program, seed=dry.program.seed + 1))
    try:
        alike = []
        for name, run in (("same", dry), ("other", other)):
            second = run.sample(call, folder / name)[0]
            alike.append(_equal(first, second))
            progress.advance(1)
    except PairError as error:
        return Finding("seed", "fault", f"a second call fails: {error.message}")
    same, others = alike
    if same and not others:
        return Finding("seed", "sound", "the same seed gives the same frames, and another seed others")
    if same:
        return Finding(
            "seed", "unclear", "the frames do not depend on the seed: either nothing is drawn, or it ignores {seed}"
        )
    return Finding("seed", "fault", "two calls with the same seed give unlike frames: it ignores its {seed}, or "
                   "computes unlike results on this device")  # fmt: skip


def _equal(one: Sample, other: Sample) -> bool:
    pairs = zip(one.pictures, other.pictures, strict=False)
    return len(one.pictures) == len(other.pictures) and all(np.array_equal(a, b) for a, b in pairs)
