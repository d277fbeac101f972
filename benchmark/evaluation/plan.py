"""Chooses and checks the method, the pairs and the metrics of a run before the first frame is generated."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from talkbench import datasets, methods, metrics
from talkbench.benchmark.environment import choose_device
from talkbench.benchmark.evaluation.given_frames import ORIGIN, GivenFrames, check_name
from talkbench.benchmark.evaluation.leakage import leakage, offer
from talkbench.benchmark.evaluation.motions import check_motion, implied_settings
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.protocol import Protocol
from talkbench.benchmark.evaluation.protocol import load as load_protocol
from talkbench.benchmark.evaluation.record import IN_MEMORY
from talkbench.benchmark.evaluation.scorer import has_videos
from talkbench.benchmark.evaluation.shortfall import each_reason, remarks
from talkbench.benchmark.evaluation.trainings import Training, held_out, read_training
from talkbench.benchmark.numerics import Numerics, in_numerics, suited_batch_size
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.registry import nearest
from talkbench.datasets.gaps import describe_gaps
from talkbench.methods.cards import Weights, find_weights
from talkbench.methods.interface import Method
from talkbench.metrics import Extractor, Metric
from talkbench.metrics.interface import broken
from talkbench.results.record import UnavailableMetric


@dataclass(frozen=True)
class Setup:
    """Everything that a run needs before it begins.

    Attributes:
        method: the method to run, or the frames to score in its place.
        batch_size: how many frames it gets at once.
        size: side in pixels of the images that the method and the metrics get.
        unavailable: the metrics that were asked for and cannot be computed.
        remarks: what to tell the user of these.
        training: what the weights say of their training; None if they say nothing.
        seen: what they have seen of the pairs, in words; "" if nothing is known of that.
    """

    protocol: Protocol
    device: torch.device
    weights: Weights
    method: Method | GivenFrames
    split: datasets.Split
    size: int
    metrics: list[Metric]
    extractors: dict[str, Extractor]
    unavailable: list[UnavailableMetric]
    remarks: list[str]
    training: Training | None = None
    seen: str = ""
    batch_size: int = 8


def prepare(
    options: RunOptions, progress: Progress, method: Method | None = None, split: datasets.Split | None = None
) -> Setup:
    """Choose and check everything: first names, then files, and only then is data prepared.

    Args:
        method: one of the caller's own, in place of the one that `options` name.
        split: pairs of the caller's own, in place of those of the data set that `options` name.

    Raises:
        TalkbenchError: what an option names is unknown or missing, or two options do not fit together.
    """
    protocol = load_protocol(options.protocol)
    device = choose_device(options.device)
    weights = choose_weights(options, method)
    named = [metrics.create(name) for name in options.metrics or [metric.name for metric in protocol.metrics]]
    task = split.task if split is not None else options.task or protocol.task.value
    data = datasets.create(options.dataset, root=options.root) if split is None else None
    if options.frames is None and options.maker is None and method is None:
        implied = implied_settings(weights.method, options.motion, datasets.has_truth(task))
        method = create_method(weights, {**implied, **options.settings})
    numerics = Numerics(options.precision, options.compiled)
    numerics.check(device)
    training = read_training(weights)
    if data is not None:
        training = training and training.on(data.name)
        whole = _split(options, task, data, training)
    else:
        assert split is not None
        whole = split
    gaps = describe_gaps(whole.gaps()) if task == "reconstruction" else ""
    if weights.note:  # other weights than those of the name
        progress.warn(weights.note)
    for note in filter(None, (whole.note, gaps)):
        progress.say(note)
    pairs = whole if options.limit is None else whole.head(options.limit)
    seen = leakage(weights, pairs, training, data, given=options.checkpoint is not None)
    if seen.words:
        (progress.warn if seen.frames else progress.say)(seen.words + offer(seen, pairs, training))
    check_readable(pairs)
    size = _size(options, protocol, method, pairs, progress)
    if not options.metrics:  # the protocol's metrics that make no sense for the task are left out without a word
        for metric in named:
            if reason := too_small(metric, size):
                progress.say(f"{metric.variant} is left out: {reason}")
        named = [metric for metric in named if not unsuited(metric, pairs, size, from_files=method is None)]
    chosen, unavailable = choose_metrics(named, pairs, size, from_files=method is None)
    if unavailable and options.strict:
        raise TalkbenchError(f"{each_reason(unavailable)[0]} (--strict makes that an error)")
    lines = remarks(unavailable, len(chosen) + len(unavailable), protocol)
    if not chosen:
        raise TalkbenchError(f"none of the metrics can be computed: {'; '.join(lines)}; see bench list metrics")
    batch_size = suited_batch_size(options.batch_size, method, device)
    if method is not None:
        source: Method | GivenFrames = in_numerics(method, numerics, device, batch_size, progress.warn)
    elif options.maker is not None:
        source = options.maker.make(pairs, size, progress)
    else:
        source = _given_frames(options, whole, len(pairs), size, progress)
    extractors = choose_extractors(chosen, device)
    told = each_reason(unavailable) if options.verbose else lines
    facts = training, seen.words, batch_size
    return Setup(protocol, device, weights, source, pairs, size, chosen, extractors, unavailable, told, *facts)


def _split(options: RunOptions, task: str, data: datasets.Dataset, training: Training | None) -> datasets.Split:
    """The pairs that the options ask for.

    Raises:
        TalkbenchError: as `datasets.Dataset.split`, or as `held_out`.
    """
    if options.split is None:
        return data.split(task, pairs=options.pairs, motion=options.motion)
    if options.pairs:
        raise TalkbenchError("--split draws its own pairs; leave either --pairs or --split out")
    return held_out(data, task, options.motion, training)


def choose_extractors(chosen: Iterable[Metric], device: torch.device) -> dict[str, Extractor]:
    """The extractors of the metrics, and those that these extractors use, each once."""
    extractors: dict[str, Extractor] = {}
    names = [metric.extractor for metric in chosen]
    while names:
        name = names.pop()
        if name and name not in extractors:
            extractors[name] = metrics.create_extractor(name, str(device))
            names.append(extractors[name].uses)
    return extractors


def _size(
    options: RunOptions, protocol: Protocol, method: Method | None, pairs: datasets.Split, progress: Progress
) -> int:
    """The side of the images in pixels: from the options, else the method's, else the protocol's, else as stored."""
    required, own = protocol.image_size.value, method.resolution if method else None
    chosen = options.image_size or (options.maker.size if options.maker else None)
    size = image_size(chosen or (None if own else required), method, pairs)
    if required not in (None, size):
        who = f"{method.name} works at" if method and size == own else "--image-size is"
        progress.warn(
            f"protocol {protocol.name} asks for {required} pixels and {who} {size}: "
            "the numbers do not compare with others of the protocol"
        )
    return size


def choose_weights(options: RunOptions, method: Method | None = None) -> Weights:
    """The weights of the method to run. They are without a file if another program has made the frames, or if the
    caller's own `method` has its weights already.

    Raises:
        TalkbenchError: the options name neither a method nor frames, or mix the options of both; the method or
            motion is unknown, the weights are missing, or the name is not allowed for frames.
    """
    if method is not None:
        check_motion(method, options.motion)
        return Weights(method.name, None, IN_MEMORY)
    if options.maker is not None:
        _refuse(options, "--program", {"--frames": options.frames, "--name": options.name})
        options.maker.check(options.motion)
        return Weights(options.maker.name, None, options.maker.origin)
    if options.frames is None:
        if options.method is None:
            raise TalkbenchError("name a --method (see bench list methods), or give --frames with their --name")
        if options.name is not None:
            raise TalkbenchError("--name is for --frames; leave it out, a method has its own")
        check_motion(options.method, options.motion)
        return find_weights(options.method, options.checkpoint)
    _refuse(options, "--frames", {"--set": options.settings})
    if options.name is None:
        raise TalkbenchError("--frames needs --name: what to call the program that made them")
    check_name(options.name)
    if not options.frames.is_dir():
        raise TalkbenchError(f"--frames {options.frames} is not a folder; give the one that holds the frames")
    return Weights(options.name, None, ORIGIN)


def _refuse(options: RunOptions, instead: str, more: Mapping[str, object]) -> None:
    """Refuse the options of a method that is run, and `more`, beside the option `instead` of one."""
    others = {
        "--method": options.method,
        "--checkpoint": options.checkpoint,
        **more,
        "--precision": options.precision != "float32",
        "--compile": options.compiled,
    }
    for option, value in others.items():
        if value:
            raise TalkbenchError(f"{option} is for a method that is run; leave out either {option} or {instead}")


def _given_frames(options: RunOptions, whole: datasets.Split, count: int, size: int, progress: Progress) -> GivenFrames:
    assert options.name is not None
    assert options.frames is not None
    frames = GivenFrames(options.name, options.frames, whole.pairs, count, size)
    for remark in frames.remarks:
        progress.warn(remark)
    return frames


def create_method(weights: Weights, settings: Mapping[str, object]) -> Method:
    """Build the method with its weights.

    Raises:
        TalkbenchError: the method has no such setting, the value has the wrong type, or the weights do not fit.
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
            advice = nearest(name, choices) if choices else "it has none"
            raise TalkbenchError(f"{weights.method} has no setting {name!r}: {advice}")
        checked[name] = _converted(name, value, choices[name].annotation) if name in choices else value
    return methods.create(weights.method, weights=weights.path, **checked)  # type: ignore[arg-type]


