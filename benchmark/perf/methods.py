"""`bench perf`: what a method costs in arithmetic, time and memory, per driving frame and per cold pair.

Of the heavy libraries it needs torch alone, so that it also runs where the libraries for scoring are missing.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.benchmark.environment import choose_device, device_name, reproducible
from talkbench.benchmark.numerics import Numerics
from talkbench.benchmark.perf.gauges import WARM_UP, Stages, memory, peak, turn
from talkbench.benchmark.perf.modes import every, parts, precision_of, to_channels_last
from talkbench.benchmark.perf.table import CostTable, csv_name, fill, first_line
from talkbench.benchmark.probes import ANY_SIZE, probe_images
from talkbench.benchmark.progress import Progress
from talkbench.methods.inference import InferenceForm
from talkbench.methods.interface import Method

FRAME = ("encode_motion", "render")  # the stages of a driving frame; render includes transfer
COLD = ("encode_source", *FRAME)


@dataclass(frozen=True)
class PerfOptions:
    """What the user asks for; see ``bench perf --help`` for each."""

    methods: tuple[str, ...]
    modes: tuple[str, ...] = ("float32",)
    batch_sizes: tuple[int, ...] = (1,)
    device: str = "auto"
    repeat: int = 10
    size: int = ANY_SIZE
    out: Path | None = None


@dataclass(frozen=True)
class Setting:
    """What is measured, and where: the columns that tell one row from another."""

    method: str
    mode: str
    batch_size: int
    size: int
    device: str
    threads: int
    torch: str
    talkbench: str


@dataclass(frozen=True)
class Cost:
    """What a setting costs: arithmetic and time per frame, whatever the batch; memory of the whole batch.

    ``frame`` is a driving frame whose source is encoded already, ``cold`` a pair of which nothing is encoded yet.

    Attributes:
        parameters: of the method's networks.
        gflop_*: 10⁹ operations in convolutions and matrix products, a multiply-add being two.
        ms_*: milliseconds, the median of `repeat` turns.
        frames_per_second: driving frames.
        mib_*: the peak in MiB (`gauges.peak`).
    """

    parameters: int
    gflop_frame: float
    gflop_cold: float
    gflop_encode_source: float
    gflop_encode_motion: float
    gflop_render: float
    ms_frame: float
    ms_cold: float
    ms_encode_source: float
    ms_encode_motion: float
    ms_render: float
    frames_per_second: float
    mib_frame: float
    mib_cold: float
    memory: str
    repeat: int


@dataclass(frozen=True)
class MethodRow:
    """A line of the table: a setting with its cost, or with the reason why it has none."""

    setting: Setting
    cost: Cost | None
    reason: str = ""


KEY = tuple(column.name for column in fields(Setting))
COLUMNS = (*KEY, *(column.name for column in fields(Cost)), "reason")


def perf(options: PerfOptions, progress: Progress | None = None) -> tuple[list[MethodRow], Path]:
    """Measure every method in every mode at every batch size; returns the rows, and the CSV that holds them.

    A setting that fails here, for example for lack of memory or of a compiler, has a row with the reason. The CSV is
    written after each row; its rows of other settings stay.

    Raises:
        TalkbenchError: an unknown method, mode or device, or a CSV that cannot be written or holds something else.
    """
    settings = every(options.methods, options.modes, options.batch_sizes)
    device = choose_device(options.device)
    out = options.out or Path("perf") / csv_name(device_name(device), options.modes)
    table = CostTable(out, COLUMNS, KEY)
    one = partial(measure, device=device, options=options)
    return fill(table, settings, one, progress or Progress()), out


def measure(name: str, mode: str, batch_size: int, device: torch.device, options: PerfOptions) -> MethodRow:
    """One row, of fresh weights from a fixed seed."""
    size, cost, reason = options.size, None, ""
    try:
        torch.manual_seed(0)
        method = methods.create(name).to(device)
        size = method.resolution or size
        cost = _cost(method, parts(mode), probe_images(batch_size + 1, size, device), options.repeat)
    except Exception as error:  # whatever it is, the other rows can do without this one
        reason = first_line(error)
    if reason or "compiled" in mode:  # what tracebacks and the compiler hold is not the next row's memory
        torch.compiler.reset()
        gc.collect()
    setting = Setting(
        method=name,
        mode=mode,
        batch_size=batch_size,
        size=size,
        device=device_name(device),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        talkbench=version("talkbench"),
    )
    return MethodRow(setting, cost, reason)


def _cost(method: Method[Any, Any], mode: Sequence[str], images: torch.Tensor, repeat: int) -> Cost:
    flops = _flops(method, images[:2])
    device, batch_size = images.device, len(images) - 1
    if "channels_last" in mode:
        to_channels_last(*method.networks.values())
        images = images.contiguous(memory_format=torch.channels_last)
    numerics = Numerics(precision_of(mode))
    numerics.check(device)
    form = InferenceForm(method) if mode == ["float32"] and device.type == "cpu" else nullcontext()  # as runs do
    with reproducible(), torch.inference_mode(), numerics.context(device), form:
        stages = _stages(method, images)
        if "compiled" in mode:
            stages = {name: torch.compile(stage, dynamic=False) for name, stage in stages.items()}
        turns = [turn(stages, device) for _ in range(WARM_UP + repeat)][WARM_UP:]
        peaks = {name: peak(stage, device) for name, stage in stages.items()}

    def gflop(*names: str) -> float:
        return sum(flops[name] for name in names) / 1e9

    def milliseconds(*names: str) -> float:
        return median(sum(turn[name] for name in names) for turn in turns) * 1000 / batch_size

    return Cost(
        parameters=sum(parameter.numel() for parameter in nn.ModuleList(method.networks.values()).parameters()),
        gflop_frame=gflop(*FRAME),
        gflop_cold=gflop(*COLD),
        gflop_encode_source=gflop("encode_source"),
        gflop_encode_motion=gflop("encode_motion"),
        gflop_render=gflop("render"),
        ms_frame=milliseconds(*FRAME),
        ms_cold=milliseconds(*COLD),
        ms_encode_source=milliseconds("encode_source"),
        ms_encode_motion=milliseconds("encode_motion"),
        ms_render=milliseconds("render"),
        frames_per_second=1000 / milliseconds(*FRAME),
        mib_frame=max(peaks[name] for name in FRAME),
        mib_cold=max(peaks.values()),
        memory=memory(device),
        repeat=repeat,
    )


def _stages(method: Method[Any, Any], images: torch.Tensor) -> Stages:
    """The stages of a batch, ready to run: all images but the first drive the first, which is the source.

    Only ``encode_source`` encodes as many sources as there are driving frames, as in a batch of cold pairs.
    """
    drivings = images[1:]
    source = method.encode_source(images[:1]).expand(len(drivings))
    motion = method.encode_motion(drivings)
    return {
        "encode_source": lambda: method.encode_source(drivings),
        "encode_motion": lambda: method.encode_motion(drivings),
        "render": lambda: method.render(source, method.transfer(source, motion, None)),
    }


@torch.no_grad()  # the counter follows parameters' gradients, which tensors of inference mode cannot have
def _flops(method: Method[Any, Any], images: torch.Tensor) -> dict[str, int]:
    flops = {}
    for name, stage in _stages(method, images).items():
        with FlopCounterMode(display=False) as counter:
            stage()
        flops[name] = counter.get_total_flops()
    return flops
