"""`bench run`: a method on a data set, from the choice of weights to the page."""

from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from talkbench import datasets, methods, metrics
from talkbench.benchmark.environment import choose_device, device_name, git_state, libraries
from talkbench.benchmark.evaluation import Evaluator, Outcome, batches
from talkbench.benchmark.tracking import Tracker, tracking_uri
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import write_png
from talkbench.methods.cards import Weights, find_weights
from talkbench.methods.interface import Method
from talkbench.reports.page import Strip, write_page
from talkbench.reports.strips import strip
from talkbench.results.schema import DatasetInfo, MethodInfo, MetricSpec, RunRecord, Summary, UnavailableMetric
from talkbench.results.store import RunStore
from talkbench.results.summary import summarise

SHOWN_PAIRS = 8
ARTIFACTS = ("run.json", "summary.json", "pictures")


@dataclass(frozen=True)
class RunOptions:
    """What the user asks of a run; see ``bench run --help`` for each."""

    method: str
    dataset: str
    task: str = "same-identity"
    motion: str = "absolute"
    checkpoint: Path | None = None
    pairs: Path | None = None
    root: Path | None = None
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    batch_size: int = 8
    image_size: int | None = None
    device: str = "auto"
    out: Path | None = None
    resume: bool = False
    strict: bool = False
    save_frames: bool = False
    tracking_uri: str | None = None
    settings: dict[str, object] = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True)
class Finished:
    """A run that has ended: where it is and what came out."""

    store: RunStore
    record: RunRecord
    summary: Summary
    page: Path
    tracking_uri: str


class Progress:
    """What a run tells while it goes; the command line shows it, the default keeps silent."""

    def say(self, line: str) -> None:
        """One line for the user."""

    def warn(self, line: str) -> None:
        """One line about something that is not as it should be."""

    def start(self, done: int, total: int) -> None:
        """The evaluation begins, `done` of `total` pairs having been evaluated before."""

    def advance(self, pairs: int) -> None:
        """`pairs` more are done and written."""


def run(options: RunOptions, progress: Progress | None = None) -> Finished:
    """Evaluate a method on a task of a data set and leave record, rows, summary, page and MLflow run.

    Raises:
        TalkbenchError: anything that keeps the run from starting or going on; what was computed is kept.
    """
    progress = progress or Progress()
    device = choose_device(options.device)
    weights = find_weights(options.method, options.checkpoint)
    if weights.note:
        progress.say(weights.note)
    method = create_method(weights, options.settings)
    split = _split(options)
    size = image_size(options.image_size, method, split)
    chosen, extractors, unavailable = _metrics(options, split.has_truth, device)
    for missing in unavailable:
        progress.warn(f"metric {missing.name} is not available: {missing.reason}")
    record = _record(options, method, weights, split, size, chosen, extractors, unavailable, device)
    store = _open(options, record, progress)
    record = store.read_record()
    tracker = Tracker(tracking_uri(options.tracking_uri, store.folder.parent), progress.warn)
    tracker.start(record, store.folder.parent)
    evaluator = Evaluator(method, split, chosen, extractors, metrics.FeatureCache(), size, device)
    _evaluate(evaluator, store, options, progress)
    rows = store.rows()
    summary = summarise(rows, record.metrics)
    store.write_summary(summary)
    page = write_page(store, _strips(store, split.has_truth))
    tracker.finish(
        rows, summary, [page, store.folder / "run.json", store.folder / "summary.json", store.folder / "pictures"]
    )
    return Finished(store, record, summary, page, tracker.uri)


def create_method(weights: Weights, settings: dict[str, object]) -> Method:
    """Build the method with its weights; a setting that it does not have is refused."""
    try:
        return methods.create(weights.method, weights=weights.path, **settings)
    except TypeError as error:
        raise TalkbenchError(f"{weights.method} does not take {', '.join(settings)}: {error}") from error


def image_size(chosen: int | None, method: Method, split: datasets.Split) -> int:
    """Side at which images enter the method and the metrics: the method's own, else `chosen`, else that of
    the first frame of the split.

    Raises:
        TalkbenchError: `chosen` is not the size that the method works at.
    """
    if chosen and method.resolution and chosen != method.resolution:
        raise TalkbenchError(f"{method.name} works at {method.resolution} pixels; leave --image-size {chosen} out")
    return method.resolution or chosen or min(split.read(split[0].driving).shape[:2])


def _split(options: RunOptions) -> datasets.Split:
    data = datasets.create(options.dataset, root=options.root)
    split = data.split(options.task, pairs=options.pairs, motion=options.motion)
    return split.head(options.limit) if options.limit is not None else split


