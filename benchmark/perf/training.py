"""`bench perf --train`: what a training step costs, and whether frames can be read fast enough for it.

The steps are those of `bench train`: its recipe, data loader, objective and optimiser, on fresh weights.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from talkbench import datasets, methods
from talkbench.benchmark.environment import choose_device, device_name
from talkbench.benchmark.perf.gauges import WARM_UP, memory, peak, synchronise
from talkbench.benchmark.perf.modes import every, parts, precision_of, to_channels_last
from talkbench.benchmark.perf.modules import Calls
from talkbench.benchmark.perf.table import CostTable, csv_name, fill, first_line
from talkbench.benchmark.probes import probe_images
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import to_uint8, write_png
from talkbench.training import objectives
from talkbench.training.data.feed import feed
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1, PerceptualLoss
from talkbench.training.progress import TrainProgress
from talkbench.training.session import TrainOptions, recipe
from talkbench.training.world import World

VGG, PYRAMID, L1 = "VGG-19", "multi-scale L1", "L1"
COUNTED = 2  # samples whose arithmetic is counted: one alone is convolved in another way (methods.blocks.Conv2d)
SIDE, IMAGES, CLIPS, FRAMES = 256, 16, 8, 500  # far more frames than the loader's cache meets twice
GRAIN = 2 / 255  # makes the PNG files 99 kB, as those of video frames
LOADED = 4  # batches per reading process that the loader's time is taken over


@dataclass(frozen=True)
class TrainPerfOptions:
    """What the user asks for; see ``bench perf --help`` for each."""

    methods: tuple[str, ...]
    modes: tuple[str, ...] = ("float32",)
    batch_sizes: tuple[int, ...] = (8,)
    device: str = "auto"
    workers: int | None = None
    repeat: int = 10
    out: Path | None = None


@dataclass(frozen=True)
class TrainSetting:
    """What is measured, and where: the columns that tell one row from another.

    Attributes:
        image_loss: ``VGG-19``, with random weights, or ``multi-scale L1`` where torchvision is missing; ``L1`` of
            objectives that have no other.
        workers: processes that read frames.
    """

    method: str
    mode: str
    batch_size: int
    image_loss: str
    workers: int
    device: str
    threads: int
    torch: str
    talkbench: str


@dataclass(frozen=True)
class TrainCost:
    """What a step costs.

    Attributes:
        size: side of the frames that are trained on.
        parameters: how many are trained.
        images_per_second: frame pairs that steps take when they need not wait for frames.
        gflop_*: 10⁹ operations in convolutions and matrix products per sample, a multiply-add being two. ``step`` is
            what a step does, the sum of ``forward`` (without the image loss), ``perceptual`` (the image loss) and
            ``backward`` (with the image loss). ``modules`` is what a step needs: the sum over the modules, each run by
            itself on every input that it gets, forward and backward.
        ms_*: milliseconds per batch, the median of `repeat` steps. ``step`` is the sum of forward, perceptual, backward
            and optimiser (with the limit on gradients); ``data``: the loader alone, reading PNG frames of 256×256 with
            `workers` processes. In a compiled step ``forward`` includes ``perceptual``.
        data_ratio: time of a step divided by time of the loader; above 1 steps do not wait for frames.
        mib_step: the peak in MiB (`gauges.peak`).
        modules: GFLOP per sample of each module.
    """

    size: int
    parameters: int
    images_per_second: float
    gflop_step: float
    gflop_modules: float
    gflop_forward: float
    gflop_perceptual: float
    gflop_backward: float
    ms_step: float
    ms_data: float
    ms_forward: float
    ms_perceptual: float | None
    ms_backward: float
    ms_optimiser: float
    data_ratio: float
    mib_step: float
    memory: str
    modules: str
    repeat: int


@dataclass(frozen=True)
class TrainRow:
    """A line of the table: a setting with its cost, or with the reason why it has none."""

    setting: TrainSetting
    cost: TrainCost | None
    reason: str = ""


@dataclass(frozen=True)
class Arithmetic:
    """GFLOP per sample; see `TrainCost`."""

    forward: float
    perceptual: float
    backward: float
    modules: dict[str, float]


KEY = tuple(column.name for column in fields(TrainSetting))
COLUMNS = (*KEY, *(column.name for column in fields(TrainCost)), "reason")

Clock = Callable[[], float]


def perf_train(options: TrainPerfOptions, progress: Progress | None = None) -> tuple[list[TrainRow], Path]:
    """Measure the training step of every method in every mode at every batch size; returns what `methods.perf` does.

    Raises:
        TalkbenchError: an unknown method, mode or device, or a CSV that cannot be written or holds something else.
    """
    settings = every(options.methods, options.modes, options.batch_sizes)
    device = choose_device(options.device)
    usual = 2 if device.type == "cpu" else min(8, os.cpu_count() or 1)
    workers = usual if options.workers is None else options.workers
    out = options.out or Path("perf") / csv_name(device_name(device), ["train", *options.modes])
    table = CostTable(out, COLUMNS, KEY)
    with TemporaryDirectory() as folder:
        write_frames(Path(folder))
        bench = Bench(Path(folder), device, workers, options.repeat)
        return fill(table, settings, bench.measure, progress or Progress()), out


def write_frames(root: Path) -> None:
    """Write clips of PNG frames of 256×256 below `root`; their files are links to a few images."""
    noise = GRAIN * torch.randn(IMAGES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    for number, image in enumerate(to_uint8(probe_images(IMAGES, SIDE) + noise)):
        write_png(root / "test" / f"{number}.png", image)
    for clip in range(CLIPS):
        folder = root / "train" / f"clip{clip}"
        folder.mkdir(parents=True)
        for number in range(FRAMES):
            os.link(root / "test" / f"{(clip + number) % IMAGES}.png", folder / f"{number:07d}.png")


class Bench:
    """Measures training steps on the frames below `root`."""

    def __init__(self, root: Path, device: torch.device, workers: int, repeat: int) -> None:
        self._root, self._device, self._workers, self._repeat = root, device, workers, repeat
        self._counted: dict[str, Arithmetic] = {}
        torch.set_flush_denormal(True)  # as `bench train` does

    def measure(self, name: str, mode: str, batch_size: int) -> TrainRow:
        """One row; the arithmetic of a method is counted once."""
        cost, reason = None, ""
        try:
            if name not in self._counted:
                self._counted[name] = count(self.trainer(name, "float32", COUNTED))
                gc.collect()
            cost = self._cost(self.trainer(name, mode, batch_size), self._counted[name], "compiled" in mode)
        except Exception as error:  # whatever it is, the other rows can do without this one
            reason = first_line(error)
        if reason or "compiled" in mode:  # what tracebacks and the compiler hold is not the next row's memory
            torch.compiler.reset()
            gc.collect()
        setting = TrainSetting(
            method=name,
            mode=mode,
            batch_size=batch_size,
            image_loss=L1 if _is_plain(name) else VGG if find_spec("torchvision") else PYRAMID,
            workers=self._workers,
            device=device_name(self._device),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            talkbench=version("talkbench"),
        )
        return TrainRow(setting, cost, reason)

    def trainer(self, name: str, mode: str, batch_size: int) -> Trainer:
        """The trainer of a method with the method's own recipe and fresh weights from a fixed seed."""
        changes: dict[str, object] = {"batch_size": batch_size, "repeats": batch_size, "validation": 0, "accumulate": 1}
        changes |= {"best": "l1", "patience": None}  # which needs no model file
        changes["precision"] = precision_of(parts(mode))
        if not find_spec("torchvision"):  # which jitters
            changes["jitter"] = 0
        config = recipe(TrainOptions(method=name, changes=changes))
        torch.manual_seed(config.seed)
        method = methods.create(config.method)
        image_loss = nn.L1Loss() if _is_plain(config.method) else make_image_loss()
        assert method.resolution is not None
        if "channels_last" in mode:
            to_channels_last(*method.networks.values(), image_loss)
        pairs = FramePairs(datasets.create("folder", root=self._root), config, method.resolution)
        loop = LoopOptions(workers=self._workers, compiled="compiled" in mode)
        trainer = Trainer(
            method, config, pairs, self._root / "states", image_loss, World(self._device), loop, TrainProgress()
        )
        trainer.objective.complete()
        trainer.objective.to(self._device).train()
        return trainer

    def _cost(self, trainer: Trainer, counted: Arithmetic, compiled: bool) -> TrainCost:
        device, batch_size = self._device, trainer.config.batch_size
        images, loading = load(trainer)
        warm_up = WARM_UP if compiled or device.type != "cpu" else 1
        clock = partial(now, device)
        turns = [turn(trainer, images, clock, compiled) for _ in range(warm_up + self._repeat)][warm_up:]
        seconds = median(sum(turn.values()) for turn in turns)

        def milliseconds(stage: str) -> float:
            return 1000 * median(turn[stage] for turn in turns)

        return TrainCost(
            size=images.shape[-1],
            parameters=sum(parameter.numel() for turn in trainer.turns for parameter in turn.learned),
            images_per_second=batch_size / seconds,
            gflop_step=counted.forward + counted.perceptual + counted.backward,
            gflop_modules=sum(counted.modules.values()),
            gflop_forward=counted.forward,
            gflop_perceptual=counted.perceptual,
            gflop_backward=counted.backward,
            ms_step=1000 * seconds,
            ms_data=1000 * loading,
            ms_forward=milliseconds("forward"),
            ms_perceptual=None if compiled else milliseconds("perceptual"),
            ms_backward=milliseconds("backward"),
            ms_optimiser=milliseconds("optimiser"),
            data_ratio=seconds / loading,
            mib_step=peak(lambda: turn(trainer, images, clock, compiled), device),
            memory=memory(device),
            modules=", ".join(f"{name} {gflop:.6g}" for name, gflop in counted.modules.items()),
            repeat=self._repeat,
        )