def _converted(name: str, value: object, kind: Any) -> object:
    if kind is inspect.Parameter.empty or isinstance(kind, str):
        return value
    if isinstance(value, bool) and kind in (int, float):
        raise TalkbenchError(f"--set {name}={str(value).lower()}: a number is needed, not true or false")
    try:
        return TypeAdapter(kind).validate_python(value)
    except PydanticUserError:  # not a type that can be checked
        return value
    except ValidationError as error:
        raise TalkbenchError(f"--set {name}={value}: {error.errors()[0]['msg'].lower()}") from error


def image_size(chosen: int | None, method: Method | None, pairs: datasets.Split) -> int:
    """The side in pixels of the images that the method and the metrics get: the method's resolution if it has one, else
    `chosen`, else the `commonest_side` of the stored frames.

    Raises:
        TalkbenchError: `chosen` is not the size that the method works at.
    """
    if method and method.resolution:
        if chosen not in (None, method.resolution):
            raise TalkbenchError(f"{method.name} works at {method.resolution} pixels; leave --image-size {chosen} out")
        return method.resolution
    return chosen or commonest_side(pairs)


def check_readable(split: datasets.Split) -> None:
    """Check that there is a driving frame that can be read.

    Raises:
        TalkbenchError: no driving frame can be read.
    """
    problem: PairError | None = None
    for pair in split:
        try:
            split.read(pair.driving)
            return
        except PairError as error:
            problem = problem or error
    raise TalkbenchError(f"no driving frame can be read; the first: {problem}")


