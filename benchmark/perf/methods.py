"""`bench perf`: what a method costs in arithmetic, time and memory, per driving frame and per cold pair.

Needs torch alone of the heavy libraries, so that it runs where a model is measured and nothing is scored.
"""

from __future__ import annotations

import csv
import gc
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.benchmark.environment import choose_device, device_name, reproducible
from talkbench.benchmark.probes import ANY_SIZE, probe_images
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.core.registry import nearest
from talkbench.methods.interface import Method

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MODES = ("float32", "bf16", "channels_last", "compiled")
WARM_UP = 3  # runs before the first that counts: the first two compile, choose kernels and reserve memory
FRAME = ("encode_motion", "render")  # the stages of a driving frame; render includes transfer
COLD = ("encode_source", *FRAME)

Stages = dict[str, Callable[[], object]]
R = TypeVar("R", bound="DataclassInstance")


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

    ``frame`` is a driving frame whose source is encoded already, ``cold`` a pair of which nothing is known.

    Attributes:
        parameters: of the method's networks.
        gflop_*: 10⁹ operations in convolutions and matrix products, a multiply-add being two.
        ms_*: milliseconds, the median of `repeat` turns.
        frames_per_second: driving frames.
        mib_*: the peak in MiB. On CUDA of what torch has allocated, weights included; elsewhere of the resident
            set of the whole process, libraries included (``ru_maxrss``; since its start where the system,
            unlike Linux, cannot forget an earlier peak).
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
class Row:
    """A line of the table: a setting with its cost, or with the reason why it has none."""

    setting: Setting
    cost: Cost | None
    reason: str = ""


KEY = tuple(column.name for column in fields(Setting))
COLUMNS = (*KEY, *(column.name for column in fields(Cost)), "reason")


def perf(options: PerfOptions, progress: Progress | None = None) -> tuple[list[Row], Path]:
    """Measure every method in every mode at every batch size; returns the rows, and the CSV that holds them.

    A setting that fails here, for lack of memory or of a compiler, say, has a row with the reason. The CSV is
    written after each row; what it held of other settings stays.

    Raises:
        TalkbenchError: an unknown method, mode or device, or a CSV that cannot be written or holds something else.
    """
    settings = every(options.methods, options.modes, options.batch_sizes)
    device = choose_device(options.device)
    out = options.out or Path("perf") / csv_name(device_name(device), options.modes)
    table = CostTable(out, COLUMNS, KEY)
    one = partial(measure, device=device, options=options)
    return fill(table, settings, one, progress or Progress()), out


def every(names: Sequence[str], modes: Sequence[str], batch_sizes: Sequence[int]) -> list[tuple[str, str, int]]:
    """Every method in every mode at every batch size.

    Raises:
        TalkbenchError: an unknown method or mode.
    """
    for name in names:
        methods.registry.get(name)
    for mode in modes:
        parts(mode)
    return list(product(names, modes, batch_sizes))


def fill(
    table: CostTable, settings: Sequence[tuple[str, str, int]], one: Callable[[str, str, int], R], progress: Progress
) -> list[R]:
    """The rows of the `settings`, each made by `one` and added to the `table` as soon as it is there."""
    rows = []
    progress.start(0, len(settings))
    for setting in settings:
        rows.append(one(*setting))
        table.add(rows[-1])
        progress.advance(1)
    return rows


def parts(mode: str) -> list[str]:
    """The members of `MODES` that a mode joins with ``+``.

    Raises:
        TalkbenchError: one of them is unknown, or they contradict one another.
    """
    found = mode.split("+")
    for part in found:
        if part not in MODES:
            raise TalkbenchError(f"unknown mode {part!r}: {nearest(part, MODES)}")
    if {"float32", "bf16"} <= set(found):
        raise TalkbenchError(f"mode {mode!r} asks for two precisions; choose one of them")
    return found


def measure(name: str, mode: str, batch_size: int, device: torch.device, options: PerfOptions) -> Row:
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
    return Row(setting, cost, reason)


def first_line(error: Exception) -> str:
    """What went wrong, for a cell of a table."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _cost(method: Method[Any, Any], mode: Sequence[str], images: torch.Tensor, repeat: int) -> Cost:
    flops = _flops(method, images[:2])
    device, batch_size = images.device, len(images) - 1
    if "channels_last" in mode:
        to_channels_last(*method.networks.values())
        images = images.contiguous(memory_format=torch.channels_last)
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled="bf16" in mode)
    with reproducible(), torch.inference_mode(), bf16:
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
    """The stages of a batch, ready to run: the first of the images is the source that all the others drive.

    A cold batch has a source of its own for each of them.
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


def turn(stages: Stages, device: torch.device) -> dict[str, float]:
    """Seconds of each stage, in order; the device has finished one before the next begins."""
    seconds = {}
    for name, stage in stages.items():
        synchronise(device)
        start = perf_counter()
        stage()
        synchronise(device)
        seconds[name] = perf_counter() - start
    return seconds


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done all that it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def peak(stage: Callable[[], object], device: torch.device) -> float:
    """MiB at the peak of one run; see `Cost`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        stage()
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    with suppress(OSError):  # Linux forgets the peak so far when told to
        Path("/proc/self/clear_refs").write_text("5")
    stage()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def memory(device: torch.device) -> str:
    """What `peak` is the peak of."""
    return "allocated by torch" if device.type == "cuda" else "resident set of the process"


def to_channels_last(*networks: nn.Module) -> None:
    """`nn.Module.to` refuses networks that have kernels in three dimensions too."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in nn.ModuleList(networks).parameters():
        if parameter.dim() in layouts:
            parameter.data = parameter.data.to(memory_format=layouts[parameter.dim()])


def csv_name(device: str, modes: Sequence[str]) -> str:
    """``nvidia-h200-float32-bf16-0.1.0.csv``: device, precisions and talkbench's version."""
    plain = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return f"{plain}-{'-'.join(modes)}-{version('talkbench')}.csv"


class CostTable:
    """A CSV with a row for each setting, written after each; what it held of other settings stays.

    Args:
        path: the file.
        columns: of the table: the fields of a row's setting, of its cost, and its others.
        key: those that tell one setting from another.

    Raises:
        TalkbenchError: the file holds something else, or cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], key: Sequence[str]) -> None:
        self.path, self.columns, self.key = path, columns, key
        self._rows: dict[tuple[str, ...], Mapping[str, str]] = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8", errors="replace") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
            if tuple(reader.fieldnames or ()) != tuple(columns):
                raise TalkbenchError(f"{path} is not a table of bench perf; name another file with --out")
            self._rows = {self._name(row): row for row in rows}
        self._write()  # if that is not possible, better to know now

    def add(self, row: DataclassInstance) -> None:
        """Add a row, with a `setting` and perhaps a `cost`, or replace that of the same setting, and write."""
        others = asdict(row)
        values = {**others.pop("setting"), **(others.pop("cost") or {}), **others}
        cells = dict.fromkeys(self.columns, "") | {name: _text(value) for name, value in values.items()}
        self._rows[self._name(cells)] = cells
        self._write()

    def _name(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(cells[name] for name in self.key)

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows.values())
        write_atomic(self.path, text.getvalue())


def _text(value: object) -> str:
    """In a cell: floats to six digits, None as nothing."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
