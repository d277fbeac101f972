"""`bench run`: evaluates a method on a data set, from the choice of weights to the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from math import isfinite, nan
from pathlib import Path

import numpy as np

from talkbench import datasets, metrics
from talkbench.benchmark.environment import memory_advice, reproducible
from talkbench.benchmark.evaluation.contents import ContentLog, announce_sizes, change, with_contents
from talkbench.benchmark.evaluation.evaluator import Evaluator, Outcome, Rules, batches
from talkbench.benchmark.evaluation.given_frames import GivenFrames, frame_name
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.plan import Setup, prepare
from talkbench.benchmark.evaluation.reader import ImageSource, choose_workers
from talkbench.benchmark.evaluation.record import describe
from talkbench.benchmark.evaluation.scorer import set_key
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.tracking import Tracker, tracking_uri
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sweep, write_atomic
from talkbench.core.images import write_png
from talkbench.core.locks import locked
from talkbench.methods.interface import Method
from talkbench.reports.pages.run_page import Strip, write_page
from talkbench.reports.pages.strips import strip
from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import tables_of
from talkbench.reports.tables.writers import to_markdown
from talkbench.results.content import Contents
from talkbench.results.record import RunRecord
from talkbench.results.rows import Summary
from talkbench.results.run_store import RunStore
from talkbench.results.summary import summarise

SHOWN_PAIRS = 8
ARTIFACTS = ("run.json", "summary.json", "index.html", "table.md", "pictures")


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and its results.

    Attributes:
        page: the HTML page.
        tracked: the MLflow store that has the run; None if no store has it.
        evaluated: how many pairs this call has evaluated; the others were done before.
    """

    store: RunStore
    record: RunRecord
    summary: Summary
    page: Path
    tracked: str | None
    evaluated: int


def run(
    options: RunOptions,
    progress: Progress | None = None,
    method: Method | None = None,
    split: datasets.Split | None = None,
) -> Finished:
    """Evaluate a method on a task of a data set and write record, rows, summary, page and MLflow run.

    Args:
        method, split: of the caller's own, in place of those that `options` name, see `prepare`.

    Raises:
        TalkbenchError: the run cannot start or cannot go on; the rows that were computed are kept.
    """
    progress = progress or Progress()
    with reproducible(), memory_advice(options.batch_size):
        return carry_out(prepare(options, progress, method, split), options, progress)


def carry_out(setup: Setup, options: RunOptions, progress: Progress) -> Finished:
    """The part of `run` after `prepare`; call it in the same contexts as `run` does."""
    images = image_source(setup)
    with open_store(options, describe(setup, options), images, progress) as store:
        record = store.read_record()
        runs, before = store.folder.parent, len(store.done())
        with Tracker(tracking_uri(options.tracking_uri, runs), progress.warn) as tracker:
            tracker.start(record, runs)
            contents = _evaluate(setup, store, options, progress)
            record = with_contents(store.read_record(), contents)
            store.write_record(record)
            announce_sizes(record, progress)
            rows = store.rows()
            summary = summarise(rows, record.metrics, record.missing_faces, set_values(record, store))
            store.write_summary(summary)
            page = _report(store, Run(record, summary), setup.split.has_truth)
            tracker.finish(rows, summary, [store.folder / name for name in ARTIFACTS])
    return Finished(store, record, summary, page, tracker.holder, summary.pairs - before)


@contextmanager
def open_store(options: RunOptions, record: RunRecord, images: ImageSource, progress: Progress) -> Iterator[RunStore]:
    """The folder to write to, locked for this process: a new one with the `record` in it, or, with ``--resume``, the
    folder of the run that is continued.

    Args:
        images: where the frames of the data set come from now.

    Raises:
        TalkbenchError: ``--out`` holds a run without ``--resume`` being given, holds a run with other settings or of
            other data or one that is still under way, or cannot be written.
    """

    def changed(store: RunStore) -> str:
        return change(store, images, choose_workers(options.workers, len(images.split)), progress)

    earlier = RunStore(options.out) if options.out else None
    if earlier is None and options.resume:
        earlier = _latest(record, options.runs, changed, progress)
    if earlier is None or not (earlier.folder / "run.json").exists():
        if options.resume and not options.several:
            progress.say("there is no run of this command to continue; a new one begins")
        folder, record = (options.out, record) if options.out else _claim(record, options.runs)
        with locked(folder, "is writing to"):
            yield _new(folder, record)
        return
    if not options.resume:
        raise TalkbenchError(f"{earlier.folder} holds a run; continue it with --resume or choose another --out")
    differences = earlier.read_record().differences(record)
    if differences:
        raise TalkbenchError(f"{earlier.folder} was made otherwise ({differences[0]}); choose another --out")
    with locked(earlier.folder, "is writing to"):
        if difference := changed(earlier):
            raise TalkbenchError(f"{earlier.folder} was made otherwise ({difference}); choose another --out")
        sweep(earlier.folder)
        progress.say(f"continuing {earlier.folder}")
        yield earlier