def commonest_side(split: datasets.Split) -> int:
    """The shorter side in pixels that most driving frames are stored with, whatever the order of the pairs; of two that
    are as common the larger one. Frames that cannot be read do not count."""
    sides: Counter[int] = Counter()
    of_file: dict[tuple[Path, str], int] = {}
    for frame in sorted({pair.driving for pair in split}):
        try:
            clip = split.clip(frame.clip)
            file = clip.file(frame.index), clip.name(frame.index)
            if file not in of_file:
                of_file[file] = min(clip.stored_size(frame.index))
            sides[of_file[file]] += 1
        except (PairError, LookupError):  # the latter: a clip that is there lacks the frame
            continue
    return max(sides, key=lambda side: (sides[side], side))


def choose_metrics(
    named: list[Metric], split: datasets.Split, size: int, from_files: bool = False
) -> tuple[list[Metric], list[UnavailableMetric]]:
    """The `named` metrics that can be computed, each once, and the others with the reason.

    Args:
        size: side of the images in pixels.
        from_files: whether the frames come from the files of another program.
    """
    chosen: list[Metric] = []
    unavailable: list[UnavailableMetric] = []
    for metric in {metric.name: metric for metric in named}.values():
        problem = unsuited(metric, split, size, from_files) or metric.problem()
        problem = problem or next(filter(None, map(broken, metric.imported_libraries())), None)
        if problem:
            unavailable.append(UnavailableMetric(name=metric.variant, reason=problem))
        else:
            chosen.append(metric)
    return chosen, unavailable


def unsuited(metric: Metric, split: datasets.Split, size: int, from_files: bool) -> str | None:
    """Why a metric makes no sense for these pairs on any machine; None if it makes sense."""
    if metric.needs_truth and not split.has_truth:
        return f"{split.task} has no true image to compare with"
    if metric.history and not has_videos(split.pairs, metric.history):
        return f"{split.task} has no {metric.history + 1} consecutive frames of one video; use --task reconstruction"
    if metric.unquantised and from_files:
        return "frames in files are 8-bit already"
    return too_small(metric, size)


def too_small(metric: Metric, size: int) -> str | None:
    """Why images of a side of `size` pixels are too small for a metric; None if they are not."""
    if size < metric.min_size:
        return f"it needs images of at least {metric.min_size} pixels, and these have {size}"
    return None
