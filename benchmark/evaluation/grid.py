"""Several runs at once: every combination of methods, data sets and tasks that the data and weights here allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from talkbench import datasets, methods, metrics
from talkbench.benchmark.environment import choose_device, memory_advice, reproducible
from talkbench.benchmark.evaluation.motions import check_motion
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.plan import check_readable, commonest_side, prepare
from talkbench.benchmark.evaluation.protocol import load as load_protocol
from talkbench.benchmark.evaluation.runner import carry_out
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.methods.cards import card, find_weights, full_name, is_ranked, known_names
from talkbench.methods.registration import class_of

ALL = "all"
ANY = ""
"""In a `GridCell` that is skipped: stands for every method, data set or task."""


@dataclass(frozen=True)
class GridCell:
    """A method on a task of a data set, and whether that was run.

    Attributes:
        state: ``run``, ``done before`` (nothing was left to do), ``skipped`` (not possible here) or ``failed``.
        folder: of the run, if there is one.
        reason: why the cell was skipped or has failed.
    """

    method: str
    dataset: str
    task: str
    state: Literal["", "run", "done before", "skipped", "failed"] = ""
    folder: Path | None = None
    reason: str = ""


def is_grid(options: RunOptions) -> bool:
    """Whether the options ask for several runs."""
    return any(_several(names) for names in (options.method, options.dataset, options.task))


def run_grid(options: RunOptions, display: Callable[[], AbstractContextManager[Progress]]) -> list[GridCell]:
    """Run every cell whose data and weights are here, each into a folder of its own below `RunOptions.runs`.

    A cell is not run again if a finished run has the same settings, and an interrupted one is continued. Methods whose
    images would differ in size are named before the first.

    Args:
        options: `method`, `dataset` and `task` may be several names with commas between, or ``all``; with several data
            sets `root` holds a folder for each, of its name.
        display: makes the display that shows the progress of one run.

    Returns:
        All cells, the skipped ones first.

    Raises:
        TalkbenchError: a name is unknown, an option is for a single run, or no cell can be run.
    """
    cells, skipped = plan(options)
    if not cells:
        reasons = "; ".join(f"{where(cell)}: {cell.reason}" for cell in skipped)
        raise TalkbenchError(f"none of these runs is possible here: {reasons}")
    with display() as progress:
        for warning in mixed_sizes(cells, options):
            progress.warn(warning)
        for cell in skipped:
            progress.say(f"skipped {where(cell)}: {cell.reason}")
    finished: list[GridCell] = []
    told: set[str] = set()
    for number, cell in enumerate(cells, 1):
        with display() as progress:
            progress.say(f"{number}/{len(cells)} {where(cell)}")
            finished.append(_run(cell, options, progress, told))
    return [*skipped, *finished]


def plan(options: RunOptions) -> tuple[list[GridCell], list[GridCell]]:
    """The cells to run, by data set, task and method, and those that cannot be run, with the reason.

    Raises:
        TalkbenchError: as `run_grid`.
    """
    _check(options)
    usable, skipped = _methods(options)
    cells: list[GridCell] = []
    for name in _names(options.dataset, datasets.registry.names()):
        tasks, missing = _tasks(name, options)
        cells += [GridCell(method, name, task) for task in tasks for method in usable]
        skipped += missing
    return cells, skipped


def mixed_sizes(cells: Sequence[GridCell], options: RunOptions) -> list[str]:
    """For each data set whose methods would work on images of different sizes, which at which, and the remedy."""
    warnings = []
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        members = [cell for cell in cells if cell.dataset == dataset]
        own = {cell.method: _resolution(cell.method, options) for cell in members}
        fixed = sorted({size for size in own.values() if size})
        if not fixed or len(set(own.values())) == 1 or options.image_size is not None:
            continue  # with --image-size a method of another size is skipped, with the reason
        free = load_protocol(options.protocol).image_size.value or _stored(members[0], options) or fixed[0]
        by_size: dict[int, list[str]] = {}
        for method, size in own.items():
            by_size.setdefault(size or free, []).append(method)
        if len(by_size) > 1:
            sizes = "; ".join(f"{', '.join(names)} at {size}" for size, names in sorted(by_size.items()))
            every = all(size in (None, fixed[0]) for size in own.values())
            remedy = "runs all at that size" if every else "runs those that can work at that size"
            choice = " or ".join(map(str, fixed))
            warnings.append(
                f"the images on {dataset} would differ in size: {sizes} pixels; --image-size {choice} {remedy}"
            )
    return warnings


def _resolution(method: str, options: RunOptions) -> int | None:
    """The size that a method works at; None if any will do."""
    name = find_weights(method, options.checkpoint).method
    return card(name).resolution or getattr(class_of(name), "resolution", None)


def _stored(cell: GridCell, options: RunOptions) -> int | None:
    """The size at which methods of any size would run on a data set; None if no frame can be read, as the runs tell."""
    data = datasets.create(cell.dataset, root=_root(cell.dataset, options))
    split = data.split(cell.task, pairs=options.pairs, motion=options.motion)
    split = split if options.limit is None else split.head(options.limit)
    try:
        check_readable(split)
        return commonest_side(split)
    except (TalkbenchError, OSError):
        return None


def where(cell: GridCell) -> str:
    """The name of a cell for messages: ``mcnet on hdtf, same-identity``."""
    data = ", ".join(filter(None, (cell.dataset, cell.task)))
    return " on ".join(filter(None, (cell.method, data)))


def _run(cell: GridCell, options: RunOptions, progress: Progress, told: set[str]) -> GridCell:
    """Run a cell. It is skipped if the run cannot be prepared, and has failed if the run breaks off later.

    Args:
        told: what earlier runs have told of metrics that cannot be computed; it is not told again.
    """
    own = _of_cell(cell, options)
    try:
        with reproducible(), memory_advice(own.batch_size):
            try:
                setup = prepare(own, progress)
            except (TalkbenchError, OSError) as error:
                progress.say(f"skipped: {error}")
                return replace(cell, state="skipped", reason=str(error))
            fresh = [line for line in setup.remarks if line not in told]
            finished = carry_out(replace(setup, remarks=fresh), own, progress)
            told.update(fresh)
    except Exception as error:  # one broken method must not cost the others a night
        explained = isinstance(error, TalkbenchError | OSError)
        reason = " ".join((str(error) if explained else f"{type(error).__name__}: {error}").split())
        progress.warn(f"failed: {reason}")
        return replace(cell, state="failed", reason=reason)
    return replace(cell, state="run" if finished.evaluated else "done before", folder=finished.store.folder)


def _of_cell(cell: GridCell, options: RunOptions) -> RunOptions:
    return replace(
        options,
        method=cell.method,
        dataset=cell.dataset,
        task=cell.task,
        root=_root(cell.dataset, options),
        runs=options.out or options.runs,
        out=None,
        resume=True,
        several=True,
    )


def _check(options: RunOptions) -> None:
    """Refuse, before the first cell, options that would make every cell fail."""
    methods_, lists = _several(options.method), _several(options.dataset) or _several(options.task)
    for option, value, wrong in (
        ("--frames", options.frames, True),
        ("--name", options.name, True),
        ("--checkpoint", options.checkpoint, methods_),
        ("--pairs", options.pairs, lists),
    ):
        if value and wrong:
            raise TalkbenchError(f"{option} is for a single run; leave it out, or name one method, data set and task")
    if options.method is None:
        raise TalkbenchError("name a --method, several with commas between, or all")
    load_protocol(options.protocol)
    choose_device(options.device)
    for name in options.metrics:
        metrics.create(name)


def _methods(options: RunOptions) -> tuple[list[str], list[GridCell]]:
    """The methods that can run, and skipped cells for the others."""
    usable: list[str] = []
    skipped = []
    for name in _names(options.method, known_names()):
        try:
            if options.method == ALL and not is_ranked(name):
                continue
            check_motion(name, options.motion)
            weights = find_weights(name, options.checkpoint)
        except TalkbenchError as error:
            if options.method != ALL:
                methods.registry.get(name)  # refuses an unknown name, which is the user's mistake
            skipped.append(GridCell(name, ANY, ANY, "skipped", reason=str(error)))
            continue
        if options.method == ALL and weights.method != full_name(name):  # that method has a cell of its own
            skipped.append(GridCell(name, ANY, ANY, "skipped", reason=weights.note))
        else:
            usable.append(name)
    return usable, skipped


def _tasks(name: str, options: RunOptions) -> tuple[list[str], list[GridCell]]:
    """The tasks of a data set that are asked for and whose pairs are here, and skipped cells for the others."""
    try:
        data = datasets.create(name, root=_root(name, options))
        tasks = data.tasks
    except (TalkbenchError, OSError) as error:
        if options.dataset != ALL:
            raise
        return [], [GridCell(ANY, name, ANY, "skipped", reason=str(error))]
    usable: list[str] = []
    skipped: dict[str, str] = {}
    names = options.task or load_protocol(options.protocol).task.value
    for task in _names(names, tasks):
        try:
            data.split(task, pairs=options.pairs, motion=options.motion)
            usable.append(task)
        except (TalkbenchError, OSError) as error:
            skipped[task] = str(error)
    if len(skipped) > 1 and len(set(skipped.values())) == 1 and not usable:  # the reason is the data set's
        skipped = {ANY: next(iter(skipped.values()))}
    return usable, [GridCell(ANY, name, task, "skipped", reason=reason) for task, reason in skipped.items()]


def _root(dataset: str, options: RunOptions) -> Path | None:
    return options.root / dataset if options.root and _several(options.dataset) else options.root


def _several(names: str | None) -> bool:
    return names is not None and (names == ALL or "," in names)


def _names(chosen: str | None, registered: Iterable[str]) -> Sequence[str]:
    """The names between the commas, each once; for ``all``, all registered names."""
    if chosen == ALL:
        return list(registered)
    return list(dict.fromkeys(name.strip() for name in (chosen or "").split(",") if name.strip()))