def _new(folder: Path, record: RunRecord) -> RunStore:
    store = RunStore(folder)
    if store.done():
        raise TalkbenchError(f"{folder} holds rows of a run without its run.json; choose another --out")
    store.write_record(record)
    return store


def _claim(record: RunRecord, runs: Path) -> tuple[Path, RunRecord]:
    """Make a folder for the run below `runs`, also where another run starts in the same second; returns it, and the
    record with its name."""
    named, numbers = record, count(2)
    while True:
        try:
            (runs / named.run_id).mkdir(parents=True)
            return runs / named.run_id, named
        except FileExistsError:
            named = record.model_copy(update={"run_id": f"{record.run_id}-{next(numbers)}"})
        except OSError as error:
            raise TalkbenchError(
                f"cannot write {runs.absolute()}: {error.strerror}; name a folder with --out"
            ) from error


def _latest(record: RunRecord, runs: Path, changed: Callable[[RunStore], str], progress: Progress) -> RunStore | None:
    """The latest run below `runs` that computes the same numbers as `record` from the same data; runs that cannot be
    read do not count."""
    earlier: list[tuple[datetime, RunStore]] = []
    for path in runs.glob("*/run.json"):
        store = RunStore(path.parent)
        try:
            other = store.read_record()
        except TalkbenchError:
            continue
        if not other.differences(record):
            earlier.append((other.created, store))
    for _, store in sorted(earlier, key=lambda dated: dated[0], reverse=True):
        difference = changed(store)
        if not difference:
            return store
        progress.say(f"{store.folder} is not continued: {difference}")
    return None


def _evaluate(setup: Setup, store: RunStore, options: RunOptions, progress: Progress) -> Contents:
    """Evaluate the pairs that are not done yet; returns what the frames of all pairs decode to."""
    done, total = store.done(), len(setup.split)
    record = store.read_record()
    work = evaluator(setup, record, choose_workers(options.workers, total - len(done)))
    order = batches(setup.split.pairs, options.batch_size)
    pictured = set(np.linspace(0, total - 1, min(SHOWN_PAIRS, total)).round().astype(int).tolist())
    log = ContentLog(store)
    store.forget_features(done)
    progress.start(len(done), total)
    for outcome in work.run(order, done):
        log.add(outcome.contents)
        if work.drew and not record.random:
            record = record.model_copy(update={"random": True})
            store.write_record(record)
        _write_pictures(outcome, store, pictured, setup.split.has_truth, options.save_frames)
        keep(outcome, store)
        progress.advance(len(outcome.numbers))
    return log.contents


def image_source(setup: Setup) -> ImageSource:
    """Where the images of a run come from."""
    return ImageSource(setup.split, setup.size, setup.method if isinstance(setup.method, GivenFrames) else None)


def evaluator(setup: Setup, record: RunRecord, workers: int) -> Evaluator:
    """The evaluator of the pairs of `setup`, by the rules in the `record`.

    Args:
        workers: processes that read frames; 0: a thread of this one.
    """
    rules = Rules(setup.size, cut=record.quantisation == "floor", jpeg_quality=record.jpeg_quality)
    split, chosen, extractors = setup.split, setup.metrics, setup.extractors
    return Evaluator(setup.method, split, chosen, extractors, rules, setup.device, seed=record.seed, workers=workers)


def keep(outcome: Outcome, store: RunStore) -> None:
    """Write the rows and features of a batch."""
    for key, (numbers, features) in outcome.scores.sets.items():
        store.append_features(key, outcome.numbers[0], numbers, features)
    store.append(outcome.scores.rows)  # last: a batch that has rows is done


def set_values(record: RunRecord, store: RunStore) -> dict[str, float | None]:
    """The values of the metrics that take all frames of the run together; None for one that has too few frames."""
    values: dict[str, float | None] = {}
    for spec in record.metrics:
        if spec.aggregation == "set":
            metric = metrics.create(spec.name)
            generated, target = store.features(set_key(metric, datasets.has_truth(record.dataset.task)))
            value = float(metric.compare(generated, target)[0]) if len(generated) else nan
            values[spec.name] = value if isfinite(value) else None
    return values


def _write_pictures(outcome: Outcome, store: RunStore, pictured: set[int], has_truth: bool, save_frames: bool) -> None:
    for item in outcome.frames:
        if item.number in pictured:
            picture = strip(item.source, item.driving, item.frame, error=has_truth)
            write_png(store.folder / "pictures" / f"{item.number:06d}.png", picture)
        if save_frames:
            write_png(store.folder / "frames" / frame_name(item.number), item.frame)


def _report(store: RunStore, result: Run, has_truth: bool) -> Path:
    """Write the page, and the run beside published numbers of its test, if there are any, as Markdown; returns the
    page."""
    tables = tables_of(result)
    write_atomic(store.folder / "table.md", to_markdown(*tables))
    pictures = sorted((store.folder / "pictures").glob("[0-9]*.png"))
    strips = [Strip(f"pictures/{path.name}", int(path.stem), has_truth) for path in pictures]
    return write_page(store, strips, tables)
