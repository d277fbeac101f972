"""What a run is made of: method, pairs and metrics chosen and checked before the first frame is generated."""

from __future__ import annotations

import inspect
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from talkbench import datasets, methods, metrics
from talkbench.benchmark.environment import choose_device, device_name, git_state, libraries
from talkbench.benchmark.motions import check_motion, implied_settings
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods.cards import Weights, find_weights
from talkbench.methods.interface import Method
from talkbench.metrics import Extractor, Metric
from talkbench.results.schema import DatasetInfo, MethodInfo, MetricSpec, RunRecord, UnavailableMetric


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
class Setup:
    """A run before it begins.

    Attributes:
        size: side in pixels at which images enter the method and the metrics.
        unavailable: the metrics that were asked for and cannot be computed.
    """

    device: torch.device
    weights: Weights
    method: Method
    split: datasets.Split
    size: int
    metrics: list[Metric]
    extractors: dict[str, Extractor]
    unavailable: list[UnavailableMetric]


def prepare(options: RunOptions, progress: Progress) -> Setup:
    """Choose and check everything, names before files, files before the work of preparing data.

    Raises:
        TalkbenchError: something that was asked for is unknown, missing or does not fit the rest.
    """
    device = choose_device(options.device)
    check_motion(options.method, options.motion)
    named = [metrics.create(name) for name in options.metrics or metrics.DEFAULT]
    weights = find_weights(options.method, options.checkpoint)
    data = datasets.create(options.dataset, root=options.root)
    implied = implied_settings(weights.method, options.motion, datasets.has_truth(options.task))
    method = create_method(weights, {**implied, **options.settings})
    split = data.split(options.task, pairs=options.pairs, motion=options.motion)
    if weights.note:
        progress.say(weights.note)
    if options.limit is not None:
        split = split.head(options.limit)
    if not options.metrics and not split.has_truth:
        named = [metric for metric in named if not metric.needs_truth]
    chosen, unavailable = choose_metrics(named, split)
    for missing in unavailable:
        problem = f"metric {missing.name} is not available: {missing.reason}"
        if options.strict:
            raise TalkbenchError(f"{problem} (--strict makes that an error)")
        progress.warn(problem)
    if not chosen:
        raise TalkbenchError("none of the metrics can be computed; see bench list metrics")
    names = dict.fromkeys(metric.extractor for metric in chosen if metric.extractor)
    extractors = {name: metrics.create_extractor(name, str(device)) for name in names}
    size = image_size(options.image_size, method, split)
    return Setup(device, weights, method, split, size, chosen, extractors, unavailable)


def create_method(weights: Weights, settings: Mapping[str, object]) -> Method:
    """Build the method with its weights.

    Raises:
        TalkbenchError: a setting that it does not have or of another type, or weights that do not fit.
    """
    factory = methods.registry.get(weights.method)
    try:
        parameters = inspect.signature(factory, eval_str=True).parameters
    except NameError:  # annotations that only a type checker can resolve
        parameters = inspect.signature(factory).parameters
    choices = {name: choice for name, choice in parameters.items() if name not in ("weights", "variant")}
    anything = any(choice.kind is choice.VAR_KEYWORD for choice in choices.values())
    checked = {}
    for name, value in settings.items():
        if name not in choices and not anything:
            known = nearest(name, choices) if choices else "it has none"
            raise TalkbenchError(f"{weights.method} has no setting {name!r}: {known}")
        checked[name] = _converted(name, value, choices[name].annotation) if name in choices else value
    return methods.create(weights.method, weights=weights.path, **checked)  # type: ignore[arg-type]


def _converted(name: str, value: object, kind: Any) -> object:
    if kind is inspect.Parameter.empty or isinstance(kind, str):
        return value
    try:
        return TypeAdapter(kind).validate_python(value)
    except PydanticUserError:  # not a type that can be checked
        return value
    except ValidationError as error:
        raise TalkbenchError(f"--set {name}={value}: {error.errors()[0]['msg'].lower()}") from error


def image_size(chosen: int | None, method: Method, split: datasets.Split) -> int:
    """Side at which images enter the method and the metrics: the method's own, else `chosen`, else the shorter
    one of the first driving frame that can be read.

    Raises:
        TalkbenchError: `chosen` is not the size that the method works at, or no driving frame can be read.
    """
    if chosen and method.resolution and chosen != method.resolution:
        raise TalkbenchError(f"{method.name} works at {method.resolution} pixels; leave --image-size {chosen} out")
    if method.resolution or chosen:
        return method.resolution or chosen or 0
    problem: PairError | None = None
    for pair in split:
        try:
            return min(split.read(pair.driving).shape[:2])
        except PairError as error:
            problem = problem or error
    raise TalkbenchError(f"no driving frame can be read, the first since: {problem}")


def choose_metrics(wanted: list[Metric], split: datasets.Split) -> tuple[list[Metric], list[UnavailableMetric]]:
    """Those of the `wanted` that can be computed, each once, and the others with the reason."""
    chosen: list[Metric] = []
    unavailable: list[UnavailableMetric] = []
    for metric in {metric.name: metric for metric in wanted}.values():
        problem = metric.problem()
        if metric.needs_truth and not split.has_truth:
            problem = f"{split.task} has no true image to compare with"
        if problem:
            unavailable.append(UnavailableMetric(name=metric.variant, reason=problem))
        else:
            chosen.append(metric)
    return chosen, unavailable


def describe(setup: Setup, options: RunOptions) -> RunRecord:
    """The record of a run of `setup` that begins now."""
    method, split = setup.method, setup.split
    now = datetime.now(UTC)
    name = f"{method.name}-{split.dataset}-{split.task}".replace("@", "-")
    return RunRecord(
        run_id=f"{name}-{now:%Y%m%d-%H%M%S}",
        created=now,
        talkbench=version("talkbench"),
        command=options.command or shlex.join(sys.argv),
        method=_method(setup),
        dataset=DatasetInfo(
            name=split.dataset,
            task=split.task,
            motion=split.motion,
            pairs=len(split),
            pairs_sha256=split.sha256,
            pairs_file=options.pairs.name if options.pairs else "built-in",
            image_size=setup.size,
        ),
        metrics=tuple(_spec(metric, setup.extractors) for metric in setup.metrics),
        unavailable=tuple(setup.unavailable),
        batch_size=options.batch_size,
        device=str(setup.device),
        device_name=device_name(setup.device),
        libraries=libraries(),
        platform=platform.platform(),
        git=git_state(),
    )


def _method(setup: Setup) -> MethodInfo:
    method, weights = setup.method, setup.weights
    try:
        return MethodInfo(
            name=method.name,
            checkpoint=weights.path.name if weights.path else None,
            checkpoint_sha256=method.checkpoint_sha256,
            origin=weights.origin,
            settings=method.settings,
            resolution=method.resolution,
            ranked=method.ranked,
        )
    except ValidationError as error:  # a setting without a JSON form, such as NaN
        raise TalkbenchError(f"{method.name} cannot be recorded: {error.errors()[0]['msg']}") from error


def _spec(metric: Metric, extractors: Mapping[str, Extractor]) -> MetricSpec:
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
        ranks=metric.ranks,
    )
