"""`bench perf --metrics`: what extractors and image metrics cost, each by itself and all together as in a run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from talkbench import metrics
from talkbench.benchmark.environment import choose_device, device_name, reproducible
from talkbench.benchmark.evaluation.shortfall import lacks, shortfall
from talkbench.benchmark.perf.gauges import WARM_UP, memory, peak, turn
from talkbench.benchmark.perf.table import CostTable, csv_name, first_line
from talkbench.benchmark.probes import ANY_SIZE, probe_images
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize, to_tensor
from talkbench.core.registry import nearest
from talkbench.metrics import Extractor, Metric
from talkbench.metrics.extractors import registry as extractors

ALL = "all"
WHOLE = "whole set"
BATCH = 64  # frames or pairs that `MetricCost.ms_64` is stated for

Part = Extractor | Metric[Tensor]
Features = dict[str, Sequence[np.ndarray | None]]


@dataclass(frozen=True)
class MetricPerfOptions:
    """What the user asks for: names of metrics and extractors, or ``all``; see ``bench perf --help``."""

    names: tuple[str, ...]
    batch_sizes: tuple[int, ...] = (8,)
    device: str = "auto"
    repeat: int = 10
    size: int = ANY_SIZE
    out: Path | None = None


@dataclass(frozen=True)
class MetricSetting:
    """What is measured, and where: the columns that tell one row from another.

    Attributes:
        name: of an extractor or image metric, or ``whole set``.
        kind: ``extractor`` (measured per frame), ``metric`` (per pair), or ``set`` (per pair, with the features of the
            real frames cached, so that each extractor sees the generated frame alone).
        members: the names in a whole set, joined by blanks.
        frames: ``demo``, or ``noise`` where the demo clips are missing.
    """

    name: str
    kind: str
    members: str
    frames: str
    batch_size: int
    size: int
    device: str
    threads: int
    torch: str
    talkbench: str


@dataclass(frozen=True)
class MetricCost:
    """What a setting costs. An extractor that starts from another's features gets them for nothing, except in a whole
    set.

    Attributes:
        frames_per_second: of a metric and of a whole set pairs per second.
        ms_64: milliseconds for 64 frames or pairs in batches of this size; the median of `repeat` turns.
        found: frames of the batch in which the extractor found its subject.
        mib: the peak in MiB (`gauges.peak`), on CUDA with the networks of this setting alone, elsewhere of the whole
            process.
    """

    frames_per_second: float
    ms_64: float
    found: int | None
    mib: float
    memory: str
    repeat: int


@dataclass(frozen=True)
class MetricRow:
    """A line of the table: a setting with its cost, or the reason why it has none; `remark` is about the frames."""

    setting: MetricSetting
    cost: MetricCost | None
    remark: str = ""
    reason: str = ""


KEY = tuple(column.name for column in fields(MetricSetting))
COLUMNS = (*KEY, *(column.name for column in fields(MetricCost)), "remark", "reason")


def perf_metrics(options: MetricPerfOptions, progress: Progress | None = None) -> tuple[list[MetricRow], Path]:
    """Measure each extractor and image metric at every batch size, and those that work here together.

    What cannot run here has a row with the reason.

    Returns:
        The rows, and the CSV that holds them; it is written after each row.

    Raises:
        TalkbenchError: an unknown name or device, or a CSV that cannot be written or holds something else.
    """
    progress = progress or Progress()
    names = members(options.names)
    device = choose_device(options.device)
    out = options.out or Path("perf") / csv_name(device_name(device), ["metrics"])
    table = CostTable(out, COLUMNS, KEY)
    frames, remark = face_frames(max(options.batch_sizes) + 1, options.size)
    rows: list[MetricRow] = []

    def measured(chosen: Sequence[str], batch_size: int) -> MetricRow:
        rows.append(measure(chosen, frames[: batch_size + 1].to(device), options.repeat, remark))
        table.add(rows[-1])
        progress.advance(1)
        return rows[-1]

    progress.start(0, len(options.batch_sizes) * (len(names) + 1))
    for batch_size in options.batch_sizes:
        works = [name for name in names if measured([name], batch_size).cost]
        if len(works) > 1:
            measured(works, batch_size)
    return rows, out


def members(names: Sequence[str]) -> list[str]:
    """The extractors and image metrics that some names stand for, each after the extractor that it starts from.

    A metric on features stands for its extractor; ``all`` for every extractor and image metric.

    Raises:
        TalkbenchError: a name is unknown; the message offers the nearest.
    """
    choices = {*extractors.names(), *metrics.registry.names(), ALL}
    chosen: list[str] = []
    for name in names:
        if name not in choices and name.partition("@")[0] not in choices:
            raise TalkbenchError(f"unknown metric or extractor {name!r}: {nearest(name, choices)}")
        if name == ALL:
            images = [each for each in metrics.registry.importable() if metrics.create(each).extractor is None]
            chosen += [*extractors.importable(), *images]
        else:
            chosen.append(name if name in extractors else metrics.create(name).extractor or name)
    return list(dict.fromkeys(part for name in chosen for part in _chain(name)))


def _chain(name: str) -> list[str]:
    """The extractors that `name` starts from, in their order, then `name` itself."""
    uses = metrics.create_extractor(name).uses if name in extractors else None
    return [*(_chain(uses) if uses else ()), name]


def face_frames(count: int, size: int) -> tuple[Tensor, str]:
    """Frames (count, 3, size, size) of the demo data set, or noise where it is missing; and a remark if it is noise."""
    from talkbench import datasets

    try:
        split = datasets.create("demo").split("same-identity")
        frames = list(dict.fromkeys(pair.driving for pair in split))[:count]
        images = [resize(split.read(frame), size) for frame in frames]
    except (TalkbenchError, ImportError) as error:
        return probe_images(count, size), f"the frames are noise, in which no detector finds a face: {error}"
    return to_tensor(np.stack(list(islice(cycle(images), count)))), ""


def measure(names: Sequence[str], images: Tensor, repeat: int, remark: str) -> MetricRow:
    """One row, measured on images (batch size + 1, 3, H, W): each but the first stands for a generated frame, whose
    target is the image before it."""
    kind = "set" if len(names) > 1 else "extractor" if names[0] in extractors else "metric"
    cost, reason = None, ""
    parts: list[Part] = []
    try:
        parts = [_create(name, images.device) for name in names]
        reason = next((problem for part in parts if (problem := part.problem())), "")
        if not reason:
            cost = _cost(parts, images, repeat)
    except Exception as error:  # whatever it is, the other rows can do without this one
        reason = first_line(error)
    foreign = any(part.libraries or part.weights for part in parts)
    parts.clear()
    if foreign or reason:  # other people's networks, and what tracebacks hold, are not the next row's memory
        gc.collect()
    setting = MetricSetting(
        name=WHOLE if kind == "set" else names[0],
        kind=kind,
        members=" ".join(names) if kind == "set" else "",
        frames="noise" if remark else "demo",
        batch_size=len(images) - 1,
        size=images.shape[-1],
        device=device_name(images.device),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        talkbench=version("talkbench"),
    )
    return MetricRow(setting, cost, remark, reason)


def not_measured(rows: Sequence[MetricRow]) -> list[str]:
    """Why rows have no cost: one line on those that lack files or libraries, and one for each of the others."""
    reasons = {row.setting.name: row.reason for row in rows if row.reason}
    single = {
        row.setting.name: _create(row.setting.name, torch.device("cpu")) for row in rows if row.setting.kind != "set"
    }
    short = {name: part for name, part in single.items() if name in reasons and lacks(part)}
    lines = [shortfall([*short.values()], f"{len(short)} of {len(single)} extractors and metrics")] if short else []
    return lines + [f"{name}: {reason}" for name, reason in reasons.items() if name not in short]


def _create(name: str, device: torch.device) -> Part:
    return metrics.create_extractor(name, device) if name in extractors else metrics.create(name)


def _cost(parts: Sequence[Part], images: Tensor, repeat: int) -> MetricCost:
    count, device = len(images) - 1, images.device
    with reproducible():
        features: Features = {}
        if len(parts) == 1 and isinstance(parts[0], Extractor):
            bases = [_create(name, device) for name in _chain(parts[0].name)[:-1]]
            features = _work(bases, images, {})()
            del bases
        work = _work(parts, images, features)
        turns = [turn({"work": work}, device)["work"] for _ in range(WARM_UP + repeat)][WARM_UP:]
        mib = peak(work, device)
        last = work().get(parts[0].name) if len(parts) == 1 else None
    return MetricCost(
        frames_per_second=count / median(turns),
        ms_64=median(turns) * 1000 * BATCH / count,
        found=None if last is None else sum(feature is not None for feature in last),
        mib=mib,
        memory=memory(device),
        repeat=repeat,
    )


def _work(parts: Sequence[Part], images: Tensor, bases: Features) -> Callable[[], Features]:
    """The work of a run on a batch: features of the generated frames by each extractor, values of each image metric.

    Args:
        bases: features that the extractors start from, where those who make them are not among the `parts`.
    """
    generated, target = images[1:], images[:-1]

    def work() -> Features:
        features = dict(bases)
        for part in parts:
            if isinstance(part, Extractor):
                features[part.name] = part.extract(generated, features[part.uses] if part.uses else None)
            else:
                part.compare(_video(part, generated), _video(part, target))
        return features

    return work


def _video(metric: Metric[Tensor], images: Tensor) -> Tensor:
    """The images in the shape that the metric takes: (B, 1 + history, 3, H, W) if it looks back, else as they are."""
    return images[:, None].expand(-1, 1 + metric.history, -1, -1, -1) if metric.history else images