def _is_plain(name: str) -> bool:
    """Whether a method is trained with the mean absolute difference of images alone."""
    kind = methods.class_of(name)
    try:
        return isinstance(kind, type) and objectives.find(kind, name).plain
    except TalkbenchError:  # it has no objective, which its row says
        return False


def make_image_loss() -> nn.Module:
    """The perceptual loss with random weights, which cost what the real ones do; without torchvision its stand-in."""
    if not find_spec("torchvision"):
        return MultiScaleL1()
    from torchvision.models.vgg import cfgs, make_layers

    return PerceptualLoss(make_layers(cfgs["E"]))


def load(trainer: Trainer) -> tuple[Tensor, float]:
    """A batch, uint8 (B, 2, 3, H, W), and the seconds that the loader takes for one when nothing else runs."""
    processes = max(1, trainer.options.workers)
    with closing(feed(trainer.pairs, trainer.batches, trainer.options.workers, trainer.world.device)) as batches:
        for _ in range(processes):  # while they begin
            next(batches)
        start = perf_counter()
        for _ in range(LOADED * processes):
            images, _, _ = next(batches)
        return images, (perf_counter() - start) / (LOADED * processes)


def now(device: torch.device) -> float:
    """The time, after `device` has finished its work."""
    synchronise(device)
    return perf_counter()