def _metrics(
    options: RunOptions, has_truth: bool, device: torch.device
) -> tuple[list[metrics.Metric], dict[str, metrics.Extractor], list[UnavailableMetric]]:
    chosen: list[metrics.Metric] = []
    extractors: dict[str, metrics.Extractor] = {}
    unavailable: list[UnavailableMetric] = []
    for name in options.metrics or metrics.DEFAULT:
        metric = metrics.create(name)
        if metric.needs_truth and not has_truth:
            problem: str | None = f"{options.task} has no true image to compare with"
        elif metric.extractor and metric.extractor not in extractors:
            extractor = metrics.create_extractor(metric.extractor, str(device))
            problem = extractor.problem()
            if problem is None:
                extractors[metric.extractor] = extractor
        else:
            problem = None
        if problem is None:
            chosen.append(metric)
        else:
            unavailable.append(UnavailableMetric(name=metric.variant, reason=problem))
    if options.strict and unavailable:
        first = unavailable[0]
        raise TalkbenchError(f"metric {first.name} is not available: {first.reason} (--strict makes that an error)")
    if not chosen:
        raise TalkbenchError(f"none of the metrics can be computed: {unavailable[0].reason}; see bench list metrics")
    return chosen, extractors, unavailable


def _record(
    options: RunOptions,
    method: Method,
    weights: Weights,
    split: datasets.Split,
    size: int,
    chosen: list[metrics.Metric],
    extractors: dict[str, metrics.Extractor],
    unavailable: list[UnavailableMetric],
    device: torch.device,
) -> RunRecord:
    now = datetime.now(UTC)
    name = f"{method.name}-{split.dataset}-{split.task}".replace("@", "-")
    return RunRecord(
        run_id=f"{name}-{now:%Y%m%d-%H%M%S}",
        created=now,
        talkbench=version("talkbench"),
        command=options.command or shlex.join(sys.argv),
        method=MethodInfo(
            name=method.name,
            checkpoint=weights.path.name if weights.path else None,
            checkpoint_sha256=method.checkpoint_sha256,
            origin=weights.origin,
            settings=method.settings,
            resolution=method.resolution,
            ranked=method.ranked,
        ),
        dataset=DatasetInfo(
            name=split.dataset,
            task=split.task,
            motion=split.motion,
            pairs=len(split),
            pairs_sha256=split.sha256,
            pairs_file=options.pairs.name if options.pairs else "built-in",
            image_size=size,
        ),
        metrics=tuple(_spec(metric, extractors) for metric in chosen),
        unavailable=tuple(unavailable),
        batch_size=options.batch_size,
        device=str(device),
        device_name=device_name(device),
        libraries=libraries(),
        platform=platform.platform(),
        git=git_state(),
    )


def _spec(metric: metrics.Metric, extractors: dict[str, metrics.Extractor]) -> MetricSpec:
    return MetricSpec(
        name=metric.variant,
        version=metric.version,
        direction=metric.direction,
        unit=metric.unit,
        scale=metric.scale,
        decimals=metric.decimals,
        extractor=extractors[metric.extractor].id if metric.extractor else None,
        backend=metric.backend(),
        target=metric.target,
    )


def _open(options: RunOptions, record: RunRecord, progress: Progress) -> RunStore:
    """The folder to write to: a new one, or with ``--resume`` the run that this one continues."""
    if options.out:
        store = RunStore(options.out)
        exists = (options.out / "run.json").exists()
        if exists and not options.resume:
            raise TalkbenchError(f"{options.out} holds a run; continue it with --resume or choose another --out")
        if exists:
            differences = store.read_record().differences(record)
            if differences:
                raise TalkbenchError(f"{options.out} was made otherwise ({differences[0]}); choose another --out")
    else:
        runs = Path("runs")
        store = (_latest(runs, record) if options.resume else None) or RunStore(runs / record.run_id)
        exists = (store.folder / "run.json").exists()
    if exists:
        progress.say(f"continuing {store.folder}")
    else:
        store.write_record(record)
    return store


def _latest(runs: Path, record: RunRecord) -> RunStore | None:
    stores = [RunStore(path.parent) for path in runs.glob("*/run.json")]
    same = [(s.read_record().created, s) for s in stores if s.read_record().fingerprint() == record.fingerprint()]
    return max(same, key=lambda entry: entry[0])[1] if same else None


def _evaluate(evaluator: Evaluator, store: RunStore, options: RunOptions, progress: Progress) -> None:
    done = store.done()
    todo = [numbers for numbers in batches(evaluator.split.pairs, options.batch_size) if numbers[0] not in done]
    total = len(evaluator.split)
    shown = set(np.linspace(0, total - 1, min(SHOWN_PAIRS, total)).round().astype(int).tolist())
    progress.start(len(done), total)
    for numbers, outcome in zip(todo, evaluator.run(todo), strict=True):
        _write_pictures(outcome, store, shown, evaluator.split.has_truth, options.save_frames)
        store.append(outcome.rows)  # last: a batch that has rows is done
        progress.advance(len(numbers))


def _write_pictures(outcome: Outcome, store: RunStore, shown: set[int], has_truth: bool, save_frames: bool) -> None:
    for item, image in outcome.frames:
        if item.number in shown:
            picture = strip(item.source, item.driving, image, error=has_truth)
            write_png(store.folder / "pictures" / f"{item.number:06d}.png", picture)
        if save_frames:
            write_png(store.folder / "frames" / f"{item.number:06d}.png", image)


def _strips(store: RunStore, has_truth: bool) -> list[Strip]:
    pictures = sorted((store.folder / "pictures").glob("[0-9]*.png"))
    return [Strip(f"pictures/{path.name}", int(path.stem), has_truth) for path in pictures]