def turn(trainer: Trainer, images: Tensor, clock: Clock, compiled: bool = False) -> dict[str, float]:
    """Run a step; returns by how much `clock` goes on during each of its parts."""
    watch: AbstractContextManager[list[float]] = nullcontext([])
    if not compiled:
        watch = within(trainer.objective.image_loss, clock)
    with watch as perceptual:
        forward, backward, start = 0.0, 0.0, clock()
        for losses in trainer.learner.passes(images, trainer.step):
            middle = clock()
            losses["total"].backward()
            end = clock()
            forward, backward, start = forward + middle - start, backward + end - middle, end
        trainer.learner.clip()
        trainer.learner.update(trainer.step)
        optimiser = clock() - start
    inside = sum(perceptual)
    return {"forward": forward - inside, "perceptual": inside, "backward": backward, "optimiser": optimiser}


@contextmanager
def within(module: nn.Module, clock: Clock) -> Iterator[list[float]]:
    """In the block, collect by how much `clock` goes on during each call of `module`."""
    starts: list[float] = []
    spent: list[float] = []
    handles = (
        module.register_forward_pre_hook(lambda *_: starts.append(clock())),
        module.register_forward_hook(lambda *_: spent.append(clock() - starts.pop())),
    )
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def count(trainer: Trainer) -> Arithmetic:
    """What a step of the trainer does per sample, and what its modules need."""
    images, _ = load(trainer)
    objective = trainer.objective
    roots = {**trainer.networks, **trainer.opponents, **objective.teachers, "image_loss": objective.image_loss}
    with FlopCounterMode(display=False) as counter, Calls(roots) as calls:
        spent = turn(trainer, images, counter.get_total_flops)
    unit = 1e9 * len(images)
    modules = {name: flops / unit for name, flops in calls.flops().items()}
    return Arithmetic(spent["forward"] / unit, spent["perceptual"] / unit, spent["backward"] / unit, modules)
